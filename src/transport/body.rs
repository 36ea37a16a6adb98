//! Reading an answer's body to its end, or to a cap.

use bytes::{Bytes, BytesMut};
use reqwest::Response;

pub(crate) enum BodyFailure {
    Cut(reqwest::Error, Bytes),
    TooLarge(Bytes),
}

/// The whole body. A failure hands out what had arrived.
pub(crate) async fn read(response: &mut Response, cap: usize) -> Result<Bytes, BodyFailure> {
    // Of what is left, it says after a part was read.
    let expected =
        response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    // Most answers arrive in one piece, which is handed on as it is.
    let first = match response.chunk().await {
        Ok(Some(chunk)) => chunk,
        Ok(None) => return Ok(Bytes::new()),
        Err(error) => return Err(BodyFailure::Cut(error, Bytes::new())),
    };
    if first.len() > cap {
        return Err(BodyFailure::TooLarge(first.slice(..cap)));
    }
    let mut rest = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                if rest.is_empty() {
                    rest.reserve(expected.min(cap).max(first.len() + chunk.len()));
                    rest.extend_from_slice(&first);
                }
                let room = cap - rest.len();
                rest.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    return Err(BodyFailure::TooLarge(rest.freeze()));
                }
            }
            Ok(None) if rest.is_empty() => return Ok(first),
            Ok(None) => return Ok(rest.freeze()),
            Err(error) if rest.is_empty() => return Err(BodyFailure::Cut(error, first)),
            Err(error) => return Err(BodyFailure::Cut(error, rest.freeze())),
        }
    }
}
