//! Files to upload.

use crate::error::{Error, ErrorKind, Outcome};
use crate::input::InvalidInput;
use crate::progress::{Progress, Watcher};
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

/// How much of a file is read and handed to the connection at once, in bytes.
const PIECE: usize = 64 << 10;

/// A file to upload: its name, its content and its type, which is guessed from the name unless it is set.
///
/// | made of | in memory | sent again |
/// |---|---|---|
/// | [`bytes`](Self::bytes) | all of it | whenever the call may be |
/// | [`path`](Self::path) | a piece at a time | whenever the call may be: it is opened anew for each attempt |
/// | [`reader`](Self::reader), [`stream`](Self::stream) | a piece at a time | as long as nothing of it was read |
///
/// An attempt has to be through within its [`attempt_timeout`](crate::Request::with_attempt_timeout), which is 30 s unless
/// it is set: give a large file more.
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
    progress: Watcher,
}

#[derive(Clone)]
enum Content {
    Bytes(Bytes),
    Path(Arc<Path>),
    /// What can be read once. Clones share it, and the first attempt that reads of it takes it.
    Once(Arc<Mutex<Option<Pieces>>>),
}

type Problem = Box<dyn StdError + Send + Sync>;
type Pieces = BoxStream<'static, Result<Bytes, Problem>>;

impl Upload {
    /// A file in memory. A call with it can be retried.
    pub fn bytes(name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        Self::new(name.into(), content.len() as u64, Content::Bytes(content))
    }

    /// The file at `path`, under the last part of that. A call with it can be retried: each attempt opens the file anew,
    /// and fails if its length has changed by then.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if there is no such file, if it is a directory or a device, or if it may not be looked at.
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

    /// What `content` reads, `length` bytes, a piece at a time. A call with it is not retried once anything was read; a
    /// reader of another length than `length` fails the call.
    pub fn reader(name: impl Into<String>, length: u64, content: impl AsyncRead + Send + 'static) -> Self {
        Self::stream(name, length, ReaderStream::with_capacity(content, PIECE))
    }

    /// A file that is read while it is sent, `length` bytes long; memory holds a piece at a time. A call with it is not
    /// retried once anything was read. A stream of another length than `length` fails the call.
    pub fn stream<S, E>(name: impl Into<String>, length: u64, content: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let content = content.map_err(Into::into).boxed();
        Self::new(name.into(), length, Content::Once(Arc::new(Mutex::new(Some(content)))))
    }

    fn new(name: String, length: u64, content: Content) -> Self {
        Self { name, content_type: None, length, content, progress: Watcher::default() }
    }

    /// The name under which the service keeps it, instead of the one that it was made with.
    pub fn file_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The media type, such as `image/png` or `text/plain; charset=utf-8`, instead of the one that the name's extension
    /// stands for.
    pub fn content_type(mut self, media_type: impl Into<String>) -> Self {
        self.content_type = Some(media_type.into());
        self
    }

    /// Tells how much of the file has been handed to the connection: 0 when an attempt begins with it, then after each
    /// piece of at most 64 KiB (those of a [`stream`](Self::stream) are as large as they come). What the system has
    /// buffered counts as sent, so that the last piece is told before the service has it all.
    ///
    /// It is called on the task that sends, and must not block. A call that is retried tells 0 again.
    pub fn on_progress(mut self, tell: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Watcher::new(tell);
        self
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The media type that is sent: as it was set, or else as the name's extension stands for. `None`, and none is sent,
    /// if that is of no known type. The charset of a text is nobody's guess, so that none is told unless it is set.
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

    /// Whether it could be sent from its beginning now.
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
            // With what stands around the file, the length of the whole body is still a number.
            _ if self.length > LONGEST => {
                Err(InvalidInput::new(parameter, format!("is {} bytes long; at most {LONGEST}", self.length)))
            }
            _ => Ok(()),
        }
    }

    /// Whether the file is there and as long as it was, while it is known that nothing has been sent.
    pub(crate) async fn look(&self) -> Result<(), Error> {
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
            return Err(InvalidInput::new(parameter, SPENT));
        }
        let body = Body::wrap_stream(exactly(self.length, self.pieces(), self.progress.clone()));
        let part = Part::stream_with_length(body, self.length).file_name(self.name.clone());
        match self.media_type() {
            Some(media_type) => part.mime_str(media_type).map_err(|_| {
                InvalidInput::new(parameter, format!("has the media type {media_type:?}, which is none"))
            }),
            None => Ok(part),
        }
    }

    /// The content. Nothing is opened, read or taken before the first piece is asked for: a call that ends earlier
    /// leaves everything as it was.
    fn pieces(&self) -> Pieces {
        match &self.content {
            Content::Bytes(bytes) => {
                let rest = bytes.clone();
                stream::unfold(rest, |mut rest| async move {
                    let piece = rest.split_to(rest.len().min(PIECE));
                    (!piece.is_empty()).then_some((Ok(piece), rest))
                })
                .boxed()
            }
            Content::Path(path) => tokio::fs::File::open(Arc::clone(path))
                .map_ok(|file| ReaderStream::with_capacity(file, PIECE))
                .try_flatten_stream()
                .map_err(Into::into)
                .boxed(),
            Content::Once(content) => {
                let content = Arc::clone(content);
                future::lazy(move |_| {
                    content.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(SPENT.into())
                })
                .try_flatten_stream()
                .boxed()
            }
        }
    }
}

/// No body is longer, to any server.
const LONGEST: u64 = i64::MAX as u64 / 2;

const SPENT: &str = "is a stream that has been sent already";

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::new(ErrorKind::File { doing: "upload", path: path.to_owned(), source }, Outcome::NotSent)
}

/// Fails content that is longer or shorter than was said: its length is in the request's head already.
fn exactly(
    length: u64,
    content: Pieces,
    progress: Watcher,
) -> impl Stream<Item = Result<Bytes, Problem>> + Send {
    let begin = {
        let progress = progress.clone();
        future::lazy(move |_| progress.tell(0, length))
    };
    let pieces =
        stream::try_unfold((content, length, progress), move |(mut content, left, progress)| async move {
            // Without this, the text of a reader's error would pass for one of the connection's.
            let piece = content.try_next().await.map_err(|error| format!("the upload's content: {error}"))?;
            match piece {
                None if left == 0 => Ok(None),
                None => Err(format!("the upload's content ended {left} bytes early").into()),
                Some(piece) => match left.checked_sub(piece.len() as u64) {
                    Some(left) => {
                        progress.tell(length - left, length);
                        Ok(Some((piece, (content, left, progress))))
                    }
                    None => Err("the upload's content is longer than was said".into()),
                },
            }
        });
    begin.map(|()| pieces).flatten_stream()
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("name", &self.name)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
