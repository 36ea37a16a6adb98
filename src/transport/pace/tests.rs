//! The budgets on virtual time: never too much, nobody starves, everything that is not used comes back.

use super::*;
use crate::transport::clock::VirtualClock;
use crate::transport::operation::Safety;
use futures::future::join_all;
use proptest::prelude::*;

static POST: Operation = Operation {
    id: "post",
    method: reqwest::Method::POST,
    path: "/post",
    safety: Safety::Unsafe,
    empty_list: false,
    room_limit: true,
    versioned: false,
    units: 3,
    scopes: &[],
    page: None,
    inferred: None,
    answer: crate::transport::operation::AnswerShape::Any,
};

/// A service with a fixed window for the account and a rolling one for each room, both enforced.
struct Service {
    clock: VirtualClock,
    limit: u64,
    window: Duration,
    room_limit: usize,
    room_window: Duration,
    state: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    window_ends: Duration,
    used: u64,
    rooms: HashMap<u64, Vec<Duration>>,
    refused: u32,
    order: Vec<usize>,
}

impl Service {
    fn receive(&self, caller: usize, room: u64) -> RateLimit {
        let now = self.clock.elapsed();
        let mut state = self.state.lock().expect("not poisoned");
        if now >= state.window_ends {
            state.window_ends = now + self.window;
            state.used = 0;
        }
        state.used += 1;
        if state.used > self.limit {
            state.refused += 1;
        }
        let posts = state.rooms.entry(room).or_default();
        posts.retain(|at| *at + self.room_window > now);
        posts.push(now);
        if posts.len() > self.room_limit {
            state.refused += 1;
        }
        state.order.push(caller);
        RateLimit {
            limit: Some(self.limit),
            remaining: Some(self.limit.saturating_sub(state.used)),
            reset: Some(self.clock.wall() + (state.window_ends - now)),
            reset_after: Some(state.window_ends - now),
            ..RateLimit::default()
        }
    }
}

#[derive(Clone, Debug)]
struct Caller {
    room: u64,
    starts: u64,
    latency: u64,
    /// How long the body takes after the head.
    body: u64,
    /// When it gives up, whatever it is doing.
    gives_up: Option<u64>,
    connects: bool,
}

fn caller() -> impl Strategy<Value = Caller> {
    let gives_up = prop::option::weighted(0.2, 0..20_000_u64);
    (0..4_u64, 0..3_000_u64, 1..400_u64, 1..9_000_u64, gives_up, prop::bool::weighted(0.9)).prop_map(
        |(room, starts, latency, body, gives_up, connects)| Caller {
            room,
            starts,
            latency,
            body,
            gives_up,
            connects,
        },
    )
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// One call as the transport makes it. True if it was answered.
async fn call(index: usize, caller: Caller, pacer: Arc<Pacer>, service: Arc<Service>) -> bool {
    let clock: Arc<dyn Clock> = Arc::new(service.clock.clone());
    clock.sleep(millis(caller.starts)).await;
    let work = async {
        let mut permit =
            pacer.permit(&POST, Some(caller.room), &clock, None).await.expect("there is no deadline");
        permit.sending();
        if !caller.connects {
            permit.never_left();
            return false;
        }
        clock.sleep(millis(caller.latency)).await;
        let limit = service.receive(index, caller.room);
        permit.heard(Some(&limit));
        clock.sleep(millis(caller.body)).await;
        drop(permit);
        true
    };
    match caller.gives_up {
        None => work.await,
        Some(after) => {
            matches!(select(pin!(work), clock.sleep(millis(after))).await, Either::Left((true, _)))
        }
    }
}

fn answered(mut permit: Permit, limit: &RateLimit) {
    permit.sending();
    permit.heard(Some(limit));
}

fn run(callers: Vec<Caller>, limit: u64, room_limit: u32) -> (Vec<bool>, Arc<Service>, Arc<Memory>) {
    let clock = VirtualClock::new();
    let room_window = Duration::from_secs(10);
    let service = Arc::new(Service {
        clock: clock.clone(),
        limit,
        window: Duration::from_secs(5),
        room_limit: room_limit as usize,
        room_window,
        state: Mutex::default(),
    });
    let store = Arc::new(Memory::new(Some((room_limit, room_window))));
    let pace = Pace::new().room_limit(room_limit, room_window).store(store.clone());
    let pacer = Arc::new(Pacer::new(pace));
    let calls = callers.into_iter().enumerate();
    let calls =
        join_all(calls.map(|(index, caller)| call(index, caller, Arc::clone(&pacer), Arc::clone(&service))));
    let done = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(clock.drive(calls));
    assert!(pacer.lock_rooms().is_empty(), "a line is kept that nobody stands in");
    (done, service, store)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_window_is_ever_overdrawn_and_every_permit_comes_back(
        callers in prop::collection::vec(caller(), 1..60),
        limit in 2..30_u64,
        room_limit in 1..12_u32,
    ) {
        let patient: Vec<bool> = callers.iter().map(|caller| caller.gives_up.is_none() && caller.connects).collect();
        let (done, service, store) = run(callers, limit, room_limit);
        let state = service.state.lock().expect("not poisoned");
        prop_assert_eq!(state.refused, 0);
        for (done, patient) in done.iter().zip(patient) {
            prop_assert!(*done || !patient, "somebody starved");
        }
        let (account, rooms, _) = store.standing();
        prop_assert_eq!((account, rooms), (0, 0));
    }

    #[test]
    fn those_who_wait_for_a_room_go_in_the_order_in_which_they_came(count in 2..40_usize, room_limit in 1..6_u32) {
        let caller = |index| Caller { room: 1, starts: index as u64, latency: 1, body: 1, gives_up: None, connects: true };
        let (_, service, _) = run((0..count).map(caller).collect(), 1_000, room_limit);
        let order = &service.state.lock().expect("not poisoned").order;
        prop_assert_eq!(order, &(0..count).collect::<Vec<_>>());
    }
}

#[test]
fn the_room_limit_is_used_to_the_full() {
    let caller =
        |index| Caller { room: 1, starts: index, latency: 1, body: 1, gives_up: None, connects: true };
    let (done, service, _) = run((0..30).map(caller).collect(), 1_000, 10);
    assert!(done.iter().all(|done| *done));
    let took = service.clock.elapsed();
    assert!(took >= Duration::from_secs(20) && took < Duration::from_millis(22_200), "{took:?}");
}

#[tokio::test]
async fn rooms_are_forgotten_once_they_are_quiet() {
    let clock = VirtualClock::new();
    let store = Memory::new(Some((10, Duration::from_secs(10))));
    for room in 0..100_000 {
        store.take(Budget::Room(room), clock.now()).await.expect("each room is new");
        store.settle(Budget::Room(room), Settlement::Sent(None), clock.now());
        clock.advance(Duration::from_millis(100));
    }
    let (_, _, remembered) = store.standing();
    assert!(remembered <= 300, "{remembered} rooms are remembered, 100 of which are not quiet yet");
}

#[tokio::test]
async fn units_are_refused_when_they_do_not_suffice_and_refunded_when_unused() {
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new());
    let pacer = Arc::new(Pacer::new(Pace::new()));
    let reset = Some(clock.wall() + Duration::from_secs(100));
    let left = |remaining| RateLimit {
        units: Some(crate::limits::Units { remaining: Some(remaining), reset, ..Default::default() }),
        ..RateLimit::default()
    };
    let first = pacer.permit(&POST, None, &clock, None).await.expect("nothing is known yet");
    answered(first, &left(5));
    let second = pacer.permit(&POST, None, &clock, None).await.expect("5 are left");
    let error = pacer.permit(&POST, None, &clock, None).await.err().expect("2 are left");
    assert!(matches!(error.kind(), ErrorKind::UnitsExhausted { cost: 3, remaining: 2, .. }), "{error}");
    drop(second);
    let again = pacer.permit(&POST, None, &clock, None).await.expect("the unused ones came back");
    answered(again, &left(0));
    assert!(pacer.permit(&POST, None, &clock, None).await.is_err());
    let off = Arc::new(Pacer::new(Pace::new().units(false)));
    let first = off.permit(&POST, None, &clock, None).await.expect("it is switched off");
    answered(first, &left(0));
    assert!(off.permit(&POST, None, &clock, None).await.is_ok());
}

