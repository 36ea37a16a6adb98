//! Files to upload.

use crate::transport::check::InvalidInput;
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use reqwest::Body;
use reqwest::multipart::Part;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A file to upload: its name, its content and, if known, its type.
///
/// ```
/// use kaiwa::Upload;
///
/// let report = Upload::bytes("報告.txt", "本日は晴天なり").content_type("text/plain; charset=utf-8");
/// assert_eq!(report.len(), 21);
/// ```
#[derive(Clone)]
pub struct Upload {
    name: String,
    content_type: Option<String>,
    length: u64,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Bytes(Bytes),
    /// A stream can be sent once. Clones share it.
    Stream(Arc<Mutex<Option<Body>>>),
}

impl Upload {
    /// A file in memory. A call with it can be retried.
    pub fn bytes(name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        Self {
            name: name.into(),
            content_type: None,
            length: content.len() as u64,
            content: Content::Bytes(content),
        }
    }

    /// A file that is read while it is sent, `length` bytes long; memory holds a piece at a time. A call with it is not
    /// retried once it has begun. A stream of another length than `length` fails the call.
    pub fn stream<S, E>(name: impl Into<String>, length: u64, content: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let body = Body::wrap_stream(exactly(length, content.map_err(Into::into)));
        let content = Content::Stream(Arc::new(Mutex::new(Some(body))));
        Self { name: name.into(), content_type: None, length, content }
    }

    /// The media type, such as `image/png`. Without it the service decides.
    pub fn content_type(mut self, media_type: impl Into<String>) -> Self {
        self.content_type = Some(media_type.into());
        self
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether it has no content.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn is_replayable(&self) -> bool {
        matches!(self.content, Content::Bytes(_))
    }

    pub(crate) fn check(&self, parameter: &'static str, max: Option<u64>) -> Result<(), InvalidInput> {
        if self.name.is_empty() {
            return Err(InvalidInput::new(parameter, "has no name"));
        }
        if self.name.contains(char::is_control) {
            return Err(InvalidInput::new(parameter, "has a name with control characters"));
        }
        match max {
            Some(max) if self.length > max => {
                Err(InvalidInput::new(parameter, format!("is {} bytes long; at most {max}", self.length)))
            }
            _ => Ok(()),
        }
    }

    /// The multipart part. A stream is spent by it.
    pub(crate) fn part(&self, parameter: &'static str) -> Result<Part, InvalidInput> {
        let body = match &self.content {
            Content::Bytes(bytes) => Body::from(bytes.clone()),
            Content::Stream(stream) => {
                let taken = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
                taken.ok_or_else(|| InvalidInput::new(parameter, "is a stream that has been sent already"))?
            }
        };
        let part = Part::stream_with_length(body, self.length).file_name(self.name.clone());
        match &self.content_type {
            Some(media_type) => part.mime_str(media_type).map_err(|_| {
                InvalidInput::new(parameter, format!("has the media type {media_type:?}, which is none"))
            }),
            None => Ok(part),
        }
    }
}

type Piece = Result<Bytes, Box<dyn StdError + Send + Sync>>;

/// Fails a stream that is longer or shorter than was said: its length is in the request's head already.
fn exactly(
    length: u64,
    content: impl Stream<Item = Piece> + Send + 'static,
) -> impl Stream<Item = Piece> + Send {
    let content = Box::pin(content);
    futures::stream::try_unfold((content, length), |(mut content, left)| async move {
        match content.try_next().await? {
            None if left == 0 => Ok(None),
            None => Err(format!("the stream ended {left} bytes early").into()),
            Some(piece) => match left.checked_sub(piece.len() as u64) {
                Some(left) => Ok(Some((piece, (content, left)))),
                None => Err("the stream is longer than was said".into()),
            },
        }
    })
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("name", &self.name)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
