//! The script and the store in memory, side by side: whatever happens, both answer the same.

use kaiwa::store::{Redis, RedisBudgets};
use kaiwa::{
    Budget, BudgetStore, Denied, Lease, MemoryBudgetStore, RateLimit, Settlement, Units, VirtualClock,
};
use proptest::prelude::*;
use services::redis;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Take(Budget),
    /// Of the permits in flight one, by its place.
    Settle(usize, How),
    Pass(Duration),
}

#[derive(Clone, Debug)]
enum How {
    Unsent,
    Sent(Option<RateLimit>),
    Exhausted(Duration),
}

const ROOM: Budget = Budget::room(7, 3, Duration::from_secs(10));

fn seconds() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..12_000_u64).prop_map(Duration::from_millis),
        (0..700_u64).prop_map(Duration::from_secs),
        Just(Duration::from_secs(30 * 24 * 60 * 60)),
    ]
}

fn limits() -> impl Strategy<Value = RateLimit> {
    let count = || prop::option::of(prop_oneof![0..5_u64, Just(60), Just(300)]);
    let reset = prop::option::of((0..40_i64, 0..13_u64, 0..1_000_u64));
    let window = prop::option::weighted(0.2, prop_oneof![Just(5_u64), Just(10), Just(300)]);
    let units = prop::option::of((0..8_u64, prop::option::of(0..900_i64)));
    (count(), count(), reset, window, units).prop_map(|(limit, remaining, reset, window, units)| {
        let mut reported = RateLimit::default();
        (reported.limit, reported.remaining) = (limit, remaining);
        let second = |second| kaiwa::jiff::Timestamp::from_second(1_767_193_200 + second).expect("a time");
        reported.reset = reset.map(|(at, ..)| second(at * 7));
        reported.reset_after =
            reset.map(|(_, after, fraction)| Duration::from_millis(after * 1_000 + fraction));
        reported.window = window.map(Duration::from_secs);
        reported.units = units.map(|(remaining, reset)| {
            let mut units = Units::default();
            (units.remaining, units.reset) = (Some(remaining), reset.map(second));
            units
        });
        reported
    })
}

fn step() -> impl Strategy<Value = Step> {
    let budget =
        prop_oneof![4 => Just(Budget::Account), 2 => Just(ROOM), 1 => (1..4_u64).prop_map(Budget::units)];
    let how = prop_oneof![
        1 => Just(How::Unsent),
        4 => prop::option::of(limits()).prop_map(How::Sent),
        1 => seconds().prop_map(How::Exhausted),
    ];
    prop_oneof![
        4 => budget.prop_map(Step::Take),
        3 => (any::<usize>(), how).prop_map(|(place, how)| Step::Settle(place, how)),
        2 => seconds().prop_map(Step::Pass),
    ]
}

/// What a store said, without the id of the lease.
fn said(taken: &Result<Lease, Denied>) -> String {
    match taken {
        Ok(_) => "granted".to_owned(),
        Err(Denied::Wait { time, .. }) => format!("wait {time:?}"),
        Err(denied) => format!("{denied:?}"),
    }
}

/// Runs the steps on both, and returns where they differ. A permit lives at most as long as a lease, which memory does not end.
async fn difference(
    steps: &[Step],
    memory: &MemoryBudgetStore,
    redis: &RedisBudgets,
    clock: &VirtualClock,
) -> Option<String> {
    let mut flying: Vec<(Lease, Lease, Duration)> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let settled = |(one, other, _): (Lease, Lease, Duration), how: &How| {
            let how = match how {
                How::Unsent => Settlement::Unsent,
                How::Sent(limit) => Settlement::Sent(limit.as_ref()),
                How::Exhausted(wait) => Settlement::Exhausted(*wait),
            };
            memory.settle(one, how);
            redis.settle(other, how);
        };
        match step {
            Step::Take(budget) => {
                let (one, other) = (memory.take(*budget).await, redis.take(*budget).await);
                if said(&one) != said(&other) {
                    return Some(format!("step {number}: memory {}, Redis {}", said(&one), said(&other)));
                }
                if let (Ok(one), Ok(other)) = (one, other) {
                    flying.push((one, other, clock.elapsed()));
                }
            }
            Step::Settle(place, how) if !flying.is_empty() => {
                settled(flying.remove(place % flying.len()), how);
                redis.flush().await.expect("the server is there");
            }
            Step::Settle(..) => {}
            Step::Pass(time) => {
                // What would outlive its lease comes back before.
                let ends = clock.elapsed() + *time;
                while let Some(old) = flying.iter().position(|(.., at)| *at + Duration::from_secs(9) < ends) {
                    settled(flying.remove(old), &How::Sent(None));
                }
                redis.flush().await.expect("the server is there");
                clock.advance(*time);
            }
        }
    }
    None
}

#[test]
fn redis_and_memory_answer_the_same() {
    let cases = std::env::var("KAIWA_MODEL_CASES").map_or(500, |cases| cases.parse().expect("a number"));
    let server = redis::Redis::start();
    // On one thread: what the store sends by itself bears the time at which it was settled.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let name = std::cell::Cell::new(0);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = prop::test_runner::TestRunner::new(config);
    let result = runner.run(&prop::collection::vec(step(), 1..40), |steps| {
        name.set(name.get() + 1);
        let clock = VirtualClock::new();
        let memory = MemoryBudgetStore::with_clock(Arc::new(clock.clone()));
        let redis = Redis::builder(server.url()).clock(clock.clone()).build().expect("a URL");
        let redis = redis.budgets(&format!("model-{}", name.get())).expect("a name");
        let difference = runtime.block_on(difference(&steps, &memory, &redis, &clock));
        prop_assert!(difference.is_none(), "{}", difference.unwrap_or_default());
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
