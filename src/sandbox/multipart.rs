//! The parts of a multipart body.

use super::backend::Request;
use super::disposition::Disposition;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart};
use axum::http::header;
use bytes::Bytes;

/// One part.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// As sent; empty for the file field of a web form in which no file was chosen.
    pub(crate) filename: Option<String>,
    pub(crate) content_type: String,
    pub(crate) content: Bytes,
}

/// The parts of a body.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) parts: Vec<Part>,
    /// Whether the body ended as it should; if not, these are the parts before the place where it broke off.
    pub(crate) complete: bool,
}

/// The media type of a request, in lower case and without parameters; empty if it has none.
pub(crate) fn media_type(request: &Request) -> String {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads the parts of a body of type `multipart/form-data`.
pub(crate) async fn read(request: Request) -> Parts {
    let mut request = request.map(Body::from);
    // Uploads are larger than axum's default limit, and the services have limits of their own.
    DefaultBodyLimit::disable().apply(&mut request);
    let Ok(mut multipart) = Multipart::from_request(request, &()).await else { return Parts::default() };
    let mut parts = Vec::new();
    loop {
        let part = match multipart.next_field().await {
            Ok(Some(part)) => part,
            end => return Parts { parts, complete: end.is_ok() },
        };
        let Disposition { name, filename } = Disposition::of(part.headers());
        let content_type = part.content_type().unwrap_or("application/octet-stream").to_owned();
        let Ok(content) = part.bytes().await else { return Parts { parts, complete: false } };
        parts.push(Part { name, filename, content_type, content });
    }
}
