//! The budgets on virtual time: never too many calls, no call waits for ever, and unused permits are returned.

use super::*;
use crate::clock::VirtualClock;
use crate::limits::MAX_WINDOW;
use crate::operation::Safety;
use futures::future::{FutureExt, join_all};
use jiff::Timestamp;
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
    answer: crate::operation::AnswerShape::Any,
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
    /// The time of the body after the head.
    body: u64,
    /// The deadline of the caller.
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
            pacer.permit(&POST, Some(caller.room), &*clock, None).await.expect("there is no deadline");
        permit.mark_sent();
        if !caller.connects {
            permit.mark_unsent();
            return false;
        }
        clock.sleep(millis(caller.latency)).await;
        let limit = service.receive(index, caller.room);
        permit.on_headers(Some(&limit));
        clock.sleep(millis(caller.body)).await;
        drop(permit);
        true
    };
    match caller.gives_up {
        None => work.await,
        Some(after) => {
            matches!(
                select(pin!(work), clock.sleep(millis(after))).await,
                futures::future::Either::Left((true, _))
            )
        }
    }
}

fn memory(clock: &VirtualClock) -> MemoryBudgetStore {
    MemoryBudgetStore::with_clock(Arc::new(clock.clone()))
}

const fn in_room(id: u64) -> Budget {
    Budget::room(id, 10, Duration::from_secs(10))
}

/// The wait that the store asks for.
fn wait(taken: Result<Lease, Denied>) -> Option<Duration> {
    match taken {
        Ok(_) => None,
        Err(Denied::Wait { time, .. }) => Some(time),
        Err(denied) => panic!("{denied:?}"),
    }
}

fn answered(mut permit: Permit, limit: &RateLimit) {
    permit.mark_sent();
    permit.on_headers(Some(limit));
}

fn run(callers: Vec<Caller>, limit: u64, room_limit: u32) -> (Vec<bool>, Arc<Service>, MemoryBudgetStore) {
    let clock = VirtualClock::new();
    let room_window = Duration::from_secs(10);
    let service = Arc::new(Service {
        clock: clock.clone(),
        limit,
        window: Duration::from_secs(10),
        room_limit: room_limit as usize,
        room_window,
        state: Mutex::default(),
    });
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let store = MemoryBudgetStore::with_clock(Arc::clone(&shared));
    let pace = Pace::new().room_limit(room_limit, room_window).store(store.clone());
    let pacer = Arc::new(Pacer::new(pace, &shared));
    let calls = callers.into_iter().enumerate();
    let calls =
        join_all(calls.map(|(index, caller)| call(index, caller, Arc::clone(&pacer), Arc::clone(&service))));
    let done = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(clock.drive(calls));
    assert!(pacer.lock_rooms().is_empty(), "an empty queue was kept");
    (done, service, store)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_window_is_overdrawn_and_every_permit_is_returned(
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
    fn calls_waiting_for_a_room_run_in_order(count in 2..40_usize, room_limit in 1..6_u32) {
        let caller = |index| Caller { room: 1, starts: index as u64, latency: 1, body: 1, gives_up: None, connects: true };
        let (_, service, _) = run((0..count).map(caller).collect(), 1_000, room_limit);
        let order = &service.state.lock().expect("not poisoned").order;
        prop_assert_eq!(order, &(0..count).collect::<Vec<_>>());
    }
}

#[test]
fn the_room_limit_is_used_completely() {
    let caller =
        |index| Caller { room: 1, starts: index, latency: 1, body: 1, gives_up: None, connects: true };
    let (done, service, _) = run((0..30).map(caller).collect(), 1_000, 10);
    assert!(done.iter().all(|done| *done));
    let took = service.clock.elapsed();
    assert!(took >= Duration::from_secs(20) && took < Duration::from_millis(22_200), "{took:?}");
}

#[tokio::test]
async fn quiet_rooms_are_forgotten() {
    let clock = VirtualClock::new();
    let store = memory(&clock);
    for room in 0..100_000 {
        let lease = store.take(in_room(room)).await.expect("each room is new");
        store.settle(lease, Settlement::Sent(None));
        clock.advance(Duration::from_millis(100));
    }
    let (_, _, remembered) = store.standing();
    assert!(remembered <= 300, "{remembered} rooms are remembered, 100 of which are not quiet yet");
}

#[tokio::test]
async fn insufficient_units_refuse_a_call_and_unused_units_are_refunded() {
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new());
    let pacer = Arc::new(Pacer::new(Pace::new(), &clock));
    let reset = Some(clock.wall() + Duration::from_secs(100));
    let left = |remaining| RateLimit {
        units: Some(crate::limits::Units { remaining: Some(remaining), reset, ..Default::default() }),
        ..RateLimit::default()
    };
    let first = pacer.permit(&POST, None, &*clock, None).await.expect("nothing is known yet");
    answered(first, &left(5));
    let second = pacer.permit(&POST, None, &*clock, None).await.expect("5 are left");
    let error = pacer.permit(&POST, None, &*clock, None).await.err().expect("2 are left");
    assert!(matches!(error.kind(), ErrorKind::UnitsExhausted { cost: 3, remaining: 2, .. }), "{error}");
    drop(second);
    let again = pacer.permit(&POST, None, &*clock, None).await.expect("the unused ones came back");
    answered(again, &left(0));
    assert!(pacer.permit(&POST, None, &*clock, None).await.is_err());
    let off = Arc::new(Pacer::new(Pace::new().units(false), &clock));
    let first = off.permit(&POST, None, &*clock, None).await.expect("it is switched off");
    answered(first, &left(0));
    assert!(off.permit(&POST, None, &*clock, None).await.is_ok());
}

