//! Files to upload.

use crate::error::{Error, ErrorKind, Outcome};
use crate::input::InvalidInput;
use crate::progress::{Progress, ProgressCallback};
use bytes::Bytes;
use futures::future;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, Stream, StreamExt, TryFutureExt, TryStreamExt};
use reqwest::Body;
use reqwest::multipart::Part;
use std::error::Error as StdError;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

/// How much of a file is read and passed to the connection at once, in bytes.
const CHUNK: usize = 64 << 10;

/// A file to upload: its name, its content and its type, which is guessed from the name unless it is set.
///
/// | made of | in memory | sent again |
/// |---|---|---|
/// | [`bytes`](Self::bytes) | all of it | whenever the call may be |
/// | [`path`](Self::path) | one chunk | whenever the call may be: it is opened again for each attempt |
/// | [`reader`](Self::reader), [`stream`](Self::stream) | one chunk | as long as nothing of it was read |
///
/// An attempt must end within its [`attempt_timeout`](crate::Request::with_attempt_timeout), 30 s by default. Set a longer
/// one for a large file.
///
/// ```
/// use kaiwa::Upload;
///
/// let report = Upload::bytes("報告.csv", "日付,件数\n").on_progress(|sent| println!("{} bytes", sent.bytes));
/// assert_eq!((report.len(), report.media_type()), (14, Some("text/csv")));
/// ```
#[derive(Clone)]
pub struct Upload {
    name: String,
    content_type: Option<String>,
    length: u64,
    content: Content,
    progress: ProgressCallback,
}

#[derive(Clone)]
enum Content {
    Bytes(Bytes),
    Path(Arc<Path>),
    /// Content that can be read once. Clones share it, and the first attempt that reads it takes it.
    Once(Arc<Mutex<Option<Chunks>>>),
}

type Problem = Box<dyn StdError + Send + Sync>;
type Chunks = BoxStream<'static, Result<Bytes, Problem>>;

impl Upload {
    /// A file in memory. A call with it can be retried.
    pub fn bytes(name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        Self::new(name.into(), content.len() as u64, Content::Bytes(content))
    }

