use crate::server::{CANARY, Reply, Server, part};
use crate::{ProgressLog, content, world};
use kaiwa::sandbox::{Fault, Provider, Script};
use kaiwa::{ErrorKind, Outcome, RetryPolicy};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

fn directory() -> (TempDir, PathBuf) {
    let directory = tempdir().expect("a directory");
    let target = directory.path().join("見積.pdf");
    (directory, target)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("it can be listed");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.map(|entry| name(entry.expect("an entry"))).collect();
    names.sort();
    names
}

fn partial(directory: &Path) -> Option<PathBuf> {
    names(directory).into_iter().find(|name| name.ends_with(".part")).map(|name| directory.join(name))
}

#[tokio::test]
async fn a_complete_file_replaces_the_existing_one() {
    let bytes = content(300_000);
    let ((directory, target), world, log) = (directory(), world(&bytes).await, ProgressLog::default());
    fs::write(&target, "what was there before").expect("it can be written");
    let saved = world.file.download().on_progress(log.listen()).to_file(&target).await.expect("it is saved");
    assert_eq!((&*saved.filename, saved.filesize, saved.account.account_id.0), ("見積.pdf", 300_000, 1));
    assert!(saved.download_url.is_none());
    assert_eq!(fs::read(&target).expect("it is there"), bytes);
    assert_eq!(names(directory.path()), ["見積.pdf"]);
    assert_eq!((log.bytes().first(), log.bytes().last()), (Some(&0), Some(&300_000)));
}

#[tokio::test]
async fn an_empty_file_is_downloaded() {
    let ((directory, target), world) = (directory(), world(b"").await);
    world.file.download().to_file(&target).await.expect("it is saved");
    assert_eq!(fs::read(&target).expect("it is there"), b"");
    assert_eq!(names(directory.path()), ["見積.pdf"]);
}

#[tokio::test]
async fn a_failed_download_leaves_the_target_and_can_be_resumed() {
    let bytes = content(300_000);
    let ((directory, target), world) = (directory(), world(&bytes).await);
    fs::write(&target, "what was there before").expect("it can be written");
    let script = Script::on("download_file").then(Fault::short_body());
    world.sandbox.faults().script(Provider::Chatwork, script);
    let download = world.file.download().with_retry(RetryPolicy::none());
    let error = download.to_file(&target).await.expect_err("it is cut short");
    assert_eq!(error.outcome(), Outcome::Rejected, "{error}");
    assert_eq!(fs::read(&target).expect("it is there"), b"what was there before");
    let partial = partial(directory.path()).expect("what has come is kept");
    let name = partial.file_name().expect("a name").to_string_lossy();
    let id = world.sandbox.chatwork().room(1).files()[0].file_id;
    assert!(name.starts_with(&format!("見積.pdf.{id}-")), "{name}");
    assert_eq!(fs::read(&partial).expect("it is there"), &bytes[..150_000]);

    let log = ProgressLog::default();
    world.file.download().on_progress(log.listen()).to_file(&target).await.expect("it is saved");
    assert_eq!(fs::read(&target).expect("it is there"), bytes);
    assert_eq!(names(directory.path()), ["見積.pdf"]);
    let got = world.requests("download_file");
    assert_eq!((got[1].header("range"), got[1].status), (Some("bytes=150000-"), Some(206)));
    assert_eq!((log.bytes().first(), log.bytes().last()), (Some(&150_000), Some(&300_000)));
}

