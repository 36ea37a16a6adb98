//! Which existing files are this program's own: other users can predict their names.

use same_file::Handle;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::path::Path;

/// The owner and mode of the files that this process creates in a folder.
#[derive(Clone, Copy)]
pub(super) struct Own {
    #[cfg(unix)]
    user: u32,
    #[cfg(unix)]
    mode: u32,
}

impl Own {
    /// Read from an empty file of this name, which is removed at once: no other safe call returns the process's user and its
    /// umask, and a network file system may map the user to another one.
    #[cfg(unix)]
    pub(super) fn learn(probe: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let found = OpenOptions::new().write(true).create_new(true).open(probe)?.metadata();
        let _ = std::fs::remove_file(probe);
        let found = found?;
        Ok(Self { user: found.uid(), mode: found.mode() & 0o777 })
    }

    #[cfg(not(unix))]
    pub(super) fn learn(_: &Path) -> io::Result<Self> {
        Ok(Self {})
    }

    /// The permissions of a file that this process creates, if the system has them.
    pub(super) fn permissions(self) -> Option<Permissions> {
        #[cfg(unix)]
        return Some(std::os::unix::fs::PermissionsExt::from_mode(self.mode));
        #[cfg(not(unix))]
        None
    }

    /// Opens the file if it is a regular one without another name, of this user, and only this user can write it. This
    /// changes nothing.
    pub(super) fn open(self, path: &Path) -> io::Result<Option<File>> {
        // Checked before opening: opening a pipe or a device can block, or have an effect.
        if !std::fs::symlink_metadata(path)?.is_file() {
            return Ok(None);
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let is_own = self.is_own(&file.metadata()?) && is_at(&file, path)?;
        Ok(is_own.then_some(file))
    }

    #[cfg(unix)]
    fn is_own(self, found: &std::fs::Metadata) -> bool {
        use std::os::unix::fs::MetadataExt;
        found.is_file() && found.uid() == self.user && found.nlink() == 1 && found.mode() & 0o022 == 0
    }

    #[cfg(not(unix))]
    fn is_own(self, found: &std::fs::Metadata) -> bool {
        found.is_file()
    }
}

/// Whether the path is this file itself and not a link to it.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let absent =
        |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(false) } else { Err(error) };
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => return Ok(false),
        Ok(_) => {}
        Err(error) => return absent(error),
    }
    match Handle::from_path(path) {
        Ok(handle) => Ok(handle == Handle::from_file(file.try_clone()?)?),
        Err(error) => absent(error),
    }
}
