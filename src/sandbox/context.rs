use crate::Clock;
use std::sync::Arc;

/// What the services of one sandbox share.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: u64,
}