fn told(remaining: u64, reset: Option<Timestamp>, after: Option<Duration>) -> Settlement {
    let limit = RateLimit {
        limit: Some(300),
        remaining: Some(remaining),
        reset,
        reset_after: after,
        ..Default::default()
    };
    Settlement::Sent(Some(limit))
}

#[tokio::test]
async fn an_answer_of_an_older_window_does_not_close_the_newer_one() {
    let clock = VirtualClock::new();
    let store = Memory::new(None);
    let (old, new) = (clock.wall() + Duration::from_secs(1), clock.wall() + Duration::from_secs(300));
    for _ in 0..2 {
        let _ = store.take(Budget::Account, clock.now()).await;
    }
    store.settle(Budget::Account, told(299, Some(new), Some(Duration::from_secs(300))), clock.now());
    store.settle(Budget::Account, told(0, Some(old), Some(Duration::ZERO)), clock.now());
    assert_eq!(store.take(Budget::Account, clock.now()).await, Ok(()));
}

#[tokio::test]
async fn without_a_reset_the_newest_word_counts() {
    let clock = VirtualClock::new();
    let store = Memory::new(None);
    for remaining in [0, 299] {
        store.take(Budget::Account, clock.now()).await.expect("nothing is out");
        store.settle(Budget::Account, told(remaining, None, None), clock.now());
    }
    store.take(Budget::Account, clock.now()).await.expect("299 are left");
    store.take(Budget::Account, clock.now()).await.expect("298 are left");
}

#[tokio::test]
async fn a_refusal_for_a_day_is_tried_again_after_minutes() {
    let clock = VirtualClock::new();
    let store = Memory::new(None);
    store.take(Budget::Account, clock.now()).await.expect("it is the first");
    store.settle(Budget::Account, Settlement::Exhausted(Duration::MAX), clock.now());
    assert!(store.take(Budget::Account, clock.now()).await.is_err());
    clock.advance(Duration::from_secs(301));
    assert_eq!(store.take(Budget::Account, clock.now()).await, Ok(()));
}

#[tokio::test]
async fn units_under_way_are_not_given_out_twice_and_are_asked_for_again_in_time() {
    let clock = VirtualClock::new();
    let mut units = MonthlyUnits::default();
    let told = |remaining| Units { remaining: Some(remaining), ..Units::default() };
    units.take(3, &clock).expect("nothing is known");
    units.settle(3, true, Some(&told(6)), clock.now());
    units.take(3, &clock).expect("6 are left");
    units.take(3, &clock).expect("3 are left");
    units.settle(3, true, Some(&told(3)), clock.now());
    units.take(3, &clock).expect_err("the 3 that are left are under way");
    units.settle(3, false, None, clock.now());
    units.take(3, &clock).expect("they came back");
    units.settle(3, true, Some(&told(0)), clock.now());
    units.take(1, &clock).expect_err("none are left");
    clock.advance(UNITS_BELIEVED);
    units.take(1, &clock).expect("it may have changed since");
}
