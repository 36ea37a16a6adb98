//! Reading an answer's body to its end, or to a cap.

use bytes::{Bytes, BytesMut};
use reqwest::Response;

/// Room is made for so much before it has arrived.
const MOST_AT_ONCE: usize = 16 << 20;

/// What has arrived of a body. It stays when the reading is given up.
#[derive(Default)]
pub(crate) struct Body {
    /// Most answers arrive in one piece, which is handed on as it is.
    first: Bytes,
    /// All of it, once there is a second piece.
    whole: BytesMut,
}

pub(crate) enum ReadFailure {
    Cut(reqwest::Error),
    TooLarge,
}

impl Body {
    /// Reads to the end, or until `cap` bytes are there and more would come.
    pub(crate) async fn read(&mut self, response: &mut Response, cap: usize) -> Result<(), ReadFailure> {
        let expected =
            response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        while let Some(chunk) = response.chunk().await.map_err(ReadFailure::Cut)? {
            let kept = &chunk[..chunk.len().min(cap - self.len())];
            if self.first.is_empty() {
                self.first = chunk.slice_ref(kept);
            } else {
                if self.whole.is_empty() {
                    // What the header says is a claim, and the cap may be none.
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
