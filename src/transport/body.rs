//! Reads a response's body to its end, or to a limit.

use bytes::{Bytes, BytesMut};
use reqwest::Response;

/// The most bytes that are allocated in advance.
const MOST_AT_ONCE: usize = 16 << 20;

/// The received part of a body, also after reading was cancelled.
#[derive(Default)]
pub(crate) struct Body {
    /// Most responses arrive in one chunk, which is not copied.
    first: Bytes,
    /// Everything, once there is a second chunk.
    whole: BytesMut,
}

pub(crate) enum ReadFailure {
    Cut(reqwest::Error),
    TooLarge,
}

impl Body {
    /// Reads to the end, or fails when there are more than `cap` bytes.
    pub(crate) async fn read(&mut self, response: &mut Response, cap: usize) -> Result<(), ReadFailure> {
        let expected =
            response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        while let Some(chunk) = response.chunk().await.map_err(ReadFailure::Cut)? {
            let kept = &chunk[..chunk.len().min(cap - self.len())];
            if self.first.is_empty() {
                self.first = chunk.slice_ref(kept);
            } else {
                if self.whole.is_empty() {
                    // The header may be wrong, and the limit may be huge.
                    let claimed = expected.min(cap).min(MOST_AT_ONCE);
                    self.whole.reserve(claimed.max(self.first.len() + kept.len()));
                    self.whole.extend_from_slice(&self.first);
                }
                self.whole.extend_from_slice(kept);
            }
            if kept.len() < chunk.len() {
                return Err(ReadFailure::TooLarge);
            }
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.first.len().max(self.whole.len())
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        if self.whole.is_empty() { self.first } else { self.whole.freeze() }
    }
}
