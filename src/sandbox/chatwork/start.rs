//! Starting the service.

use super::data::State;
use super::deliver::deliver;
use super::seed::Seed;
use crate::Clock;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The service with the data of its seed, and the task that posts its webhooks.
pub(crate) fn start(clock: Arc<dyn Clock>, seed: u64, data: Seed) -> Arc<State> {
    let (events, outbox) = mpsc::unbounded_channel();
    let data = data.build(clock.wall(), seed, events);
    let state = Arc::new(State::new(clock, data));
    state.spawn(deliver(Arc::clone(&state), outbox));
    state
}
