use crate::Clock;
use std::sync::Arc;

/// Panics where a seed names something twice: one of the two would be lost in silence.
pub(crate) fn require_unique<T: Ord + std::fmt::Display>(what: &str, names: impl IntoIterator<Item = T>) {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        assert!(!seen.contains(&name), "the seed has the {what} {name} twice");
        seen.insert(name);
    }
}

/// What the services of one sandbox share.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: u64,
}
