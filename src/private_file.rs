//! Files that only this program's user may read, and the folders in which they can be kept.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// The folder that a file is in.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates a file where there is nothing, not even a link. Only its owner can read it.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes the name of a new or renamed file survive a power cut. Not every file system can sync a folder.
#[cfg(any(feature = "oauth", feature = "sqlite"))]
pub(crate) fn sync_folder(path: &Path) {
    #[cfg(unix)]
    let _ = File::open(folder(path)).and_then(|folder| folder.sync_all());
    #[cfg(not(unix))]
    let _ = path;
}

/// Whether every user can create files in the folder.
#[cfg(any(feature = "chatwork", feature = "sqlite"))]
pub(crate) fn is_writable_by_all(folder: &Path) -> bool {
    has_mode(folder, 0o002, 0o002)
}

/// Whether every user can create files in the folder, and rename this program's own files.
#[cfg(feature = "chatwork")]
pub(crate) fn is_open_to_all(folder: &Path) -> bool {
    const STICKY: u32 = 0o1000;
    is_writable_by_all(folder) && has_mode(folder, STICKY, 0)
}

#[cfg(any(feature = "chatwork", feature = "sqlite"))]
fn has_mode(folder: &Path, mask: u32, mode: u32) -> bool {
    #[cfg(unix)]
    return std::fs::metadata(folder)
        .is_ok_and(|found| std::os::unix::fs::MetadataExt::mode(&found) & mask == mode);
    #[cfg(not(unix))]
    {
        let _ = (folder, mask, mode);
        false
    }
}