    /// The file at `path`, named by the last part of `path`. A call with it can be retried: each attempt opens the file
    /// again, and fails if its length has changed by then.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if there is no such file, if it is a directory or a device, or if its metadata cannot be read.
    pub async fn path(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path: Arc<Path> = path.as_ref().into();
        let found = tokio::fs::metadata(&path).await.and_then(|found| match found.is_file() {
            true => Ok(found.len()),
            false => Err(io::Error::other("it is not a regular file")),
        });
        let length = found.map_err(|error| unreadable(&path, error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self::new(name, length, Content::Path(path)))
    }

    /// A file that is read from `content`, `length` bytes long. Memory holds one chunk at a time. A call with it is not
    /// retried once anything was read. If the reader has another length than `length`, the call fails.
    pub fn reader(name: impl Into<String>, length: u64, content: impl AsyncRead + Send + 'static) -> Self {
        Self::stream(name, length, ReaderStream::with_capacity(content, CHUNK))
    }

    /// A file that is read from a stream, `length` bytes long. Memory holds one chunk at a time. A call with it is not
    /// retried once anything was read. If the stream has another length than `length`, the call fails.
    pub fn stream<S, E>(name: impl Into<String>, length: u64, content: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let content = content.map_err(Into::into).boxed();
        Self::new(name.into(), length, Content::Once(Arc::new(Mutex::new(Some(content)))))
    }

    fn new(name: String, length: u64, content: Content) -> Self {
        Self { name, content_type: None, length, content, progress: ProgressCallback::default() }
    }

    /// The file's name at the service, instead of the one that it was created with.
    pub fn file_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The media type, such as `image/png` or `text/plain; charset=utf-8`, instead of the one guessed from the name.
    pub fn content_type(mut self, media_type: impl Into<String>) -> Self {
        self.content_type = Some(media_type.into());
        self
    }

    /// Calls `report` with the number of bytes that were passed to the connection: 0 when an attempt begins, then after
    /// each chunk of at most 64 KiB (the chunks of a [`stream`](Self::stream) keep their size). Bytes in the system's buffer
    /// count as sent, so the last report comes before the service has the whole file.
    ///
    /// `report` is called on the task that sends, and must not block. Each retry reports 0 again.
    pub fn on_progress(mut self, report: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = ProgressCallback::new(report);
        self
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The media type that is sent: as it was set, or else as guessed from the name's extension. `None` if the extension is
    /// unknown; then no type is sent. The charset of a text is not guessed.
    pub fn media_type(&self) -> Option<&str> {
        let guess = || mime_guess::from_path(&self.name).first_raw();
        self.content_type.as_deref().or_else(guess)
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether it has no content.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether it can be sent from its beginning.
    pub(crate) fn is_replayable(&self) -> bool {
        match &self.content {
            Content::Bytes(_) | Content::Path(_) => true,
            Content::Once(content) => content.lock().unwrap_or_else(PoisonError::into_inner).is_some(),
        }
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
            // The length of the whole body, with the multipart framing, must not overflow.
            _ if self.length > LONGEST => {
                Err(InvalidInput::new(parameter, format!("is {} bytes long; at most {LONGEST}", self.length)))
            }
            _ => Ok(()),
        }
    }

    /// Fails if the file is gone or its length has changed. It is called while nothing has been sent.
    pub(crate) async fn verify_unchanged(&self) -> Result<(), Error> {
        let Content::Path(path) = &self.content else { return Ok(()) };
        let now = tokio::fs::metadata(path).await.map_err(|error| unreadable(path, error))?.len();
        if now == self.length {
            return Ok(());
        }
        let changed = format!("it is {now} bytes long now, and was {}", self.length);
        Err(unreadable(path, io::Error::other(changed)))
    }

    /// The multipart part.
    pub(crate) fn part(&self, parameter: &'static str) -> Result<Part, InvalidInput> {
        if !self.is_replayable() {
            return Err(InvalidInput::new(parameter, CONSUMED));
        }
        let body = Body::wrap_stream(exactly(self.length, self.chunks(), self.progress.clone()));
        let part = Part::stream_with_length(body, self.length).file_name(self.name.clone());
        match self.media_type() {
            Some(media_type) => part.mime_str(media_type).map_err(|_| {
                InvalidInput::new(parameter, format!("has {media_type:?}, which is not a valid media type"))
            }),
            None => Ok(part),
        }
    }

    /// The content. Nothing is opened, read or taken before the first chunk is polled: a call that ends earlier changes
    /// nothing.
    fn chunks(&self) -> Chunks {
        match &self.content {
            Content::Bytes(bytes) => {
                let rest = bytes.clone();
                stream::unfold(rest, |mut rest| async move {
                    let chunk = rest.split_to(rest.len().min(CHUNK));
                    (!chunk.is_empty()).then_some((Ok(chunk), rest))
                })
                .boxed()
            }
            Content::Path(path) => tokio::fs::File::open(Arc::clone(path))
                .map_ok(|file| ReaderStream::with_capacity(file, CHUNK))
                .try_flatten_stream()
                .map_err(Into::into)
                .boxed(),
            Content::Once(content) => {
                let content = Arc::clone(content);
                future::lazy(move |_| {
                    content.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(CONSUMED.into())
                })
                .try_flatten_stream()
                .boxed()
            }
        }
    }
}

/// The longest body that any server accepts.
const LONGEST: u64 = i64::MAX as u64 / 2;

const CONSUMED: &str = "is a stream that was already sent";

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::new(ErrorKind::File { doing: "upload", path: path.to_owned(), source }, Outcome::NotSent)
}

/// Fails content that is longer or shorter than declared: the request's headers already hold its length.
fn exactly(
    length: u64,
    content: Chunks,
    progress: ProgressCallback,
) -> impl Stream<Item = Result<Bytes, Problem>> + Send {
    let begin = {
        let progress = progress.clone();
        future::lazy(move |_| progress.report(0, length))
    };
    let chunks =
        stream::try_unfold((content, length, progress), move |(mut content, left, progress)| async move {
            // Without this prefix, the text of a reader's error would look like one of the connection's.
            let chunk = content.try_next().await.map_err(|error| format!("the upload's content: {error}"))?;
            match chunk {
                None if left == 0 => Ok(None),
                None => Err(format!("the upload's content ended {left} bytes early").into()),
                Some(chunk) => match left.checked_sub(chunk.len() as u64) {
                    Some(left) => {
                        progress.report(length - left, length);
                        Ok(Some((chunk, (content, left, progress))))
                    }
                    None => Err("the upload's content is longer than declared".into()),
                },
            }
        });
    begin.map(|()| chunks).flatten_stream()
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("name", &self.name)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