/// The rest of an earlier process, under the name that a first download reveals.
async fn left_behind(left: &[u8], bytes: &[u8]) -> (Vec<u8>, Vec<Option<String>>) {
    let ((directory, target), length) = (directory(), bytes.len());
    let replies = [Reply::new(200, bytes).cut(1)];
    let rest = bytes.get(left.len()..).filter(|rest| !rest.is_empty());
    let next =
        if rest.is_some() && !left.is_empty() { part(bytes, left.len()) } else { Reply::new(200, bytes) };
    let server = Server::play(length, replies.into_iter().chain([next])).await;
    let download = server.file().download().with_retry(RetryPolicy::none());
    download.to_file(&target).await.expect_err("it is cut short");
    fs::write(partial(directory.path()).expect("it is kept"), left).expect("it can be written");
    server.file().download().to_file(&target).await.expect("it is saved");
    assert_eq!(names(directory.path()), ["見積.pdf"]);
    (fs::read(&target).expect("it is there"), server.ranges().split_off(1))
}

#[tokio::test]
async fn a_part_of_an_earlier_process_is_used_if_valid() {
    let bytes = content(1000);
    let range = |from: usize| vec![Some(format!("bytes={from}-"))];
    assert_eq!(left_behind(&bytes[..1], &bytes).await, (bytes.clone(), range(1)));
    assert_eq!(left_behind(&bytes[..999], &bytes).await, (bytes.clone(), range(999)));
    // A complete part proves nothing, whatever its content, nor does one that is longer, and an empty part is useless.
    assert_eq!(left_behind(&bytes, &bytes).await, (bytes.clone(), vec![None]));
    assert_eq!(left_behind(&[b'x'; 1000], &bytes).await, (bytes.clone(), vec![None]));
    assert_eq!(left_behind(&content(1001), &bytes).await, (bytes.clone(), vec![None]));
    assert_eq!(left_behind(b"", &bytes).await, (bytes.clone(), vec![None]));
}

#[tokio::test]
async fn a_part_of_another_file_is_not_used() {
    let (directory, target) = directory();
    for text in [b"aaaaaa", b"bbbbbb"] {
        // Two services with the same ids.
        let server = Server::play(6, [Reply::new(200, text).cut(3)]).await;
        let download = server.file().download().with_retry(RetryPolicy::none());
        download.to_file(&target).await.expect_err("it is cut short");
        assert_eq!(server.ranges(), [None]);
    }
    assert_eq!(names(directory.path()).len(), 2);
}

#[tokio::test]
async fn content_that_contradicts_itself_is_not_kept() {
    let (directory, target) = directory();
    let replies = [
        Reply::new(200, b"aaaaaa").header("etag", "\"1\"").cut(3),
        Reply::new(200, b"bbbbbb").header("etag", "\"2\""),
        Reply::new(200, b"bbbbbb"),
    ];
    let server = Server::play(6, replies).await;
    let error = server.clock.drive(server.file().download().to_file(&target)).await;
    assert!(matches!(error.expect_err("it changed").kind(), ErrorKind::Download(_)));
    assert!(names(directory.path()).is_empty());
    server.file().download().to_file(&target).await.expect("it is saved");
    assert_eq!(fs::read(&target).expect("it is there"), b"bbbbbb");
}

#[tokio::test]
async fn two_downloads_do_not_write_one_file() {
    let bytes = content(100_000);
    let ((directory, target), world, log) = (directory(), world(&bytes).await, ProgressLog::default());
    world.sandbox.faults().script(Provider::Chatwork, Script::on("download_file").then(Fault::stall()));
    let first = world.file.download().on_progress(log.listen());
    let first = tokio::spawn(first.to_file(target.clone()));
    while log.bytes().last().copied().unwrap_or_default() < 50_000 {
        tokio::task::yield_now().await;
    }
    let error = world.file.download().to_file(&target).await.expect_err("the other download is writing");
    assert!(matches!(error.kind(), ErrorKind::File { .. }), "{error}");
    assert!(error.to_string().contains("another download is writing it"), "{error}");
    assert!(error.to_string().contains("見積.pdf"), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);

    // A dropped download keeps its part and releases the lock.
    first.abort();
    assert!(first.await.expect_err("it was aborted").is_cancelled());
    world.file.download().to_file(&target).await.expect("it is saved");
    assert_eq!(fs::read(&target).expect("it is there"), bytes);
    assert_eq!(names(directory.path()), ["見積.pdf"]);
    let last = world.requests("download_file").pop().expect("a request");
    assert!(last.header("range").is_some(), "it was resumed");
}

