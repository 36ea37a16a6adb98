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

/// Lines of a recording by hand: the operation, the parameters of its path, and the body.
fn by_hand(service: &str, answers: &[(&str, Value, Value)]) -> String {
    let first = json!({ "recording": 1, "service": service, "kaiwa": "0", "answered_by": "the sandbox", "given": {} });
    let lines = answers.iter().map(|(operation, parameters, body)| {
        let path = format!("\"operation\":\"{operation}\",\"path\"");
        raw(service, "/", parameters, 200, body).replacen("\"path\"", &path, 1)
    });
    format!("{first}\n{}", lines.collect::<String>())
}

#[tokio::test]
async fn what_is_made_up_replaces_nothing_of_a_recording_with_low_ids() {
    let room = json!({ "room_id": "1" });
    let chatwork = by_hand(
        "chatwork",
        &[
            (
                "list_rooms",
                json!({}),
                json!([{ "room_id": 1, "type": "group", "task_num": 3, "file_num": 2 }]),
            ),
            ("list_tasks", room.clone(), json!([{ "task_id": 1, "status": "open" }, { "task_id": 3 }])),
            ("get_file", room, json!({ "file_id": 2, "filename": "a" })),
        ],
    );
    let board = json!({ "board_id": "1" });
    let users = json!([{ "name": "me" }, { "name": "other" }]);
    let message = json!({ "id": 1, "board_id": 1, "description": "a", "send_user": { "name": "other" } });
    let boards = json!([{ "id": 1, "users": users, "unread_count": 3 }]);
    let lancers =
        by_hand("lancers", &[("list_boards", json!({}), boards), ("list_messages", board, json!([message]))]);
    let sandbox = seeded(&(chatwork + &lancers)).await;
    let room = sandbox.clients().chatwork.room(RoomId(1));
    let found = room.get().await.expect("the room");
    assert_eq!((found.task_num, found.file_num), (3, 2));
    assert_eq!(room.tasks().await.expect("tasks").len(), 2, "the open one, and one without a status");
    let board = &sandbox.lancers().boards()[0];
    let messages = sandbox.clients().lancers.board(board.id).messages().limit(20).await.expect("messages");
    let mut ids: Vec<u64> = messages.iter().map(|message| message.id.0).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3]);
}

#[tokio::test]
async fn hundreds_of_rooms_are_made_up_in_part() {
    let room = |id| json!({ "room_id": id, "type": "group", "message_num": 9999, "task_num": 9999, "file_num": 9999 });
    let rooms: Vec<Value> = (1_000_001..1_001_001).map(room).collect();
    let sandbox = seeded(&by_hand("chatwork", &[("list_rooms", json!({}), rooms.into())])).await;
    let rooms = sandbox.clients().chatwork.rooms().await.expect("rooms");
    let counts = rooms.iter().filter(|room| room.room_id.0 > 1_000_000 && room.room_id.0 <= 1_001_000);
    let counts: Vec<_> = counts.map(|room| (room.message_num, room.task_num, room.file_num)).collect();
    assert_eq!(counts, [(100, 100, 100); 1000]);
}

#[tokio::test]
async fn a_room_that_no_list_has_is_there_too() {
    let messages = json!({ "data": [{ "id": "m", "body": "a" }], "nextCursor": null });
    let list = json!({ "data": [{ "id": "other" }], "nextCursor": null });
    let recording = by_hand(
        "tascha",
        &[("list_messages", json!({ "roomId": "direct" }), messages), ("list_rooms", json!({}), list)],
    );
    let sandbox = seeded(&recording).await;
    let tascha = sandbox.clients().tascha;
    let listed = tascha.rooms().await.expect("rooms");
    assert_eq!(listed.data.iter().map(|room| room.id.as_str()).collect::<Vec<_>>(), ["other"]);
    assert_eq!(tascha.room("direct").messages().await.expect("the room").data.len(), 1);
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
