//! What several processes share, in a Redis server that is stopped, killed and emptied.

mod budgets;
mod fleet;
mod model;
mod odd;
mod outages;
mod refreshes;
mod replays;
#[path = "../../../stores/budgets.rs"]
mod rules;
mod tokens;