#[tokio::test]
async fn many_concurrent_downloads_leave_one_complete_file() {
    let bytes = content(200_000);
    let ((directory, target), world) = (directory(), world(&bytes).await);
    let all = (0..16).map(|_| tokio::spawn(world.file.download().to_file(target.clone())));
    let all: Vec<_> = all.collect();
    let mut saved = 0;
    for one in all {
        match one.await.expect("it does not panic") {
            Ok(_) => saved += 1,
            Err(error) => assert!(error.to_string().contains("another download"), "{error}"),
        }
    }
    assert!(saved > 0);
    assert_eq!(fs::read(&target).expect("it is there"), bytes);
    assert_eq!(names(directory.path()), ["見積.pdf"]);
}

#[tokio::test]
async fn an_unwritable_target_is_named() {
    let ((directory, target), world) = (directory(), world(b"content").await);
    fs::create_dir(&target).expect("it can be made");
    let missing = directory.path().join("no such directory").join("a.pdf");
    for (path, named) in
        [(target.as_path(), "見積.pdf"), (&missing, "no such directory"), (Path::new("/"), "/")]
    {
        let error = world.file.download().to_file(path).await.expect_err(named);
        assert!(matches!(error.kind(), ErrorKind::File { .. }), "{error}");
        assert!(error.to_string().contains(named) && !error.to_string().contains(CANARY), "{error}");
    }
    assert_eq!(world.requests("download_file").len(), 0);
    assert_eq!(names(directory.path()), ["見積.pdf"]);
}

#[tokio::test]
async fn a_target_name_of_the_greatest_length_works() {
    let (directory, world) = (tempdir().expect("a directory"), world(b"content").await);
    // 255 bytes; byte 200 is inside a character.
    let target = directory.path().join("議".repeat(85));
    world.file.download().to_file(&target).await.expect("it is saved");
    assert_eq!(fs::read(&target).expect("it is there"), b"content");
}

