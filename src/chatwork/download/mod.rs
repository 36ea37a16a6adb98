//! Downloads: the content of a file, as a stream, in a file of this machine, or in memory.

mod own;
mod partial;
mod response;
mod transfer;

use super::{File, FileHandle};
use crate::error::{Error, ErrorKind};
use crate::progress::{Progress, ProgressCallback};
use crate::transport::retry::RetryPolicy;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use futures::{Stream, TryStreamExt};
use partial::Partial;
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use transfer::{Options, Transfer};

impl FileHandle {
    /// Downloads the file. Nothing is sent until the content is [streamed](Download::stream), [written to a
    /// file](Download::to_file) or [read into memory](Download::bytes).
    pub fn download(&self) -> Download {
        Download { file: self.clone(), options: Options::default() }
    }
}

/// A download that has not started.
///
/// Chatwork provides an address that serves the file without a credential, for 30 seconds. The client requests a new address
/// whenever one is needed, and keeps it out of errors and logs. It sends no token there, only the default headers that the
/// program has set on its own [`http_client`](crate::ClientBuilder::http_client). The address must be `https`, or `http` if
/// the client's base URL is. Since no credential can leak, up to 5 redirects are followed, with the same rule.
///
/// If the connection breaks, or if nothing comes for the [stall timeout](Self::with_stall_timeout), the download resumes where
/// it was, with a `Range` request to a new address. It does so within the attempts of the [`RetryPolicy`], whose count restarts
/// after each new byte, and within the client's [`RetryBudget`](crate::RetryBudget). If a server does not support ranges, the
/// file is read from the beginning, and the known part is skipped. There is no overall timeout.
///
/// A download must have as many bytes as [`File::filesize`] says, or it fails; that this number is exact is inferred. If a
/// response is shorter than the requested range, the rest is requested next.
///
/// Memory holds only what the connection has buffered, for any size. A download changes nothing in the service: the
/// [`outcome`](Error::outcome) of its failures is `NotSent` or `Rejected`, and it can be started again.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use kaiwa::Upload;
/// use kaiwa::chatwork::RoomId;
/// use kaiwa::sandbox::Sandbox;
///
/// let sandbox = Sandbox::start().await?;
/// let me = sandbox.clients().chatwork.me().await?;
/// let room = sandbox.clients().chatwork.room(me.room_id);
/// let sent = room.upload(Upload::bytes("報告.txt", "本日は晴天なり")).await?;
///
/// let content = room.file(sent.file_id).download().bytes(1 << 20).await?;
/// assert_eq!(content, "本日は晴天なり");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "nothing is sent until the download is streamed, written to a file or read into memory"]
pub struct Download {
    file: FileHandle,
    options: Options,
}

impl Download {
    /// Calls `report` with the number of bytes that are there: first those of an earlier download, then after each chunk. It
    /// never decreases. `report` is called on the task that downloads, and must not block.
    pub fn on_progress(mut self, report: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.options.progress = ProgressCallback::new(report);
        self
    }

