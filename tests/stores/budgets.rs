//! What every store for budgets does, as a client uses it. Each rule runs on a store of its own, which is on the virtual clock.

use futures_util::FutureExt;
use kaiwa::{Budget, BudgetStore, Clock, Denied, Lease, RateLimit, Settlement, Units, VirtualClock};
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(60);
const ROOM: Budget = Budget::room(7, 3, Duration::from_secs(10));

/// Runs all rules. `store` makes a store of which nothing is known.
pub async fn all<S: BudgetStore>(mut store: impl FnMut(&VirtualClock) -> S) {
    let clock = VirtualClock::new();
    let mut new = || (store(&clock), clock.clone());
    one_call_finds_out_what_the_window_is(new()).await;
    a_window_is_used_up_and_begins_again(new()).await;
    an_unused_permit_goes_back(new()).await;
    a_request_without_an_answer_counts_as_used(new()).await;
    a_request_without_an_answer_says_nothing_of_the_window(new()).await;
    an_exhausted_window_is_closed_for_the_time(new()).await;
    a_room_has_its_posts_and_others_theirs(new()).await;
    a_refused_room_is_closed_for_the_time(new()).await;
    units_are_refused_if_too_few_are_left(new()).await;
    a_dropped_take_takes_nothing(new()).await;
    a_late_answer_of_an_older_window_changes_nothing(new()).await;
}

type Store<S> = (S, VirtualClock);

async fn granted(store: &impl BudgetStore, budget: Budget) -> Lease {
    store.take(budget).await.unwrap_or_else(|denied| panic!("{budget:?}: {denied:?}"))
}

async fn wait(store: &impl BudgetStore, budget: Budget) -> Duration {
    match store.take(budget).await {
        Err(Denied::Wait { time, again, .. }) => {
            assert!(again <= time && !again.is_zero(), "{again:?} of {time:?}");
            time
        }
        other => panic!("{budget:?}: {other:?}"),
    }
}

fn reported(clock: &VirtualClock, limit: u64, remaining: u64, after: Duration) -> RateLimit {
    let mut reported = RateLimit::default();
    reported.limit = Some(limit);
    reported.remaining = Some(remaining);
    reported.reset = Some(clock.wall() + after);
    reported.reset_after = Some(after);
    reported
}

async fn one_call_finds_out_what_the_window_is<S: BudgetStore>((store, clock): Store<S>) {
    let probe = granted(&store, Budget::Account).await;
    assert_eq!(
        wait(&store, Budget::Account).await,
        Duration::from_secs(1),
        "the others wait for its response"
    );
    store.settle(probe, Settlement::Sent(Some(&reported(&clock, 300, 299, WINDOW))));
    for _ in 0..299 {
        let _flying = granted(&store, Budget::Account).await;
    }
    assert_eq!(wait(&store, Budget::Account).await, WINDOW);
}

async fn a_window_is_used_up_and_begins_again<S: BudgetStore>((store, clock): Store<S>) {
    for _ in 0..3 {
        let first = granted(&store, Budget::Account).await;
        store.settle(first, Settlement::Sent(Some(&reported(&clock, 2, 1, WINDOW))));
        let second = granted(&store, Budget::Account).await;
        clock.advance(Duration::from_secs(1));
        let limit = reported(&clock, 2, 0, WINDOW - Duration::from_secs(1));
        store.settle(second, Settlement::Sent(Some(&limit)));
        assert_eq!(wait(&store, Budget::Account).await, WINDOW - Duration::from_secs(1));
        clock.advance(WINDOW - Duration::from_secs(1));
    }
}

async fn an_unused_permit_goes_back<S: BudgetStore>((store, clock): Store<S>) {
    let probe = granted(&store, Budget::Account).await;
    store.settle(probe, Settlement::Sent(Some(&reported(&clock, 2, 1, WINDOW))));
    for budget in [Budget::Account, Budget::room(1, 1, WINDOW)] {
        for _ in 0..5 {
            let lease = granted(&store, budget).await;
            assert_eq!(lease.budget(), budget);
            wait(&store, budget).await;
            store.settle(lease, Settlement::Unsent);
        }
    }
}

async fn a_request_without_an_answer_counts_as_used<S: BudgetStore>((store, clock): Store<S>) {
    let probe = granted(&store, Budget::Account).await;
    store.settle(probe, Settlement::Sent(Some(&reported(&clock, 300, 1, WINDOW))));
    let lost = granted(&store, Budget::Account).await;
    store.settle(lost, Settlement::Sent(None));
    assert_eq!(wait(&store, Budget::Account).await, WINDOW);
}