fn reported(remaining: u64, reset: Option<Timestamp>, after: Option<Duration>) -> RateLimit {
    RateLimit {
        limit: Some(300),
        remaining: Some(remaining),
        reset,
        reset_after: after,
        ..Default::default()
    }
}

/// A permit of the account that is not needed any more.
const ACCOUNT: Lease = Lease::new(Budget::Account, 0);

#[tokio::test]
async fn an_answer_of_an_older_window_does_not_close_the_newer_one() {
    let clock = VirtualClock::new();
    let store = memory(&clock);
    let (old, new) = (clock.wall() + Duration::from_secs(1), clock.wall() + Duration::from_secs(300));
    for _ in 0..2 {
        let _ = store.take(Budget::Account).await;
    }
    let newer = reported(299, Some(new), Some(Duration::from_secs(300)));
    store.settle(ACCOUNT, Settlement::Sent(Some(&newer)));
    let older = reported(0, Some(old), Some(Duration::ZERO));
    store.settle(ACCOUNT, Settlement::Sent(Some(&older)));
    assert_eq!(wait(store.take(Budget::Account).await), None);
}

#[tokio::test]
async fn without_a_reset_the_newest_answer_counts() {
    let clock = VirtualClock::new();
    let store = memory(&clock);
    for remaining in [0, 299] {
        let lease = store.take(Budget::Account).await.expect("nothing is in flight");
        store.settle(lease, Settlement::Sent(Some(&reported(remaining, None, None))));
    }
    assert_eq!(wait(store.take(Budget::Account).await), None, "299 are left");
    assert_eq!(wait(store.take(Budget::Account).await), None, "298 are left");
}

