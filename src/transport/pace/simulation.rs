//! How much of a window is lost if the service reports its end in whole seconds.
//!
//! A window opens at 0.025 s and lasts for 10 s: it ends at 10.025 s, and is said to end at 11 s. `Date` says that it is
//! 0 s, so that the end is 11 s away when the answer arrives at 0.05 s. The next window opens at 11.075 s, 1.05 s late.

use super::*;
use crate::clock::VirtualClock;
use crate::operation::Safety;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};

static READ: Operation = Operation {
    id: "read",
    method: reqwest::Method::GET,
    path: "/read",
    safety: Safety::Safe,
    empty_list: false,
    room_limit: false,
    versioned: false,
    units: 0,
    scopes: &[],
    page: None,
    inferred: None,
    answer: crate::operation::AnswerShape::Any,
};

const SECOND: Duration = Duration::from_secs(1);
const LATENCY: Duration = Duration::from_millis(25);
const CALLS: u64 = 20;

/// A window that opens with the first call.
struct Service {
    clock: VirtualClock,
    length: Duration,
    policy: bool,
    /// Whether the end is reported as the last whole second before it, instead of the first one after it.
    early: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    used: u64,
    opened: Vec<Timestamp>,
    refused: u32,
}

impl Service {
    fn new(length: u64) -> Self {
        let length = Duration::from_secs(length);
        Self { clock: VirtualClock::new(), length, policy: false, early: false, state: Mutex::default() }
    }

    fn receive(&self) -> Result<RateLimit, Duration> {
        let now = self.clock.wall();
        let mut state = self.state.lock().expect("not poisoned");
        if state.opened.last().is_none_or(|opened| now >= *opened + self.length) {
            state.opened.push(now);
            state.used = 0;
        }
        let end = *state.opened.last().expect("it is open") + self.length;
        let up = end.subsec_nanosecond() > 0 && !self.early;
        let reset = Timestamp::constant(end.as_second() + i64::from(up), 0);
        let date = Timestamp::constant(now.as_second(), 0);
        let after = reset.duration_since(date).max(SignedDuration::ZERO).unsigned_abs();
        if state.used == CALLS {
            state.refused += 1;
            return Err(after.max(SECOND));
        }
        state.used += 1;
        Ok(RateLimit {
            limit: Some(CALLS),
            remaining: Some(CALLS - state.used),
            reset: Some(reset),
            reset_after: Some(after),
            window: self.policy.then_some(self.length),
            ..RateLimit::default()
        })
    }
}

async fn call(service: &Service, pacer: &Arc<Pacer>) {
    let clock: Arc<dyn Clock> = Arc::new(service.clock.clone());
    loop {
        let mut permit = pacer.permit(&READ, None, &*clock, None).await.expect("there is no deadline");
        permit.mark_sent();
        clock.sleep(LATENCY).await;
        let answer = service.receive();
        clock.sleep(LATENCY).await;
        match answer {
            Ok(limit) => return permit.on_headers(Some(&limit)),
            Err(wait) => permit.exhausted(Exhausted::Account(wait), None),
        }
    }
}

/// How long after the end of each window the next one was opened, by as many calls as go, and how many were refused.
fn lost(service: Service) -> (Vec<Duration>, u32) {
    const WINDOWS: u64 = 8;
    let clock: Arc<dyn Clock> = Arc::new(service.clock.clone());
    let pacer = Arc::new(Pacer::new(Pace::new(), &clock));
    let calls = join_all((0..CALLS * WINDOWS).map(|_| call(&service, &pacer)));
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(service.clock.drive(calls));
    let state = service.state.lock().expect("not poisoned");
    let lost = |two: &[Timestamp]| two[1].duration_since(two[0]).unsigned_abs() - service.length;
    let lost: Vec<Duration> = state.opened.windows(2).map(lost).collect();
    assert_eq!(lost.len() as u64, WINDOWS - 1, "every window was used to the full");
    (lost, state.refused)
}

const WITHOUT: Duration = Duration::from_millis(1050);
const WITH: Duration = Duration::from_millis(50);

#[test]
fn where_the_length_is_unknown_a_second_of_each_window_is_lost() {
    // 11 s, reported with an error of up to a second, might be 10 s, which services choose.
    let (lost, refused) = lost(Service::new(12));
    assert_eq!((lost, refused), (vec![WITHOUT; 7], 0));
}

#[test]
fn where_the_service_says_how_long_it_is_only_the_way_there_and_back_is_lost() {
    for length in [10, 12, 60] {
        let (lost, refused) = lost(Service { policy: true, ..Service::new(length) });
        assert_eq!((lost, refused), (vec![WITH; 7], 0), "{length}");
    }
}

#[test]
fn the_length_is_learned_from_the_first_two_windows() {
    for length in [10, 60] {
        let (lost, refused) = lost(Service::new(length));
        assert_eq!(refused, 0);
        assert_eq!((lost[0], &lost[1..]), (WITHOUT, &[WITH; 6][..]), "{length}");
    }
}

#[test]
fn of_a_window_as_long_as_the_longest_wait_only_the_way_there_and_back_is_lost() {
    // Two rounds are sent before the answers say that nothing is left, and the wait counts from the last one.
    let (lost, refused) = lost(Service::new(300));
    assert_eq!((lost, refused), (vec![2 * WITH; 7], 0));
}

#[test]
fn a_length_that_was_learned_wrong_costs_one_refusal() {
    // 11 s, reported as 11 s: that would be 10 s if the end is rounded up.
    let (lost, refused) = lost(Service { early: true, ..Service::new(11) });
    assert_eq!(refused, 1);
    assert!(lost.iter().all(|lost| *lost <= 2 * SECOND), "{lost:?}");
}