/// A service that reports no limits does not slow its calls down, and one that did not answer is not such a service.
async fn a_request_without_an_answer_says_nothing_of_the_window<S: BudgetStore>((store, _): Store<S>) {
    let lost = granted(&store, Budget::Account).await;
    store.settle(lost, Settlement::Sent(None));
    let probe = granted(&store, Budget::Account).await;
    assert_eq!(wait(&store, Budget::Account).await, Duration::from_secs(1));
    store.settle(probe, Settlement::Sent(Some(&RateLimit::default())));
    for _ in 0..100 {
        let _flying = granted(&store, Budget::Account).await;
    }
}

async fn an_exhausted_window_is_closed_for_the_time<S: BudgetStore>((store, clock): Store<S>) {
    let refused = granted(&store, Budget::Account).await;
    store.settle(refused, Settlement::Exhausted(Duration::from_secs(42)));
    assert_eq!(wait(&store, Budget::Account).await, Duration::from_secs(42));
    let _other = granted(&store, ROOM).await;
    clock.advance(Duration::from_secs(42));
    let _again = granted(&store, Budget::Account).await;
}

async fn a_room_has_its_posts_and_others_theirs<S: BudgetStore>((store, clock): Store<S>) {
    for _ in 0..3 {
        let post = granted(&store, ROOM).await;
        clock.advance(Duration::from_secs(1));
        store.settle(post, Settlement::Sent(None));
    }
    // A post counts for a whole window after its response.
    assert_eq!(wait(&store, ROOM).await, Duration::from_secs(8));
    let _other = granted(&store, Budget::room(8, 3, Duration::from_secs(10))).await;
    clock.advance(Duration::from_secs(8));
    let _next = granted(&store, ROOM).await;
    assert_eq!(wait(&store, ROOM).await, Duration::from_secs(1));
}

async fn a_refused_room_is_closed_for_the_time<S: BudgetStore>((store, clock): Store<S>) {
    let refused = granted(&store, ROOM).await;
    store.settle(refused, Settlement::Exhausted(Duration::from_secs(5)));
    assert_eq!(wait(&store, ROOM).await, Duration::from_secs(5));
    clock.advance(Duration::from_secs(5));
    let _again = granted(&store, ROOM).await;
}

async fn units_are_refused_if_too_few_are_left<S: BudgetStore>((store, clock): Store<S>) {
    let reset = clock.wall() + WINDOW;
    let left = |remaining| {
        let mut units = Units::default();
        (units.remaining, units.reset) = (Some(remaining), Some(reset));
        let mut limit = RateLimit::default();
        limit.units = Some(units);
        limit
    };
    let first = granted(&store, Budget::units(3)).await;
    store.settle(first, Settlement::Sent(Some(&left(5))));
    let second = granted(&store, Budget::units(3)).await;
    match store.take(Budget::units(3)).await {
        Err(Denied::Units { remaining, reset: until, .. }) => {
            assert_eq!((remaining, until), (2, Some(reset)))
        }
        other => panic!("{other:?}"),
    }
    let _cheaper = granted(&store, Budget::units(2)).await;
    store.settle(second, Settlement::Unsent);
    let _again = granted(&store, Budget::units(3)).await;
    clock.advance(WINDOW);
    let _next_month = granted(&store, Budget::units(300)).await;
}

async fn a_dropped_take_takes_nothing<S: BudgetStore>((store, _): Store<S>) {
    let single = Budget::room(9, 1, WINDOW);
    drop(store.take(single));
    let _ = store
        .take(single)
        .now_or_never()
        .map(|taken| taken.map(|lease| store.settle(lease, Settlement::Unsent)));
    let _lease = granted(&store, single).await;
}

async fn a_late_answer_of_an_older_window_changes_nothing<S: BudgetStore>((store, clock): Store<S>) {
    let probe = granted(&store, Budget::Account).await;
    store.settle(probe, Settlement::Sent(Some(&reported(&clock, 300, 100, WINDOW))));
    let late = granted(&store, Budget::Account).await;
    let older = reported(&clock, 300, 0, Duration::from_secs(1));
    clock.advance(WINDOW);
    let next = granted(&store, Budget::Account).await;
    store.settle(next, Settlement::Sent(Some(&reported(&clock, 300, 299, WINDOW))));
    store.settle(late, Settlement::Sent(Some(&older)));
    let _granted = granted(&store, Budget::Account).await;
}