#[tokio::test]
async fn a_refusal_for_a_day_is_checked_again_after_minutes() {
    let clock = VirtualClock::new();
    for budget in [Budget::Account, in_room(1)] {
        let store = memory(&clock);
        let take = || store.take(budget).now_or_never().expect("memory answers at once");
        let lease = take().expect("it is the first");
        store.settle(lease, Settlement::Exhausted(Duration::MAX));
        assert_eq!(wait(take()), Some(CLOSED));
        clock.advance(CLOSED);
        let test = take().expect("one finds out");
        assert_eq!(wait(take()), Some(FIRST_ANSWER), "the others wait for its answer");
        store.settle(test, Settlement::Unsent);
        let test = take().expect("it did not find out");
        store.settle(test, Settlement::Exhausted(Duration::from_secs(1)));
        assert_eq!(wait(take()), Some(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(1));
        for _ in 0..5 {
            assert_eq!(wait(take()), None, "that was as long as the service asked for");
        }
    }
}

const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[tokio::test]
async fn a_window_of_a_month_is_checked_again_after_minutes_by_one_call() {
    let clock = VirtualClock::new();
    let store = memory(&clock);
    let take = || wait(store.take(Budget::Account).now_or_never().expect("memory answers at once"));
    let settle = |limit: &RateLimit| store.settle(ACCOUNT, Settlement::Sent(Some(limit)));
    let month = clock.wall() + MONTH;
    assert_eq!(take(), None, "it is the first");
    settle(&reported(0, Some(month), Some(MONTH)));
    assert_eq!(take(), Some(CLOSED));
    clock.advance(CLOSED - Duration::from_secs(1));
    assert_eq!(take(), Some(Duration::from_secs(1)));
    clock.advance(Duration::from_secs(1));
    assert_eq!(take(), None, "one finds out");
    assert_eq!(take(), Some(FIRST_ANSWER), "the others wait for its answer");
    clock.advance(Duration::from_secs(60));
    assert_eq!(take(), Some(FIRST_ANSWER), "as long as it takes");
    settle(&reported(0, Some(month), Some(MONTH)));
    assert_eq!(take(), Some(CLOSED), "it was true");
    clock.advance(CLOSED);
    assert_eq!(take(), None, "one finds out");
    store.settle(ACCOUNT, Settlement::Sent(None));
    assert_eq!(take(), None, "the last one had no answer");
    settle(&reported(7, Some(clock.wall() + CLOSED), Some(CLOSED)));
    for _ in 0..7 {
        assert_eq!(take(), None, "the service says that 7 are left");
    }
    assert!(take().is_some());
}

#[tokio::test]
async fn one_endless_call_does_not_block_the_others_for_ever() {
    let clock = VirtualClock::new();
    let store = memory(&clock);
    let take = || wait(store.take(Budget::Account).now_or_never().expect("memory answers at once"));
    assert_eq!(take(), None, "it is the first");
    store.settle(ACCOUNT, Settlement::Sent(Some(&reported(0, Some(clock.wall() + MONTH), Some(MONTH)))));
    for _ in 0..3 {
        clock.advance(CLOSED);
        assert_eq!(take(), None, "one finds out");
        assert_eq!(take(), Some(FIRST_ANSWER));
    }
}

#[tokio::test]
async fn a_reported_month_does_not_make_later_answers_belong_to_an_older_window() {
    let clock = VirtualClock::new();
    let store = memory(&clock);
    let take = || wait(store.take(Budget::Account).now_or_never().expect("memory answers at once"));
    assert_eq!(take(), None, "it is the first");
    store.settle(ACCOUNT, Settlement::Sent(Some(&reported(299, Some(clock.wall() + MONTH), Some(MONTH)))));
    assert_eq!(take(), None, "299 are left");
    clock.advance(Duration::from_secs(2));
    let (end, after) = (clock.wall() + CLOSED, CLOSED);
    store.settle(ACCOUNT, Settlement::Sent(Some(&reported(1, Some(end), Some(after)))));
    assert_eq!(take(), None, "the newest answer reports that 1 is left");
    assert_eq!(take(), Some(CLOSED));
}

#[tokio::test]
async fn windows_of_two_seconds_are_distinguished() {
    let clock = VirtualClock::new();
    let store = memory(&clock);
    let take = || wait(store.take(Budget::Account).now_or_never().expect("memory answers at once"));
    let window = Duration::from_secs(2);
    for _ in 0..4 {
        assert_eq!(take(), None, "a new window");
        store
            .settle(ACCOUNT, Settlement::Sent(Some(&reported(0, Some(clock.wall() + window), Some(window)))));
        assert_eq!(take(), Some(window), "it is used up, and not by late answers of the last one");
        clock.advance(window);
    }
}

#[tokio::test]
async fn a_permit_of_a_dropped_call_is_not_taken() {
    let clock = VirtualClock::new();
    let store = memory(&clock);
    drop(store.take(in_room(1)));
    drop(store.take(Budget::Account));
    assert_eq!(store.standing(), (0, 0, 0));
}

/// A store that answers after a while, or never.
#[derive(Debug)]
struct Slow {
    clock: VirtualClock,
    takes: Option<Duration>,
    refuses: Option<Duration>,
    settled: Mutex<Vec<String>>,
}

impl Slow {
    fn new(clock: &VirtualClock, takes: Option<Duration>, refuses: Option<Duration>) -> Arc<Self> {
        Arc::new(Self { clock: clock.clone(), takes, refuses, settled: Mutex::default() })
    }
}

impl BudgetStore for Slow {
    fn take(&self, budget: Budget) -> futures::future::BoxFuture<'_, Result<Lease, Denied>> {
        Box::pin(async move {
            match self.takes {
                Some(takes) => self.clock.sleep(takes).await,
                None => std::future::pending().await,
            }
            self.refuses.map_or(Ok(Lease::new(budget, 7)), |wait| Err(Denied::wait(wait)))
        })
    }

    fn settle(&self, lease: Lease, how: Settlement<'_>) {
        let settled = match lease.budget() {
            Budget::Account => "account",
            Budget::Room { .. } => "room",
            Budget::Units { .. } => "units",
        };
        self.settled.lock().expect("not poisoned").push(format!("{settled} {} {how:?}", lease.id()));
    }

    fn estimate(&self, _: Budget, _: u32) -> Duration {
        Duration::MAX
    }
}

