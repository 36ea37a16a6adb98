//! How much of a file was transferred.

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

/// The caller's function that gets the progress, if there is one.
#[derive(Clone, Default)]
pub(crate) struct ProgressCallback(Option<Arc<dyn Fn(Progress) + Send + Sync>>);

impl ProgressCallback {
    pub(crate) fn new(report: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(report)))
    }

    pub(crate) fn report(&self, bytes: u64, total: u64) {
        if let Some(report) = &self.0 {
            report(Progress { bytes, total });
        }
    }
}
