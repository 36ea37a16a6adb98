use super::*;
use kaiwa::sandbox::tascha::{Key, User};
use std::collections::HashSet;
use std::future::ready;

/// Three rooms of two pages each.
async fn sandbox() -> Sandbox {
    let room = |number| RoomSeed::new(format!("room{number}"), "").members([Seed::USER]).messages(300);
    let seed = Seed::new().user(User::new(Seed::USER, "Alice")).key(Key::user(Seed::TOKEN, Seed::USER));
    let seed = (1..=3).map(room).fold(seed.unlimited(), Seed::room);
    Sandbox::builder().tascha(seed).start().await.expect("a sandbox")
}

/// A file that is not there yet.
fn path(name: &str) -> PathBuf {
    env::temp_dir().join(format!("kaiwa-{}-{name}.jsonl", std::process::id()))
}

/// The beginning of an export into a file that is not there yet.
fn export(name: &str) -> (Export, PathBuf) {
    let path = path(name);
    let export = Export::open(&path).expect("a new file");
    (export, path)
}

#[tokio::test]
async fn a_deleted_room_is_skipped() {
    let sandbox = sandbox().await;
    sandbox.faults().script(Provider::Tascha, Script::on("list_messages").pass(1).then(Fault::status(404)));
    let (mut export, path) = export("gone");
    let ended = export.run(&sandbox.clients().tascha).await.expect("the file takes it");
    if let Ended::Failed(error) = ended {
        panic!("{error}");
    }
    export.save().expect("the file takes it");

    let lines = fs::read_to_string(&path).expect("an output");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let count = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count();
    assert_eq!((count("room"), count("message"), count("skipped")), (3, 200 + 300 + 300, 1));
    let skipped = lines.iter().find(|line| line["kind"] == "skipped").expect("there is one");
    assert_eq!(skipped["room"], "room1");
    assert!(skipped["item"].as_str().is_some_and(|reason| reason.contains("404")), "{skipped}");
    assert_eq!((export.at.skipped, export.at.messages), (1, 800));
    fs::remove_file(&export.beside).and_then(|()| fs::remove_file(&path)).expect("they are there");
}

#[tokio::test]
async fn it_can_be_stopped_while_it_waits_for_a_room() {
    let sandbox = sandbox().await;
    sandbox.faults().script(Provider::Tascha, Script::on("list_rooms").then(Fault::silence()).forever());
    let (mut export, path) = export("stopped");
    export.ctrl_c = ready(Ok(())).boxed();
    let ended = export.run(&sandbox.clients().tascha).await.expect("the file takes it");
    assert!(matches!(ended, Ended::Stopped));
    fs::remove_file(&export.beside).and_then(|()| fs::remove_file(&path)).expect("they are there");
}

/// Whatever files a kill leaves, the next run completes the export.
#[tokio::test]
async fn an_export_killed_at_any_moment_can_be_resumed() {
    let sandbox = sandbox().await;
    let client = sandbox.clients().tascha;
    let nothing = serde_json::to_vec(&At::default()).expect("JSON");
    let half = At { bytes: 4, ..At::default() };
    let half = serde_json::to_vec(&half).expect("JSON");
    // The output, the checkpoint, and the checkpoint by its other name.
    type Content<'a> = Option<&'a [u8]>;
    let left: [(&str, Content<'_>, Content<'_>, Content<'_>); 7] = [
        ("nothing", None, None, None),
        ("half a checkpoint", None, None, Some(&nothing[..9])),
        ("a checkpoint", None, Some(&nothing), None),
        ("an empty output", Some(b""), Some(&nothing), None),
        ("what an earlier version left", Some(b""), None, None),
        ("a line that is not saved", Some(b"{\"kin"), Some(&nothing), Some(&half)),
        ("a line that is", Some(b"{}\n\n{\"kind"), Some(&half), None),
    ];
    for (what, output, checkpoint, new) in left {
        let path = path(&what.replace(' ', "-"));
        let beside = PathBuf::from(format!("{}.checkpoint", path.display()));
        for (file, content) in [(&path, output), (&beside, checkpoint), (&beside.with_extension("new"), new)]
        {
            content.map_or(Ok(()), |content| fs::write(file, content)).expect("a file");
        }
        let mut export = Export::open(&path).unwrap_or_else(|error| panic!("{what}: {error}"));
        let ended = export.run(&client).await.expect("the file takes it");
        assert!(matches!(ended, Ended::Complete), "{what}");
        export.save().expect("the file takes it");
        let lines = fs::read_to_string(&path).expect("an output");
        let lines: Vec<&str> = lines.lines().filter(|line| line.contains("kind")).collect();
        assert_eq!((lines.len(), lines.iter().collect::<HashSet<_>>().len()), (903, 903), "{what}");
        fs::remove_file(&beside).expect("it is there");
        let error = Export::open(&path).err().expect("it is complete");
        assert!(error.to_string().contains("is complete"), "{error}");
        fs::remove_file(&path).expect("it is there");
    }
}

#[tokio::test]
async fn a_truncated_output_is_not_changed() {
    let path = path("lost");
    let beside = PathBuf::from(format!("{}.checkpoint", path.display()));
    let kept = serde_json::to_vec(&At { bytes: 7, ..At::default() }).expect("JSON");
    fs::write(&beside, kept).expect("a file");
    for output in [None, Some("{}\n")] {
        output.map_or(Ok(()), |output| fs::write(&path, output)).expect("a file");
        let error = Export::open(&path).err().expect("it is too short");
        assert!(error.to_string().contains("is shorter than"), "{error}");
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), output);
    }
    fs::remove_file(&beside).and_then(|()| fs::remove_file(&path)).expect("they are there");
}

/// The checkpoint is written first: if the output cannot be created, there is one.
#[cfg(unix)]
#[tokio::test]
async fn the_checkpoint_is_written_before_the_output() {
    let path = path("first");
    let nowhere = env::temp_dir().join(format!("kaiwa-{}-no-folder", std::process::id())).join("output");
    std::os::unix::fs::symlink(nowhere, &path).expect("a link");
    Export::open(&path).err().expect("nothing can be made there");
    let beside = PathBuf::from(format!("{}.checkpoint", path.display()));
    assert!(beside.exists());
    fs::remove_file(&beside).and_then(|()| fs::remove_file(&path)).expect("they are there");
}
