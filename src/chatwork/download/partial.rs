//! Partial files: a file is written under another name until it is complete.

use super::own::{Own, is_at};
use crate::call::CallInfo;
use crate::chatwork::File as Description;
use crate::error::{Error, ErrorKind, Outcome};
use crate::operation::{DOWNLOAD, Safety};
use crate::private_file::{create, folder, is_open_to_all};
use std::fs::{File, Permissions, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

/// The longest part of the target's name that is used, in bytes: common file systems allow 255 in all.
const MAX_NAME: usize = 190;

/// How often opening is tried while other downloads complete or remove the file.
const MAX_ATTEMPTS: usize = 16;

/// The partial file, locked as long as this value lives.
pub(super) struct Partial {
    file: tokio::fs::File,
    path: PathBuf,
    target: PathBuf,
    length: u64,
    total: u64,
    /// The permissions of the file that it replaces, or of a new file.
    permissions: Option<Permissions>,
    /// Whether the next download finds it. Otherwise it is removed with this value.
    is_lasting: bool,
}

/// The possible names of a partial file.
struct Names {
    /// The name that the next download finds. `None` where other users could rename files of this program to it.
    lasting: Option<PathBuf>,
    /// A random name, for a download without an own file under the other name.
    once: PathBuf,
}

/// A file that was opened, and locked if it is lasting.
struct Opened {
    file: File,
    path: PathBuf,
    /// How many bytes of it can be used.
    length: u64,
    is_lasting: bool,
}

impl Partial {
    /// Opens the partial file of an earlier download, or creates one.
    pub(super) async fn open(target: &Path, identity: u64, description: &Description) -> Result<Self, Error> {
        let mut target = target.to_owned();
        let replaced = match tokio::fs::metadata(&target).await {
            Ok(found) if found.is_dir() => {
                return Err(failed("write", &target, io::ErrorKind::IsADirectory.into()));
            }
            // A device or a pipe would be replaced with a file.
            Ok(found) if !found.is_file() => {
                return Err(failed("write", &target, io::Error::other("it is not a regular file")));
            }
            Ok(found) => {
                // The file that a link points to is replaced.
                target = tokio::fs::canonicalize(&target)
                    .await
                    .map_err(|error| failed("write", &target, error))?;
                Some(found.permissions())
            }
            Err(_) if tokio::fs::symlink_metadata(&target).await.is_ok() => {
                let problem = "it is a link that leads nowhere, or to a place that cannot be read";
                return Err(failed("write", &target, io::Error::other(problem)));
            }
            Err(_) => None,
        };
        let Some(name) = target.file_name() else {
            return Err(failed("write", &target, io::Error::other("it has no file name")));
        };
        let name = name.to_string_lossy();
        let end = |(start, letter): (usize, char)| start + letter.len_utf8();
        let end = name.char_indices().map(end).take_while(|end| *end <= MAX_NAME).last().unwrap_or(0);
        let name = &name[..end];
        let id = description.file_id;
        let lasting = target.with_file_name(format!("{name}.{id}-{identity:016x}.part"));
        let once = target.with_file_name(format!("{name}.{id}-{}.part", uuid::Uuid::new_v4().simple()));
        let total = description.filesize;
        let opened = patiently(|| {
            let (lasting, once) = (lasting.clone(), once.clone());
            let work = move || {
                let own = Own::learn(&once)?;
                let lasting = Some(lasting).filter(|path| !is_open_to_all(folder(path)));
                Ok((open(&Names { lasting, once }, own, total)?, own))
            };
            // A blocking task is not aborted once it runs, and does not panic.
            let opening = tokio::task::spawn_blocking(work);
            async { opening.await.map_err(io::Error::other)? }
        });
        let (opened, own) = opened.await.map_err(|error| failed("write", &lasting, error))?;
        let Opened { file, path, length, is_lasting } = opened;
        let permissions = replaced.or(own.permissions());
        Ok(Self { file: file.into(), path, target, length, total, permissions, is_lasting })
    }

    /// How much is there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether no byte is missing. The content is not checked.
    pub(super) fn is_complete(&self) -> bool {
        self.length == self.total && self.total > 0
    }

    /// Empties the file.
    pub(super) async fn clear(&mut self) -> Result<(), Error> {
        let cleared = async {
            self.file.set_len(0).await?;
            self.file.rewind().await
        };
        cleared.await.map_err(|error| failed("write", &self.path, error))?;
        self.length = 0;
        Ok(())
    }

    pub(super) async fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.file.write_all(chunk).await.map_err(|error| failed("write", &self.path, error))
    }

    /// Ends before the file is complete. Its own failures are ignored: the caller has one to report.
    pub(super) async fn abandon(mut self, keep: bool) {
        // The next download reads the length of the file.
        let _ = self.file.flush().await;
        if !keep && self.is_in_place().await.unwrap_or(false) {
            let _ = tokio::fs::remove_file(&self.path).await;
        }
    }

    /// Whether the path still is this file: other users may have replaced it.
    async fn is_in_place(&self) -> io::Result<bool> {
        let (file, path) = (self.file.try_clone().await?.into_std().await, self.path.clone());
        tokio::task::spawn_blocking(move || is_at(&file, &path)).await.map_err(io::Error::other)?
    }

    /// Puts the complete file in its target's place.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        let synced = async {
            self.file.flush().await?;
            self.file.sync_all().await?;
            match self.file.metadata().await?.len() {
                length if length == self.total => {}
                length => {
                    let problem = format!("it has {length} bytes instead of {}", self.total);
                    return Err(io::Error::other(problem));
                }
            }
            match self.is_in_place().await? {
                true => Ok(()),
                false => Err(io::Error::other("another file has taken its place")),
            }
        };
        synced.await.map_err(|error| failed("write", &self.path, error))?;
        let renamed = tokio::fs::rename(&self.path, &self.target).await;
        renamed.map_err(|error| failed("replace", &self.target, error))?;
        // There is no partial file any more.
        self.is_lasting = true;
        if let Some(permissions) = self.permissions.take() {
            // Set last: a partial file that cannot be written could not be continued.
            let _ = self.file.set_permissions(permissions).await;
        }
        #[cfg(unix)]
        sync_parent(&self.target).await;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_lasting {
            // No later download would find it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Without it a power cut can undo the rename. Not every file system can sync a folder, and the content is safe anyway.
#[cfg(unix)]
async fn sync_parent(target: &Path) {
    if let Ok(directory) = tokio::fs::File::open(folder(target)).await {
        let _ = directory.sync_all().await;
    }
}

/// Tries for about a second of real time. The last write of a dropped download cannot be cancelled, and keeps the lock until
/// it is done.
async fn patiently<T, F: Future<Output = io::Result<T>>>(mut open: impl FnMut() -> F) -> io::Result<T> {
    for _ in 0..20 {
        match open().await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            opened => return opened,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    open().await
}

/// The file of an earlier download if it is this program's own, or else a new file.
fn open(names: &Names, own: Own, total: u64) -> io::Result<Opened> {
    let attempts = names.lasting.iter().flat_map(|path| std::iter::repeat_n(path, MAX_ATTEMPTS));
    for path in attempts {
        let mut file = match create(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match own.open(path) {
                Ok(Some(file)) => file,
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "another download is writing it"));
            }
            // Some network file systems have no locks; a single program needs none.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The download that had the lock before may have completed the file meanwhile: it is at its target then.
        if !is_at(&file, path)? {
            continue;
        }
        // What others may not read is not shown on its way either.
        #[cfg(unix)]
        let _ = file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600));
        let mut length = file.metadata()?.len();
        if length > total {
            file.set_len(0)?;
            length = 0;
        }
        file.seek(SeekFrom::Start(length))?;
        return Ok(Opened { file, path: path.clone(), length, is_lasting: true });
    }
    let (file, path) = (create(&names.once)?, names.once.clone());
    Ok(Opened { file, path, length: 0, is_lasting: false })
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> Error {
    let kind = ErrorKind::File { doing, path: path.to_owned(), source };
    Error::new(kind, Outcome::NotSent).with_call(CallInfo::new(&DOWNLOAD, Safety::Safe), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    fn open(path: &Path, total: u64) -> io::Result<(File, u64)> {
        let once = path.with_extension("once");
        let own = Own::learn(&once).expect("the folder can be written");
        super::open(&Names { lasting: Some(path.to_owned()), once }, own, total)
            .map(|opened| (opened.file, opened.length))
    }

    #[test]
    fn a_file_completed_by_another_download_is_not_confused_with_its_replacement() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, target) = (directory.path().join("a.part"), directory.path().join("a"));
        let (file, length) = open(&path, 10).expect("it can be made");
        assert!(length == 0 && is_at(&file, &path).expect("it can be looked at"));
        std::fs::rename(&path, &target).expect("it can be renamed");
        assert!(!is_at(&file, &path).expect("nothing is there"));
        let (next, _) = open(&path, 10).expect("the lock went with the file");
        assert!(!is_at(&file, &path).expect("another is there") && is_at(&next, &path).expect("it is there"));
    }

    #[tokio::test]
    async fn a_lock_that_is_released_soon_is_awaited() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.part");
        let mut held = Some(open(&path, 10).expect("it can be made"));
        let mut tries = 0;
        let opened = patiently(|| {
            tries += 1;
            if tries == 3 {
                held = None;
            }
            ready(open(&path, 10))
        });
        assert_eq!(opened.await.expect("it is free in the end").1, 0);
        assert_eq!(tries, 3);
        let other = patiently(|| ready(Err::<(), _>(io::ErrorKind::NotFound.into()))).await;
        assert_eq!(other.expect_err("no wait helps").kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_is_locked_as_long_as_it_is_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.part");
        let first = open(&path, 10).expect("it can be made");
        assert_eq!(open(&path, 10).expect_err("it is locked").kind(), io::ErrorKind::WouldBlock);
        drop(first);
        std::fs::write(&path, "0123456789").expect("it can be written");
        assert_eq!(open(&path, 10).expect("it is free").1, 10);
        assert_eq!(open(&path, 9).expect("it is free").1, 0, "a part that is too long cannot be resumed");
        assert_eq!(path.metadata().expect("it is there").len(), 0);
    }
}
