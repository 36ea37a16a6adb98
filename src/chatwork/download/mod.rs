//! Downloads: the content of a file, as a stream, in a file of this machine, or in memory.

mod own;
mod partial;
mod transfer;

use super::{File, FileHandle};
use crate::error::{Error, ErrorKind, Outcome};
use crate::progress::{Progress, Watcher};
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
    /// The file's content. Nothing is sent until it is [streamed](Download::stream), [written to a
    /// file](Download::to_file) or [read into memory](Download::bytes).
    pub fn download(&self) -> Download {
        Download { file: self.clone(), options: Options::default() }
    }
}

/// A download that has not begun.
///
/// Chatwork hands out an address that serves the file to whoever has it, for 30 seconds. It is asked for anew whenever
/// it is needed, stays out of errors and logs, and is sent no token; only default headers that the program itself has
/// put on its [`http_client`](crate::ClientBuilder::http_client) go there too. It has to be `https`, or `http` if the
/// client's base URL is. Since there is no credential to be carried away, up to 5 redirects are followed, to `https`
/// just the same.
///
/// When the connection breaks, and when nothing comes for the [stall timeout](Self::with_stall_timeout), the download
/// goes on where it was, by a `Range` request to a new address: as often in a row without a byte of progress as the
/// [`RetryPolicy`] has attempts, and within the client's [`RetryBudget`](crate::RetryBudget). A server that knows no
/// ranges is read again from the beginning, and what is there already is passed over. There is no timeout for the
/// whole, whose size nobody knows.
///
/// A download has to come to as many bytes as Chatwork says in [`File::filesize`], or it fails: that this is exact is
/// inferred. A part that is shorter than the range that was asked for is taken, and what follows it is asked for.
///
/// Memory holds what the connection has buffered, whatever the size. A download changes nothing in the service:
/// the [`outcome`](Error::outcome) of its failures is `NotSent` or `Rejected`, and it can be begun again.
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
    /// Tells how much of the file is there: at first what an earlier download left behind, then after each piece. It
    /// never goes back. It is called on the task that downloads, and must not block.
    pub fn on_progress(mut self, tell: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.options.progress = Watcher::new(tell);
        self
    }

    /// How long nothing may come before the connection counts as lost, instead of the client's `attempt_timeout`. `None`
    /// waits for ever.
    pub fn with_stall_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.stall = Some(timeout.into());
        self
    }

    /// How often and how fast the download goes on after failures, instead of as the client's calls do.
    ///
    /// A [`time_limit`](RetryPolicy::time_limit) counts from the last byte that was new, without the time that the
    /// program takes between two pieces of a [`stream`](Self::stream). Reading again what is there already, from a
    /// server that knows no ranges, brings nothing new.
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.options.retry = Some(retry);
        self
    }

    /// The content as it comes. The file server has answered when this ends.
    ///
    /// ```no_run
    /// # async fn example(file: kaiwa::chatwork::FileHandle) -> Result<(), kaiwa::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let mut content = file.download().stream().await?;
    /// println!("{}: {} bytes", content.file().filename, content.len());
    /// while let Some(piece) = content.try_next().await? {
    ///     println!("{} bytes more", piece.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the file cannot be described, or its content cannot be had.
    pub async fn stream(self) -> Result<FileStream, Error> {
        let mut transfer = Transfer::describe(self.file, self.options).await?;
        transfer.begin().await?;
        let file = transfer.file().clone();
        let pieces = stream::try_unfold(transfer, |mut transfer| async move {
            Ok(transfer.next().await?.map(|piece| (piece, transfer)))
        });
        Ok(FileStream { file, pieces: pieces.boxed() })
    }

    /// Writes the content to the file at `path`, and hands out what Chatwork says of it.
    ///
    /// It is written beside it first, to `<name>.<file id>-<hash>.part`, and given its name once it is complete, of the
    /// length that Chatwork says, and on the disk: at `path` there is always the whole file, or what was there before.
    /// A file whose download fails, or is dropped, stays as it is under the other name, and the next download to the
    /// same `path` goes on with it, in another process too: under one id a file's content never changes. Only the same
    /// user's own regular file counts, which has no other name and which no other user can write; beside anything else of
    /// that name, which is left alone, and in a folder where every user can replace everything, the download begins anew
    /// under a name that cannot be foretold, and leaves nothing behind. A file that was complete already, but for its
    /// name, is no proof: it is fetched again once the file server has answered. On Unix only its owner can read the file
    /// until it has its name. What is at
    /// `path` is replaced and not written over: the new file has its mode, but not its owner. A symbolic link stays one,
    /// and what it leads to is replaced; what is no regular file is refused.
    ///
    /// ```no_run
    /// # async fn example(file: kaiwa::chatwork::FileHandle) -> Result<(), kaiwa::Error> {
    /// let saved = file.download().on_progress(|got| println!("{} of {}", got.bytes, got.total)).to_file("backup.zip").await?;
    /// println!("{} from {}", saved.filename, saved.account.name);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Do not make `path` of [`File::filename`] unchecked: whoever uploads a file chooses that.
    ///
    /// # Errors
    ///
    /// As [`stream`](Self::stream); [`ErrorKind::File`] if a file cannot be written, or if another download of the same
    /// file to the same path is under way, here or in another process, and goes on for about a second more.
    pub async fn to_file(self, path: impl AsRef<Path>) -> Result<File, Error> {
        let mut transfer = Transfer::describe(self.file, self.options).await?;
        let mut partial = Partial::open(path.as_ref(), transfer.identity(), transfer.file()).await?;
        if partial.is_complete() {
            if let Err(error) = transfer.begin().await {
                partial.abandon(!transfer.is_doubtful()).await;
                return Err(error);
            }
            partial.clear().await?;
        }
        transfer.skip_to(partial.length());
        loop {
            match transfer.next().await {
                Ok(Some(piece)) => partial.write(&piece).await?,
                Ok(None) => break,
                Err(error) => {
                    // What contradicts itself must not be the beginning of the next download.
                    partial.abandon(!transfer.is_doubtful()).await;
                    return Err(error);
                }
            }
        }
        partial.finish().await?;
        Ok(transfer.file().clone())
    }

    /// The content in memory, if it has no more than `max` bytes.
    ///
    /// # Errors
    ///
    /// As [`stream`](Self::stream); [`ErrorKind::BodyTooLarge`] if the file is larger, before any of it is fetched.
    pub async fn bytes(self, max: usize) -> Result<Bytes, Error> {
        let mut transfer = Transfer::describe(self.file, self.options).await?;
        let length = usize::try_from(transfer.file().filesize).ok().filter(|length| *length <= max);
        let Some(length) = length else {
            return Err(transfer.failed(ErrorKind::BodyTooLarge { limit: max }, Outcome::NotSent));
        };
        let mut content = BytesMut::with_capacity(length.min(16 << 20));
        while let Some(piece) = transfer.next().await? {
            content.extend_from_slice(&piece);
        }
        Ok(content.freeze())
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The content of a file, piece by piece, as [`Download::stream`] fetches it. It ends after a failure.
#[must_use = "streams do nothing unless polled"]
pub struct FileStream {
    file: File,
    pieces: BoxStream<'static, Result<Bytes, Error>>,
}

impl FileStream {
    /// What Chatwork says of the file, without its address.
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
        self.pieces.try_poll_next_unpin(context)
    }
}

impl fmt::Debug for FileStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStream").field("file", &self.file).finish_non_exhaustive()
    }
}
