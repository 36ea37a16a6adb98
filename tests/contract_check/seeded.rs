//! That a sandbox can be made from a recording.

use super::clients;
use super::contract_check::Recording;
use super::recording::{answers, hook, planted, raw, record};
use kaiwa::chatwork::RoomId;
use kaiwa::sandbox::{Sandbox, chatwork, lancers, tascha};
use serde_json::{Value, json};

/// The answers without times and headers, and without the search: the words that it looks for are not there any more.
fn comparable(recording: &str) -> Vec<Value> {
    fn without_times(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| !["headers", "createdAt", "status"].contains(&name.as_str()));
                fields.values_mut().for_each(without_times);
            }
            Value::Array(items) => items.iter_mut().for_each(without_times),
            _ => {}
        }
    }
    let mut answers = answers(recording);
    answers.retain(|answer| answer["operation"] != "search_boards");
    answers.iter_mut().for_each(without_times);
    answers
}

pub(super) async fn seeded(recording: &str) -> Sandbox {
    let builder = Sandbox::builder()
        .chatwork(chatwork::Seed::from_recording(recording).expect("a recording"))
        .tascha(tascha::Seed::from_recording(recording).expect("a recording"))
        .lancers(lancers::Seed::from_recording(recording).expect("a recording"));
    builder.start().await.expect("ports")
}

#[tokio::test]
async fn a_sandbox_with_its_own_recording_answers_the_same() {
    let plain = Sandbox::start().await.expect("ports");
    for (sandbox, webhook) in [(planted().await, "hunter-hook"), (plain, tascha::Seed::WEBHOOK)] {
        let mut recordings = Vec::new();
        for client in clients(&sandbox) {
            recordings.push(record(&client, &hook(webhook)).await.1);
        }
        let again = seeded(&recordings.concat()).await;
        for (client, recording) in clients(&again).into_iter().zip(&recordings) {
            let given = Recording::all(recording).expect("a recording").pop().expect("a service").given;
            let (report, recorded) = record(&client, &given).await;
            assert!(!report.differs(), "{report}");
            assert_eq!(comparable(&recorded), comparable(recording), "{}", client.service());
        }
    }
}

#[tokio::test]
async fn a_sandbox_with_a_part_of_a_recording_starts_and_works() {
    let first =
        r#"{"recording":1,"service":"chatwork","kaiwa":"0.1.0","answered_by":"the sandbox","given":{}}"#;
    let rooms = json!([
        { "room_id": 7, "type": "group", "role": "member", "message_num": 30, "unread_num": 2, "mention_num": 1,
          "task_num": 4, "file_num": 3, "surprise": {} },
        { "room_id": "8" }, { "name": 5 }, 5,
    ]);
    let recording = format!("{first}\n{}", raw("chatwork", "/rooms", &json!({}), 200, &rooms));
    let recording = recording.replace("\"path\"", "\"operation\":\"list_rooms\",\"path\"");
    let sandbox = seeded(&recording).await;
    let clients = sandbox.clients();
    let rooms = clients.chatwork.rooms().await.expect("rooms");
    let room = rooms.iter().find(|room| room.room_id.0 == 7).expect("the room");
    let counts = (room.message_num, room.unread_num, room.mention_num, room.task_num, room.file_num);
    assert_eq!(counts, (30, 2, 1, 4, 3));
    let room = clients.chatwork.room(RoomId(7));
    assert_eq!(room.messages().force(true).await.expect("messages").len(), 30);
    room.post("hello").await.expect("the caller is a member");
    // The other services are as usual.
    assert_eq!(clients.tascha.me().await.expect("the default").id.to_string(), tascha::Seed::USER);
    assert_eq!(sandbox.lancers().boards().len(), 2);
}

#[test]
fn a_recording_that_an_editor_on_windows_has_saved_is_read() {
    let first =
        r#"{"recording":1,"service":"chatwork","kaiwa":"0.1.0","answered_by":"the sandbox","given":{}}"#;
    let text = format!("\u{feff}{first}\r\n\r\n");
    assert!(chatwork::Seed::from_recording(&text).is_ok());
}

#[test]
fn a_line_that_is_not_of_a_recording_is_named() {
    let first =
        r#"{"recording":1,"service":"chatwork","kaiwa":"0.1.0","answered_by":"the sandbox","given":{}}"#;
    for (text, expected) in [
        ("hunter", "line 1 of the recording has no start of a recording before it: make one with "),
        (
            &*format!("{first}\n\nhunter"),
            "line 3 of the recording is not an answer in JSON: record again, or ",
        ),
        (&*format!("{first}\n[]"), "line 2 of the recording is not an answer in JSON"),
        (r#"{"service":"chatwork","status":200}"#, "line 1 of the recording has no start"),
        (
            r#"{"recording":2,"service":"chatwork"}"#,
            "line 1 of the recording starts a recording of another version",
        ),
    ] {
        let error = chatwork::Seed::from_recording(text).expect_err("it is not a recording");
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter"));
        assert_eq!(tascha::Seed::from_recording(text).expect_err("it is not one"), error);
        assert_eq!(lancers::Seed::from_recording(text).expect_err("it is not one").line(), error.line());
    }
}
