use super::*;
use kaiwa::sandbox::tascha::{Key, User};
use std::future::ready;

/// Three rooms of two pages each.
async fn sandbox() -> Sandbox {
    let room = |number| RoomSeed::new(format!("room{number}"), "").members([Seed::USER]).messages(300);
    let seed = Seed::new().user(User::new(Seed::USER, "Alice")).key(Key::user(Seed::TOKEN, Seed::USER));
    let seed = (1..=3).map(room).fold(seed.unlimited(), Seed::room);
    Sandbox::builder().tascha(seed).start().await.expect("a sandbox")
}

/// The beginning of an export into a file that is not there yet.
fn export(name: &str) -> (Export, PathBuf) {
    let path = env::temp_dir().join(format!("kaiwa-{}-{name}.jsonl", std::process::id()));
    let export = Export::open(&path).expect("a new file");
    (export, path)
}

#[tokio::test]
async fn a_room_that_is_gone_is_skipped() {
    let sandbox = sandbox().await;
    sandbox.faults().script(Service::Tascha, Script::on("list_messages").pass(1).then(Fault::status(404)));
    let (mut export, path) = export("gone");
    let ended = export.run(&sandbox.client().tascha).await.expect("the file takes it");
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
    sandbox.faults().script(Service::Tascha, Script::on("list_rooms").then(Fault::silence()).forever());
    let (mut export, path) = export("stopped");
    export.ctrl_c = ready(Ok(())).boxed();
    let ended = export.run(&sandbox.client().tascha).await.expect("the file takes it");
    assert!(matches!(ended, Ended::Stopped));
    fs::remove_file(&export.beside).and_then(|()| fs::remove_file(&path)).expect("they are there");
}
