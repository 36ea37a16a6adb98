//! Where the file may be, and whether it still is there.

use super::failure::Failure;
use crate::private_file::{create, folder, is_writable_by_all, sync_folder};
use std::cell::Cell;
use std::fs::{Metadata, symlink_metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What SQLite keeps beside the file.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The file of a store.
pub(super) struct Place {
    /// Without symbolic links.
    pub(super) path: PathBuf,
    identity: Option<Identity>,
    /// The same of its log, once there is one.
    log: Cell<Option<Identity>>,
}

/// What makes a file another one, where the system has such numbers.
type Identity = (u64, u64);

impl Place {
    /// Finds the file, or creates an empty one.
    ///
    /// It is never opened here if it exists: a file that this process closes loses the locks that SQLite has on it in the same
    /// process.
    pub(super) fn prepare(path: &Path) -> Result<Self, Failure> {
        let Some(name) = path.file_name() else { return Err(Failure::new("it has no file name")) };
        let folder = folder(path).canonicalize().map_err(|error| no_folder(&error))?;
        if is_writable_by_all(&folder) {
            let problem = "every user can write in its folder: use a folder of this program's own";
            return Err(Failure::new(problem));
        }
        if let Some(kind) = network(&folder) {
            let problem = format!(
                "it is on a network file system ({kind}), where SQLite can lose entries: use a local disk"
            );
            return Err(Failure::new(problem));
        }
        let path = folder.join(name);
        check_beside(&path)?;
        let mut found = symlink_metadata(&path);
        if found.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            create_empty(&path)?;
            found = symlink_metadata(&path);
        }
        let found = found.map_err(|error| failed("it cannot be looked at", &error))?;
        if found.len() == 0 {
            check_log(&path)?;
        }
        check(&found)?;
        Ok(Self { path, identity: identity(&found), log: Cell::default() })
    }

    /// Fails if the file or its log was removed or replaced: what is written to it then is lost with it.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let found = |path: &Path| symlink_metadata(path).ok().and_then(|found| identity(&found));
        let log = found(&beside(&self.path, "-wal"));
        let is_there = cfg!(not(unix)) || found(&self.path) == self.identity;
        if is_there && (self.log.get().is_none() || self.log.get() == log) {
            self.log.set(log);
            return Ok(());
        }
        let problem = "the file or its -wal was moved, removed or replaced while it was open: put it back, or open the store again";
        Err(Failure::new(problem))
    }
}

/// Fails if the file has no content, and its log has some: SQLite would throw the log away. While another process creates the
/// file, it has a log for a moment as well.
fn check_log(path: &Path) -> Result<(), Failure> {
    let has_content = |path: &Path| symlink_metadata(path).is_ok_and(|found| found.len() > 0);
    let log = beside(path, "-wal");
    for _ in 0..50 {
        if !has_content(&log) || has_content(path) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let problem = "the file is missing or empty, and its -wal is there, which may hold entries: put the file back, or remove both";
    Err(Failure::new(problem))
}

fn create_empty(path: &Path) -> Result<(), Failure> {
    check_log(path)?;
    match create(path) {
        Ok(file) => drop(file),
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(failed("it cannot be created", &error)),
    }
    sync_folder(path);
    Ok(())
}

fn check_beside(path: &Path) -> Result<(), Failure> {
    for end in BESIDE {
        if let Ok(found) = symlink_metadata(beside(path, end)) {
            check(&found).map_err(|failure| Failure::new(format!("its {end}: {failure}")))?;
        }
    }
    Ok(())
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn check(found: &Metadata) -> Result<(), Failure> {
    if found.is_symlink() {
        return Err(Failure::new("it is a symbolic link: name the file itself"));
    }
    if !found.is_file() {
        return Err(Failure::new("it is not a regular file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = found.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Failure::new(format!("other users may use it (mode {mode:03o}): chmod 600")));
        }
        if mode & 0o600 != 0o600 {
            let problem = format!("its owner may not read and write it (mode {mode:03o}): chmod 600");
            return Err(Failure::new(problem));
        }
        if found.nlink() > 1 {
            let problem = "it has a second name (a hard link), under which another program would damage it: remove that";
            return Err(Failure::new(problem));
        }
    }
    Ok(())
}

fn identity(found: &Metadata) -> Option<Identity> {
    #[cfg(unix)]
    return Some((std::os::unix::fs::MetadataExt::dev(found), std::os::unix::fs::MetadataExt::ino(found)));
    #[cfg(not(unix))]
    {
        let _ = found;
        None
    }
}

fn no_folder(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::NotFound {
        return Failure::new("its folder does not exist: create it for this program alone (mode 0700)");
    }
    failed("its folder cannot be used", error)
}

fn failed(what: &str, error: &io::Error) -> Failure {
    Failure::new(format!("{what}: {error}"))
}

/// The network file system that the folder is on, as far as Linux tells.
fn network(folder: &Path) -> Option<String> {
    #[cfg(target_os = "linux")]
    {
        let device = std::os::unix::fs::MetadataExt::dev(&std::fs::metadata(folder).ok()?);
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        network_of(device, &mounts)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        None
    }
}

#[cfg(target_os = "linux")]
fn network_of(device: u64, mounts: &str) -> Option<String> {
    const KINDS: [&str; 16] = [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.ceph",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "gpfs",
        "lustre",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
    ];
    let (major, minor) = (device >> 8 & 0xfff | device >> 32 & !0xfff, device & 0xff | device >> 12 & !0xff);
    let number = format!("{major}:{minor}");
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some(&number))?;
    let (_, after) = line.split_once(" - ")?;
    let kind = after.split(' ').next()?;
    KINDS.contains(&kind).then(|| kind.to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_network_file_system_is_recognized_by_its_device() {
        let mounts = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
            40 22 0:52 / /mnt/a\\040b rw,relatime shared:30 master:2 - nfs4 10.0.0.1:/a rw,vers=4.2\n\
            41 22 0:53 / /mnt/c rw - tmpfs nfs4 rw\n";
        let device = |major: u64, minor: u64| major << 8 | minor;
        assert_eq!(network_of(device(0, 52), mounts).as_deref(), Some("nfs4"));
        for other in [device(254, 0), device(0, 53), device(0, 99)] {
            assert_eq!(network_of(other, mounts), None);
        }
        assert_eq!(network_of(device(0, 52), "40 22 0:52 / cut off"), None);
        assert_eq!(network(Path::new("/")), None);
    }
}