#[cfg(unix)]
#[tokio::test]
async fn the_kind_of_an_existing_target_is_kept() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    let ((directory, target), world) = (directory(), world(&content(1_000)).await);
    let (link, socket) = (directory.path().join("link"), directory.path().join("socket"));
    fs::write(&target, "what was there before").expect("it can be written");
    fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).expect("it is ours");
    symlink(&target, &link).expect("a link");
    let _listener = UnixListener::bind(&socket).expect("a socket");

    world.file.download().to_file(&link).await.expect("it is saved");
    assert!(fs::symlink_metadata(&link).expect("it is there").is_symlink());
    assert_eq!(fs::read(&target).expect("it is there"), content(1_000));
    assert_eq!(fs::metadata(&target).expect("it is there").permissions().mode() & 0o777, 0o600);

    let error = world.file.download().to_file(&socket).await.expect_err("it is not a file");
    assert!(error.to_string().contains("it is not a regular file"), "{error}");
    assert!(fs::metadata(&socket).expect("it is there").file_type().is_socket());
    assert_eq!(names(directory.path()), ["link", "socket", "見積.pdf"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_dangling_link_is_not_replaced() {
    let ((directory, target), world) = (directory(), world(&content(1_000)).await);
    std::os::unix::fs::symlink(directory.path().join("nowhere"), &target).expect("a link");
    let error = world.file.download().to_file(&target).await.expect_err("it leads nowhere");
    assert!(error.to_string().contains("a link that leads nowhere"), "{error}");
    assert_eq!(names(directory.path()), ["見積.pdf"]);
}

#[tokio::test]
async fn a_complete_part_stays_until_the_file_server_has_answered() {
    let ((directory, target), bytes) = (directory(), content(1000));
    let replies = [Reply::new(200, &bytes).cut(1), Reply::new(500, b""), Reply::new(200, &bytes)];
    let server = Server::play(1000, replies).await;
    let download = || server.file().download().with_retry(RetryPolicy::none());
    download().to_file(&target).await.expect_err("it is cut short");
    let part = partial(directory.path()).expect("it is kept");
    fs::write(&part, &bytes).expect("it can be written");
    download().to_file(&target).await.expect_err("the file server fails");
    assert_eq!(fs::read(&part).expect("it is kept"), bytes);
    download().to_file(&target).await.expect("it is saved");
    assert_eq!((fs::read(&target).expect("it is there"), server.ranges().len()), (bytes, 3));
    assert_eq!(names(directory.path()), ["見積.pdf"]);
}

#[cfg(unix)]
mod planted {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    /// A download to a folder in which something else has the name of its part, and the result.
    struct Planted {
        directory: TempDir,
        target: PathBuf,
        part: PathBuf,
        server: Server,
    }

    impl Planted {
        /// The server sends this many complete files, after a truncated one that reveals the name of the part.
        async fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
            let (directory, target) = directory();
            let first = Reply::new(200, &content(1000)).cut(500);
            let server = Server::play(1000, [first].into_iter().chain(replies)).await;
            let download = server.file().download().with_retry(RetryPolicy::none());
            download.to_file(&target).await.expect_err("it is cut short");
            let part = partial(directory.path()).expect("it is kept");
            Self { directory, target, part, server }
        }

        async fn download(&self) -> Result<(), kaiwa::Error> {
            let download = self.server.file().download().with_retry(RetryPolicy::none());
            download.to_file(&self.target).await.map(drop)
        }

        fn names(&self) -> Vec<String> {
            names(self.directory.path())
        }
    }

    #[tokio::test]
    async fn a_part_that_is_not_trusted_is_neither_followed_nor_used_nor_changed() {
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        type Plant<'a> = (&'a str, &'a dyn Fn(&Path, &Path));
        let plants: [Plant<'_>; 9] = [
            ("a link", &|part, victim| symlink(victim, part).expect("a link")),
            ("a link to nowhere", &|part, victim| {
                symlink(victim.with_file_name("nowhere"), part).expect("a link");
            }),
            ("a hard link", &|part, victim| fs::hard_link(victim, part).expect("a link")),
            ("a folder", &|part, _| fs::create_dir(part).expect("a folder")),
            ("a pipe", &|part, _| {
                assert!(Command::new("mkfifo").arg(part).status().expect("it can be run").success());
            }),
            ("a socket", &|part, _| drop(UnixListener::bind(part).expect("a socket"))),
            ("a file that the group can write", &|part, _| {
                fs::write(part, "x".repeat(400)).expect("it can be written");
                mode(part, 0o660).expect("it is ours");
            }),
            ("a file that all users can write", &|part, _| {
                fs::write(part, "x".repeat(1000)).expect("it can be written");
                mode(part, 0o602).expect("it is ours");
            }),
            ("a file of another user", &|part, _| {
                fs::write(part, "x".repeat(400)).expect("it can be written");
                // Only the superuser can give a file to another user. For others this is another file that the group
                // can write.
                if chown(part, Some(65534), None).is_err() {
                    mode(part, 0o660).expect("it is ours");
                }
            }),
        ];
        for (name, plant) in plants {
            let planted =
                Planted::new([Reply::new(200, &content(1000)), Reply::new(200, &content(1000)).cut(9)]).await;
            let victim = planted.directory.path().join("victim");
            fs::write(&victim, "x".repeat(400)).expect("it can be written");
            mode(&victim, 0o600).expect("it is ours");
            fs::remove_file(&planted.part).expect("it is ours");
            plant(&planted.part, &victim);
            let before = fs::symlink_metadata(&planted.part).expect("it is there");
            let names = planted.names();

            planted.download().await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(fs::read(&planted.target).expect(name), content(1000), "{name}");
            assert_eq!(planted.server.ranges(), [None, None], "{name}");
            // A failed download leaves no part, since no other download would resume it.
            planted.download().await.expect_err("it is cut short");
            assert_eq!(fs::read(&victim).expect(name), "x".repeat(400).as_bytes(), "{name}");
            assert!(!victim.with_file_name("nowhere").exists(), "{name}");
            let after = fs::symlink_metadata(&planted.part).expect(name);
            let look = |found: &fs::Metadata| (found.ino(), found.mode(), found.len(), found.mtime_nsec());
            assert_eq!(look(&after), look(&before), "{name}");
            assert_eq!(planted.names().len(), names.len() + 1, "{name}: {:?}", planted.names());
        }
    }

    #[tokio::test]
    async fn no_download_is_resumed_in_a_world_writable_folder() {
        let whole = || Reply::new(200, &content(1000));
        let planted = Planted::new([whole(), whole().cut(9)]).await;
        let folder = planted.directory.path();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("it is ours");
        planted.download().await.expect("it is saved");
        planted.download().await.expect_err("it is cut short");
        assert_eq!(planted.server.ranges(), [None, None, None]);
        assert_eq!(fs::read(&planted.target).expect("it is there"), content(1000));
        assert_eq!(planted.names().len(), 2, "the part of before, and the target: {:?}", planted.names());

        // In a folder where users cannot rename the files of others, such as `/tmp`, a part is safe.
        let planted = Planted::new([part(&content(1000), 500)]).await;
        let folder = planted.directory.path();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o1777)).expect("it is ours");
        planted.download().await.expect("it is saved");
        assert_eq!(planted.server.ranges(), [None, Some("bytes=500-".to_owned())]);
        assert_eq!(planted.names(), ["見積.pdf"]);
    }

    #[tokio::test]
    async fn a_file_that_replaces_the_part_meanwhile_does_not_become_the_target() {
        let planted = Planted::new([part(&content(1000), 500)]).await;
        let moved = planted.part.clone();
        let swap = move |progress: kaiwa::Progress| {
            if progress.bytes == 1000 {
                fs::rename(&moved, moved.with_file_name("moved")).expect("it is there");
                fs::write(&moved, "x".repeat(1000)).expect("it can be written");
            }
        };
        let download = planted.server.file().download().on_progress(swap);
        let error = download.to_file(&planted.target).await.expect_err("it is another file");
        assert!(error.to_string().contains("another file has taken its place"), "{error}");
        assert!(!planted.target.exists());
    }

    #[tokio::test]
    async fn a_part_is_private_and_the_complete_file_has_default_permissions() {
        let planted = Planted::new([part(&content(1000), 500)]).await;
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(&planted.part), 0o600);
        planted.download().await.expect("it is saved");
        let other = planted.directory.path().join("other");
        fs::write(&other, "").expect("it can be written");
        assert_eq!(mode(&planted.target), mode(&other));
    }

    #[tokio::test]
    async fn a_download_dropped_next_to_an_untrusted_part_leaves_nothing() {
        let planted = Planted::new([]).await;
        let world = world(&content(100_000)).await;
        fs::set_permissions(planted.directory.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
        world.sandbox.faults().script(Provider::Chatwork, Script::on("download_file").then(Fault::stall()));
        let (log, target) = (ProgressLog::default(), planted.target.clone());
        let task = tokio::spawn(world.file.download().on_progress(log.listen()).to_file(target));
        while log.bytes().last().copied().unwrap_or_default() < 50_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(planted.names().len(), 2);
        task.abort();
        assert!(task.await.expect_err("it was aborted").is_cancelled());
        assert_eq!(planted.names().len(), 1, "{:?}", planted.names());
    }
}
