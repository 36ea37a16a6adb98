//! Tokens in a file.

use super::lease::RefreshLease;
use super::store::TokenStore;
use super::tokens::TokenSet;
use crate::private_file::{create, folder, sync_folder};
use crate::store_error::StoreError;
use futures::future::BoxFuture;
use secrecy::ExposeSecret;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How many symbolic links are followed, as on common systems.
const MAX_LINKS: usize = 40;

/// How often a lock that another process holds is tried again.
const LOCK_POLL: Duration = Duration::from_millis(25);

/// The age after which an unfinished file counts as abandoned, if the system has no locks.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// Keeps tokens in a file that, on Unix, only its owner can read (mode 0600).
///
/// The tokens are written to a temporary file beside it, synced to the disk and then renamed, so the file always holds
/// either the old tokens or the new ones. If a process is killed meanwhile, its temporary file
/// (`<name>.<32 hexadecimal digits>.tmp`) is removed when the store is next read or written. If the path is a symbolic link,
/// the file that it points to is replaced. Anything but a regular file is refused. The tokens are not encrypted.
///
/// Processes of one machine may share the file: the one that holds a lock on the file `<name>.lock` beside it refreshes, and
/// the others then read its tokens. The system gives a lock back when its process ends, however it ends. The lock is not on the
/// file of the tokens, because each save replaces that file, and the lock would stay on the old one. The lock file is empty, has
/// the mode 0600, and is never removed: a process that has just opened it would lock a file that the next process does
/// not find. On a file system without locks every process refreshes for itself; between machines, some file systems of
/// networks have locks and others only seem to.
#[derive(Clone)]
pub struct FileTokenStore {
    path: Arc<Path>,
}

impl FileTokenStore {
    /// A store in the file at this path. Its folder must exist; the first save creates the file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into().into() }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Path) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let path = Arc::clone(&self.path);
        let result = tokio::task::spawn_blocking(move || work(&path)).await.map_err(Into::into).flatten();
        result.map_err(|error| format!("{action} {}: {error}", self.path.display()).into())
    }
}

impl TokenStore for FileTokenStore {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
        Box::pin(self.blocking("reading", |path| {
            let place = resolve(path)?;
            remove_left_behind(path, &place);
            match std::fs::read_to_string(place) {
                Ok(json) => Ok(Some(TokenSet::parse(&json)?)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error.into()),
            }
        }))
    }

    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
        let json = tokens.to_json();
        Box::pin(self.blocking("writing", move |path| {
            let place = resolve(path)?;
            // Removed first, since these files may fill the disk.
            remove_left_behind(path, &place);
            Ok(replace(&place, json.expose_secret().as_bytes())?)
        }))
    }

    fn lease(&self) -> BoxFuture<'_, Result<RefreshLease, StoreError>> {
        Box::pin(async {
            loop {
                // If this future is dropped meanwhile, the file that is locked is closed, which ends the lock.
                match self.blocking("locking the file `.lock` beside", |path| Ok(lock(path)?)).await? {
                    Lock::Held(file) => return Ok(RefreshLease::held(file)),
                    Lock::Elsewhere => tokio::time::sleep(LOCK_POLL).await,
                    Lock::Unsupported => {
                        tracing::debug!(path = %self.path.display(), "no locks here: other processes may refresh too");
                        return Ok(RefreshLease::none());
                    }
                }
            }
        })
    }
}

/// What became of a try to lock.
enum Lock {
    Held(File),
    /// Another process has it.
    Elsewhere,
    /// The file system has no locks.
    Unsupported,
}

/// Tries to lock the file beside the tokens, which it creates if need be.
fn lock(path: &Path) -> io::Result<Lock> {
    let place = resolve(path)?;
    let mut name = file_name(&place)?.to_owned();
    name.push(".lock");
    let path = place.with_file_name(name);
    match std::fs::symlink_metadata(&path) {
        // Opening a pipe may never end, and a link may lead to the file of another program.
        Ok(found) if !found.is_file() => return Err(io::Error::other("it is not a regular file")),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock::Held(file)),
        Err(TryLockError::WouldBlock) => Ok(Lock::Elsewhere),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            Ok(Lock::Unsupported)
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl fmt::Debug for FileTokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileTokenStore").field(&self.path).finish()
    }
}

/// The path of the file after following symbolic links, whether the file exists or not.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..MAX_LINKS {
        match std::fs::symlink_metadata(&place) {
            Ok(found) if found.is_symlink() => {
                let target = std::fs::read_link(&place)?;
                place = folder(&place).join(target);
            }
            Ok(found) if found.is_file() => return Ok(place),
            // Reading a pipe may never end, and saving would replace a device with a file.
            Ok(_) => return Err(io::Error::other("it is not a regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(place),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("it is a symbolic link that leads back to itself"))
}

fn file_name(path: &Path) -> io::Result<&OsStr> {
    path.file_name().ok_or_else(|| io::Error::other("it is not the name of a file"))
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let (mut file, beside) = create_beside(path)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    let result = written.and_then(|()| std::fs::rename(&beside, path));
    if result.is_err() {
        // No part of the new tokens may remain, and the first failure is the one to report.
        let _ = std::fs::remove_file(&beside);
    }
    drop(file);
    result?;
    sync_folder(path);
    Ok(())
}

/// A new file, locked while it is written: the lock shows other processes that it is in use.
fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let name = file_name(path)?;
    loop {
        let mut beside = name.to_owned();
        // A unique name: two processes may share the store.
        beside.push(format!(".{}.tmp", uuid::Uuid::new_v4().simple()));
        let beside = path.with_file_name(beside);
        let file = create(&beside)?;
        match file.lock() {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => {
                let _ = std::fs::remove_file(&beside);
                return Err(error);
            }
            _ => {}
        }
        // Another process may have removed it as abandoned before it was locked.
        if is_at(&file, &beside) {
            return Ok((file, beside));
        }
    }
}

/// Removes the temporary files of killed saves. Failures are ignored.
fn remove_left_behind(path: &Path, place: &Path) {
    remove_unfinished(place);
    if path != place {
        // An earlier version wrote beside the link.
        remove_unfinished(path);
    }
}

fn remove_unfinished(path: &Path) {
    let (Ok(name), Ok(entries)) = (file_name(path), std::fs::read_dir(folder(path))) else { return };
    for entry in entries.flatten() {
        let is_regular = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_regular && is_unfinished(&entry.file_name(), name) {
            let _ = remove_unlocked(&entry.path());
        }
    }
}

fn is_unfinished(found: &OsStr, name: &OsStr) -> bool {
    let found = found.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
    let between = found.and_then(|rest| rest.strip_prefix(b".")?.strip_suffix(b".tmp"));
    between
        .is_some_and(|id| id.len() == 32 && id.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')))
}

fn remove_unlocked(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let is_left_behind = match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        // The system has no locks.
        Err(TryLockError::Error(_)) => {
            file.metadata()?.modified()?.elapsed().is_ok_and(|age| age > LEFT_BEHIND)
        }
    };
    if is_left_behind && is_at(&file, path) { std::fs::remove_file(path) } else { Ok(()) }
}

/// Whether the path is this file itself and not a link to it.
fn is_at(file: &File, path: &Path) -> bool {
    let Ok(found) = std::fs::symlink_metadata(path) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        found.is_file()
    }
}