    /// How long the connection may be silent before it counts as lost, instead of the client's `attempt_timeout`. `None` sets
    /// no limit.
    pub fn with_stall_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.stall = Some(timeout.into());
        self
    }

    /// The retry policy of the download, instead of the client's.
    ///
    /// A [`time_limit`](RetryPolicy::time_limit) counts from the last new byte, without the time that the program takes
    /// between two chunks of a [`stream`](Self::stream). Bytes that are read again, from a server without ranges, are not new.
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.options.retry = Some(retry);
        self
    }

    /// The content as a stream. This waits until the file server responds.
    ///
    /// ```no_run
    /// # async fn example(file: kaiwa::chatwork::FileHandle) -> Result<(), kaiwa::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let mut content = file.download().stream().await?;
    /// println!("{}: {} bytes", content.file().filename, content.len());
    /// while let Some(chunk) = content.try_next().await? {
    ///     println!("{} bytes more", chunk.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the service does not describe the file, or if its content cannot be fetched.
    pub async fn stream(self) -> Result<FileStream, Error> {
        let mut transfer = Transfer::describe(self.file, self.options).await?;
        transfer.begin().await?;
        let file = transfer.file().clone();
        let chunks = stream::try_unfold(transfer, |mut transfer| async move {
            Ok(transfer.next().await?.map(|chunk| (chunk, transfer)))
        });
        Ok(FileStream { file, chunks: chunks.boxed() })
    }

    /// Writes the content to the file at `path`, and returns Chatwork's description of it.
    ///
    /// The content is first written to a partial file, `<name>.<file id>-<hash>.part` in the same folder. Once it has the
    /// length that Chatwork says, it is synced to the disk and renamed. `path` therefore always has the whole file, or what
    /// was there before.
    ///
    /// If a download fails or is dropped, its partial file stays, and the next download to the same `path` continues it, also
    /// in another process: the content of a file id never changes. This requires a regular file of the same user, without
    /// another name, which no other user can write. Otherwise that file is left alone, and the download restarts in a
    /// partial file with a random name, which is removed on failure. The same holds in a folder where every user can replace
    /// all files. If the partial file is already complete, it is fetched again once the file server has responded, since its
    /// content is not proven.
    ///
    /// On Unix only the owner can read the partial file. A file at `path` is replaced: the new file has its mode, but not its
    /// owner. If `path` is a symbolic link, the file that it points to is replaced. Anything but a regular file is refused.
    ///
    /// ```no_run
    /// # async fn example(file: kaiwa::chatwork::FileHandle) -> Result<(), kaiwa::Error> {
    /// let saved = file.download().on_progress(|got| println!("{} of {}", got.bytes, got.total)).to_file("backup.zip").await?;
    /// println!("{} from {}", saved.filename, saved.account.name);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Do not use [`File::filename`] in `path` unchecked: the uploader chooses it.
    /// [`safe_file_name`](crate::text::safe_file_name) makes a name of it that is safe.
    ///
    /// # Errors
    ///
    /// As for [`stream`](Self::stream); [`ErrorKind::File`] if a file cannot be written, or if another download of the same
    /// file to the same path runs, in this or another process, and does not end within about a second.
    pub async fn to_file(self, path: impl AsRef<Path>) -> Result<File, Error> {
        let mut transfer = Transfer::describe(self.file, self.options).await?;
        transfer.save();
        let opened = Partial::open(path.as_ref(), transfer.identity(), transfer.file()).await;
        let mut partial = opened.map_err(|error| transfer.fail(error))?;
        if partial.is_complete() {
            if let Err(error) = transfer.begin().await {
                partial.abandon(!transfer.is_contradicted()).await;
                return Err(error);
            }
            partial.clear().await.map_err(|error| transfer.fail(error))?;
        }
        transfer.skip_to(partial.length());
        loop {
            match transfer.next().await {
                Ok(Some(chunk)) => {
                    partial.write(&chunk).await.map_err(|error| transfer.fail(error))?;
                }
                Ok(None) => break,
                Err(error) => {
                    // The next download must not continue inconsistent content.
                    partial.abandon(!transfer.is_contradicted()).await;
                    return Err(error);
                }
            }
        }
        partial.finish().await.map_err(|error| transfer.fail(error))?;
        transfer.saved();
        Ok(transfer.file().clone())
    }

    /// The content in memory, if it has at most `max` bytes.
    ///
    /// # Errors
    ///
    /// As for [`stream`](Self::stream); [`ErrorKind::BodyTooLarge`] if the file is larger, before any of it is fetched.
    pub async fn bytes(self, max: usize) -> Result<Bytes, Error> {
        let mut transfer = Transfer::describe(self.file, self.options).await?;
        let length = usize::try_from(transfer.file().filesize).ok().filter(|length| *length <= max);
        let Some(length) = length else {
            return Err(transfer.refuse(ErrorKind::BodyTooLarge { limit: max }));
        };
        let mut content = BytesMut::with_capacity(length.min(16 << 20));
        while let Some(chunk) = transfer.next().await? {
            content.extend_from_slice(&chunk);
        }
        Ok(content.freeze())
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The content of a file as a stream of chunks, from [`Download::stream`]. It ends after a failure.
#[must_use = "streams do nothing unless polled"]
pub struct FileStream {
    file: File,
    chunks: BoxStream<'static, Result<Bytes, Error>>,
}

impl FileStream {
    /// Chatwork's description of the file, without its address.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The length of the whole file in bytes.
    pub fn len(&self) -> u64 {
        self.file.filesize
    }

    /// Whether the file has no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Stream for FileStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.try_poll_next_unpin(context)
    }
}

impl fmt::Debug for FileStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStream").field("file", &self.file).finish_non_exhaustive()
    }
}