#[tokio::test]
async fn waiting_for_a_hanging_store_ends_with_the_calls_deadline() {
    let virtual_clock = VirtualClock::new();
    let clock: Arc<dyn Clock> = Arc::new(virtual_clock.clone());
    let store = Slow::new(&virtual_clock, None, None);
    let pacer = Arc::new(Pacer::new(Pace::new().store(store.clone()), &clock));
    let deadline = clock.now() + Duration::from_secs(30);
    let permit = |room| pacer.permit(&POST, room, &*clock, Some(deadline));
    // One call waits for the account, one for the room, and one for its turn behind the second.
    let calls = join_all([permit(None), permit(Some(1)), permit(Some(1))]);
    for result in virtual_clock.drive(calls).await {
        let error = result.err().expect("the deadline has passed");
        assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
        assert!(
            matches!(error.kind(), ErrorKind::WaitTooLong { left, .. } if left.as_secs() == 30),
            "{error}"
        );
    }
    assert_eq!((virtual_clock.elapsed().as_secs(), virtual_clock.sleepers()), (30, 0));
    assert!(pacer.lock_rooms().is_empty() && store.settled.lock().expect("not poisoned").is_empty());
    assert_eq!(pacer.account.waiting.load(Ordering::Relaxed), 0);
    assert_eq!(pacer.units.waiting.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_permit_dropped_during_a_store_call_leaves_nothing_behind() {
    let virtual_clock = VirtualClock::new();
    let clock: Arc<dyn Clock> = Arc::new(virtual_clock.clone());
    let store = Slow::new(&virtual_clock, Some(Duration::from_secs(10)), None);
    let pacer = Arc::new(Pacer::new(Pace::new().store(store.clone()), &clock));
    {
        let mut permit = pin!(pacer.permit(&POST, Some(1), &*clock, None));
        assert!(futures::poll!(&mut permit).is_pending());
        for _ in 0..2 {
            virtual_clock.advance(Duration::from_secs(10));
            assert!(
                futures::poll!(&mut permit).is_pending(),
                "units and room are taken, and the account asked for"
            );
        }
    }
    assert_eq!(virtual_clock.sleepers(), 0);
    assert!(pacer.lock_rooms().is_empty());
    assert_eq!(*store.settled.lock().expect("not poisoned"), ["room 7 Unsent", "units 7 Unsent"]);
    let permit = virtual_clock.drive(pacer.permit(&POST, Some(1), &*clock, None)).await;
    assert!(permit.is_ok(), "no other call is in front");
}

#[tokio::test]
async fn a_store_may_return_any_wait() {
    let virtual_clock = VirtualClock::new();
    let clock: Arc<dyn Clock> = Arc::new(virtual_clock.clone());
    let store = Slow::new(&virtual_clock, Some(Duration::from_secs(1)), Some(Duration::MAX));
    let pacer = Arc::new(Pacer::new(Pace::new().store(store), &clock));
    let deadline = Some(clock.now() + Duration::from_secs(30));
    let error = virtual_clock.drive(pacer.permit(&POST, Some(1), &*clock, deadline)).await.err();
    let error = error.expect("it cannot wait that long");
    assert!(matches!(error.kind(), ErrorKind::WaitTooLong { needed: Duration::MAX, .. }), "{error}");
}

#[tokio::test]
async fn a_room_limit_may_have_any_value() {
    let windows = [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(1), Duration::MAX];
    for (posts, window) in
        [0, 1, u32::MAX].into_iter().flat_map(|posts| windows.map(|window| (posts, window)))
    {
        let clock = VirtualClock::new();
        let asked: Arc<dyn Clock> = Arc::new(clock.clone());
        let pacer = Arc::new(Pacer::new(Pace::new().room_limit(posts, window), &asked));
        let permit = pacer.permit(&POST, Some(1), &*asked, None).await.expect("it is the first");
        answered(permit, &RateLimit::default());
        let window = window.min(MAX_WINDOW);
        let budget = Budget::room(1, posts.max(1), window);
        match pacer.store.take(budget).await {
            Ok(lease) => {
                assert!(posts == u32::MAX || window.is_zero(), "{posts} {window:?}");
                pacer.store.settle(lease, Settlement::Sent(None));
            }
            denied => assert!(wait(denied) <= Some(MAX_WINDOW) && posts < u32::MAX && !window.is_zero()),
        }
        let _ = pacer.store.estimate(budget, u32::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(wait(pacer.store.take(budget).await), None, "every window is over in a thousand years");
    }
}

/// An event for a budget.
#[derive(Clone, Debug)]
enum Step {
    Take,
    Settle(Option<RateLimit>),
    Unsent,
    Exhausted(Duration),
    Pass(Duration),
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0..2_000_000_u64).prop_map(millis),
        any::<u64>().prop_map(Duration::from_secs),
    ]
}

fn limits() -> impl Strategy<Value = RateLimit> {
    let number = || prop::option::of(prop_oneof![0..5_u64, Just(u64::MAX), Just(300)]);
    let second = prop_oneof![-1_000..100_000_000_i64, Just(-62_135_596_800), Just(251_000_000_000)];
    (number(), number(), prop::option::of((second, duration())), prop::option::of(duration())).prop_map(
        |(limit, remaining, reset, window)| RateLimit {
            limit,
            remaining,
            reset: reset
                .map(|(second, _)| Timestamp::from_second(1_767_193_200 + second).unwrap_or(Timestamp::MIN)),
            reset_after: reset.map(|(_, after)| after),
            window,
            ..RateLimit::default()
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Take),
        2 => prop::option::of(limits()).prop_map(Step::Settle),
        1 => Just(Step::Unsent),
        1 => duration().prop_map(Step::Exhausted),
        2 => duration().prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn the_store_never_waits_longer_than_its_bound(
        steps in prop::collection::vec(step(), 1..60),
        (posts, window) in (any::<u32>(), (0..11_u64).prop_map(Duration::from_secs)),
    ) {
        let clock = VirtualClock::new();
        let store = memory(&clock);
        let take = |budget| wait(store.take(budget).now_or_never().expect("memory answers at once"));
        for budget in [Budget::Account, Budget::room(1, posts, window)] {
            for step in &steps {
                let how = match step {
                    Step::Take => {
                        let wait = take(budget).unwrap_or_default();
                        prop_assert!(wait <= CLOSED, "{:?}", wait);
                        continue;
                    }
                    Step::Pass(time) => {
                        clock.advance(*time);
                        continue;
                    }
                    Step::Settle(limit) => Settlement::Sent(limit.as_ref()),
                    Step::Unsent => Settlement::Unsent,
                    Step::Exhausted(wait) => Settlement::Exhausted(*wait),
                };
                store.settle(Lease::new(budget, 0), how);
                prop_assert!(store.estimate(budget, 0) <= CLOSED);
            }
        }
        // Whatever was reported, and whatever is in flight: after each bound another call is sent.
        clock.advance(CLOSED);
        let again = take(Budget::Account);
        clock.advance(CLOSED);
        prop_assert!(again.is_none() || take(Budget::Account).is_none());
    }
}

#[tokio::test]
async fn units_in_flight_are_not_granted_twice_and_are_checked_again_in_time() {
    let clock = VirtualClock::new();
    let store = memory(&clock);
    let take = |cost| store.take(Budget::units(cost)).now_or_never().expect("memory answers at once");
    let reported = |remaining| RateLimit {
        units: Some(crate::limits::Units { remaining: Some(remaining), ..Default::default() }),
        ..RateLimit::default()
    };
    let first = take(3).expect("nothing is known");
    store.settle(first, Settlement::Sent(Some(&reported(6))));
    let second = take(3).expect("6 are left");
    let third = take(3).expect("3 are left");
    store.settle(second, Settlement::Sent(Some(&reported(3))));
    take(3).expect_err("the 3 that are left are in flight");
    store.settle(third, Settlement::Unsent);
    let again = take(3).expect("they came back");
    assert_eq!(store.units(), 3);
    store.settle(again, Settlement::Sent(Some(&reported(0))));
    take(1).expect_err("none are left");
    clock.advance(super::units::BELIEVED);
    let later = take(1).expect("it may have changed since");
    store.settle(later, Settlement::Sent(None));
    assert_eq!(store.units(), 0);
}
