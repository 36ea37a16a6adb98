//! How far a file has come.

use std::sync::Arc;

/// How much of a file has been sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Progress {
    /// The bytes of the file's content so far.
    pub bytes: u64,
    /// The length of the whole file in bytes.
    pub total: u64,
}

/// Whoever is told of it.
#[derive(Clone, Default)]
pub(crate) struct Watcher(Option<Arc<dyn Fn(Progress) + Send + Sync>>);

impl Watcher {
    pub(crate) fn new(tell: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn tell(&self, bytes: u64, total: u64) {
        if let Some(tell) = &self.0 {
            tell(Progress { bytes, total });
        }
    }
}
