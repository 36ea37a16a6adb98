//! A file that is written under another name until it is complete.

use crate::chatwork::File as Description;
use crate::error::{Call, Error, ErrorKind, Outcome};
use crate::transport::operation::{DOWNLOAD, Safety};
use same_file::Handle;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// The longest part of the target's name that is taken over, in bytes: common file systems take 255 in all.
const MAX_NAME: usize = 200;

/// The file beside its target, locked as long as this lives.
pub(super) struct Partial {
    file: tokio::fs::File,
    path: PathBuf,
    target: PathBuf,
    length: u64,
    total: u64,
    /// Those of the file that it replaces.
    permissions: Option<Permissions>,
}

impl Partial {
    /// Opens what an earlier download has left, or begins.
    pub(super) async fn open(target: &Path, identity: u64, description: &Description) -> Result<Self, Error> {
        let mut target = target.to_owned();
        let replaced = match tokio::fs::metadata(&target).await {
            Ok(found) if found.is_dir() => {
                return Err(failed("write", &target, io::ErrorKind::IsADirectory.into()));
            }
            // A device or a pipe would become a file.
            Ok(found) if !found.is_file() => {
                return Err(failed("write", &target, io::Error::other("it is not a regular file")));
            }
            Ok(found) => {
                // A link stays one, and what it leads to is replaced.
                target = tokio::fs::canonicalize(&target)
                    .await
                    .map_err(|error| failed("write", &target, error))?;
                Some(found.permissions())
            }
            Err(_) if tokio::fs::symlink_metadata(&target).await.is_ok() => {
                let problem = "it is a link that leads nowhere, or where nothing may be looked at";
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
        let path = target.with_file_name(format!("{name}.{}-{identity:016x}.part", description.file_id));
        let total = description.filesize;
        let opened = patiently(|| {
            let path = path.clone();
            // A blocking task is not aborted once it runs, and does not panic.
            let opening = tokio::task::spawn_blocking(move || open(&path, total));
            async { opening.await.map_err(io::Error::other)? }
        });
        let (file, length) = opened.await.map_err(|error| failed("write", &path, error))?;
        let file = tokio::fs::File::from_std(file);
        // What nobody else may read is not shown on its way either. As far as the file system has modes.
        #[cfg(unix)]
        if let Some(permissions) = &replaced {
            use std::os::unix::fs::PermissionsExt;
            let mode = permissions.mode() & 0o777 | 0o600;
            let _ = file.set_permissions(Permissions::from_mode(mode)).await;
        }
        Ok(Self { file, path, target, length, total, permissions: replaced })
    }

    /// How much is there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) async fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.file.write_all(piece).await.map_err(|error| failed("write", &self.path, error))
    }

    /// Ends without the rest. If it fails, what made it necessary is the failure to tell.
    pub(super) async fn abandon(mut self, keep: bool) {
        // What is still being written counts when the next download looks how much there is.
        let _ = self.file.flush().await;
        if !keep {
            let _ = tokio::fs::remove_file(&self.path).await;
        }
    }

    /// Puts the complete file in its target's place.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        let Self { file, path, target, total, permissions, .. } = &mut self;
        let synced = async {
            file.flush().await?;
            file.sync_all().await?;
            match file.metadata().await?.len() {
                length if length == *total => Ok(()),
                length => Err(io::Error::other(format!("it has {length} bytes in place of {total}"))),
            }
        };
        synced.await.map_err(|error| failed("write", path, error))?;
        tokio::fs::rename(&*path, &*target).await.map_err(|error| failed("replace", target, error))?;
        if let Some(permissions) = permissions.take() {
            // Last, since a part that cannot be written could not be gone on with.
            let _ = file.set_permissions(permissions).await;
        }
        #[cfg(unix)]
        sync_parent(target).await;
        Ok(())
    }
}

/// Without it a new name can be lost in a power cut. Not every file system can do it, and the content is safe anyway.
#[cfg(unix)]
async fn sync_parent(target: &Path) {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Ok(directory) = tokio::fs::File::open(parent.unwrap_or(Path::new("."))).await {
        let _ = directory.sync_all().await;
    }
}

/// Tries for about a second. The last write of a download that was dropped cannot be called off, and keeps the lock
/// until it is done: by real time, whatever the client's clock is.
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

/// The locked file, and how much of it is of use.
fn open(path: &Path, total: u64) -> io::Result<(File, u64)> {
    loop {
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "another download is writing it"));
            }
            // Some network file systems have no locks; a single program needs none.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had the lock before may have completed the file meanwhile: it is at its target then.
        if !is_at(&file, path)? {
            continue;
        }
        let mut length = file.metadata()?.len();
        if length > total {
            file.set_len(0)?;
            length = 0;
        }
        file.seek(SeekFrom::Start(length))?;
        return Ok((file, length));
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match Handle::from_path(path) {
        Ok(handle) => Ok(handle == Handle::from_file(file.try_clone()?)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> Error {
    let kind = ErrorKind::File { doing, path: path.to_owned(), source };
    Error::new(kind, Outcome::NotSent).with_call(Call::new(&DOWNLOAD, Safety::Safe), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    #[test]
    fn a_file_that_was_completed_by_another_download_is_not_taken_for_the_one_in_its_place() {
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
    async fn a_lock_that_is_let_go_of_soon_is_waited_for() {
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
        assert_eq!(open(&path, 9).expect("it is free").1, 0, "one that is too long is no beginning");
        assert_eq!(path.metadata().expect("it is there").len(), 0);
    }
}
