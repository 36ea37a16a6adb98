//! TAS-CHA's 16 operations.

use crate::common::{self, TASCHA_KEY};
use crate::support::{self, Body, Case, Sent, case, header};
use kaiwa::tascha::{MessageId, TaskStatus, table};
use std::collections::BTreeSet;

const KEYED: [&str; 5] = ["create_message", "create_record", "create_task", "update_record", "update_task"];

fn cases(base: &str) -> Vec<Case> {
    let client = common::tascha(base).build().expect("a client");
    let room = client.room("ckroom01");
    let task = room.task("cktask02");
    let record = room.record("ckrec03");
    let webhook = room.webhook("ckhook04");
    let due = "2027-04-01T09:30:00.5+09:00".parse().expect("a time");
    vec![
        case("get_me", client.me(), "GET /me", Body::None),
        case("list_organizations", client.organizations(), "GET /organizations", Body::None),
        case(
            "list_organizations",
            client.organizations().limit(1).cursor("YWJj_-0="),
            "GET /organizations?cursor=YWJj_-0%3D&limit=1",
            Body::None,
        ),
        case("list_rooms", client.rooms(), "GET /rooms", Body::None),
        case(
            "list_rooms",
            client.rooms().limit(200).cursor("a+b/c d"),
            "GET /rooms?cursor=a%2Bb%2Fc+d&limit=200",
            Body::None,
        ),
        case("list_members", room.members(), "GET /rooms/ckroom01/members", Body::None),
        case(
            "list_members",
            room.members().limit(50).cursor("bmV4dA"),
            "GET /rooms/ckroom01/members?cursor=bmV4dA&limit=50",
            Body::None,
        ),
        case(
            "create_message",
            room.post("決裁しました 👍 \"done\" \\ \n& + %"),
            "POST /rooms/ckroom01/messages",
            Body::Json(r#"{"body":"決裁しました 👍 \"done\" \\ \n& + %"}"#),
        ),
        case(
            "create_message",
            room.post("re").reply_to_message_id(MessageId::from("ckmsg05")),
            "POST /rooms/ckroom01/messages",
            Body::Json(r#"{"body":"re","replyToMessageId":"ckmsg05"}"#),
        ),
        case("list_messages", room.messages(), "GET /rooms/ckroom01/messages", Body::None),
        case(
            "list_messages",
            room.messages().limit(2).cursor("x"),
            "GET /rooms/ckroom01/messages?cursor=x&limit=2",
            Body::None,
        ),
        case(
            "create_task",
            room.create_task("見直し"),
            "POST /rooms/ckroom01/tasks",
            Body::Json(r#"{"title":"見直し"}"#),
        ),
        case(
            "create_task",
            room.create_task("Review").description("第2版").board_id("ckboard06").due_date(due),
            "POST /rooms/ckroom01/tasks",
            Body::Json(
                r#"{"boardId":"ckboard06","description":"第2版","dueDate":"2027-04-01T00:30:00.5Z","title":"Review"}"#,
            ),
        ),
        case("list_tasks", room.tasks(), "GET /rooms/ckroom01/tasks", Body::None),
        case(
            "list_tasks",
            room.tasks().limit(3).cursor("y"),
            "GET /rooms/ckroom01/tasks?cursor=y&limit=3",
            Body::None,
        ),
        // The due date: unchanged, set, cleared.
        case(
            "update_task",
            task.update().title("T").description("").status(TaskStatus::InProgress).version(7),
            "PATCH /rooms/ckroom01/tasks/cktask02",
            Body::Json(r#"{"description":"","status":"IN_PROGRESS","title":"T","version":7}"#),
        ),
        case(
            "update_task",
            task.update().due_date(due),
            "PATCH /rooms/ckroom01/tasks/cktask02",
            Body::Json(r#"{"dueDate":"2027-04-01T00:30:00.5Z"}"#),
        ),
        case(
            "update_task",
            task.update().clear_due_date(),
            "PATCH /rooms/ckroom01/tasks/cktask02",
            Body::Json(r#"{"dueDate":null}"#),
        ),
        // The last call counts.
        case(
            "update_task",
            task.update().clear_due_date().due_date(due),
            "PATCH /rooms/ckroom01/tasks/cktask02",
            Body::Json(r#"{"dueDate":"2027-04-01T00:30:00.5Z"}"#),
        ),
        case(
            "update_task",
            task.update().status(TaskStatus::Other("ON_HOLD".into())),
            "PATCH /rooms/ckroom01/tasks/cktask02",
            Body::Json(r#"{"status":"ON_HOLD"}"#),
        ),
        case(
            "create_record",
            room.create_record("議事録"),
            "POST /rooms/ckroom01/records",
            Body::Json(r#"{"title":"議事録"}"#),
        ),
        case(
            "create_record",
            room.create_record("Minutes").content("# 1\n本文"),
            "POST /rooms/ckroom01/records",
            Body::Json(r##"{"content":"# 1\n本文","title":"Minutes"}"##),
        ),
        case("list_records", room.records(), "GET /rooms/ckroom01/records", Body::None),
        case(
            "list_records",
            room.records().limit(4).cursor("z"),
            "GET /rooms/ckroom01/records?cursor=z&limit=4",
            Body::None,
        ),
        case(
            "update_record",
            record.update().title("Minutes 2").content(""),
            "PATCH /rooms/ckroom01/records/ckrec03",
            Body::Json(r#"{"content":"","title":"Minutes 2"}"#),
        ),
        case("list_files", room.files(), "GET /rooms/ckroom01/files", Body::None),
        case(
            "list_files",
            room.files().limit(5).cursor("日本"),
            "GET /rooms/ckroom01/files?cursor=%E6%97%A5%E6%9C%AC&limit=5",
            Body::None,
        ),
        case(
            "list_webhook_deliveries",
            webhook.deliveries(),
            "GET /rooms/ckroom01/webhooks/ckhook04/deliveries",
            Body::None,
        ),
        case(
            "list_webhook_deliveries",
            webhook.deliveries().limit(6).cursor("w"),
            "GET /rooms/ckroom01/webhooks/ckhook04/deliveries?cursor=w&limit=6",
            Body::None,
        ),
        case(
            "redeliver_webhook",
            webhook.redeliver("ckdel07"),
            "POST /rooms/ckroom01/webhooks/ckhook04/deliveries/ckdel07/redeliver",
            Body::None,
        ),
        case("list_events", client.events(), "GET /events", Body::None),
    ]
}

#[tokio::test]
async fn every_operation_becomes_the_documented_request() {
    let sent = support::send_all(cases).await;
    support::assert_complete(&sent, table::ALL, include_str!("../../specs/tascha.yaml"), 16);
    support::assert_header(&sent, "authorization", &format!("Bearer {TASCHA_KEY}"));
    support::assert_accept(&sent, &[]);
    support::assert_no_header(&sent, "x-api-key");

    let keyed = support::operations_with(&sent, "idempotency-key");
    assert_eq!(keyed, BTreeSet::from(KEYED), "operations that carry an idempotency key");
    let keys: Vec<_> = values(&sent, "idempotency-key");
    assert!(keys.iter().all(|key| key.starts_with("kaiwa-") && key.len() == 42), "{keys:?}");
    let ids: Vec<_> = values(&sent, "x-request-id");
    assert_eq!(ids.len(), sent.len(), "every request has a request id");
    assert!(ids.iter().all(|id| id.starts_with("req_") && id.len() == 40), "{ids:?}");
    for all in [keys, ids] {
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "no value is used twice: {all:?}");
    }
}

fn values<'a>(sent: &'a [Sent], name: &str) -> Vec<&'a str> {
    sent.iter().flat_map(|sent| header(&sent.request, name)).collect()
}

/// An id is one segment. Characters that a path allows are not encoded; characters that no id has are refused, which
/// another test checks.
#[tokio::test]
async fn unusual_ids_stay_one_segment() {
    fn cases(base: &str) -> Vec<Case> {
        let client = common::tascha(base).build().expect("a client");
        vec![
            case("list_tasks", client.room("a b").tasks(), "GET /rooms/a%20b/tasks", Body::None),
            case("list_tasks", client.room("日").tasks(), "GET /rooms/%E6%97%A5/tasks", Body::None),
            case("list_tasks", client.room("a.b~c").tasks(), "GET /rooms/a.b~c/tasks", Body::None),
            case("list_tasks", client.room("...").tasks(), "GET /rooms/.../tasks", Body::None),
            case("list_tasks", client.room("a;b=c&d").tasks(), "GET /rooms/a;b=c&d/tasks", Body::None),
        ]
    }
    support::send_all(cases).await;
}
