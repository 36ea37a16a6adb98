//! TAS-CHA's answers.

use crate::common::{self, json_server};
use crate::fixtures::{assert_survives_rewriting, fixture};
use futures::TryStreamExt;
use jiff::Timestamp;
use kaiwa::tascha::{BillingContext, Client, OrganizationId, RoomHandle, RoomId, TaskStatus, UserId};
use kaiwa::{Endpoint, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Decodes the operation's fixture with the client.
async fn decoded<E: Endpoint>(name: &str, call: impl FnOnce(&Client) -> Request<E>) -> E::Output
where
    E::Output: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let server = json_server(&fixture("tascha", name)).await;
    let request = call(&common::tascha(&server.uri()).build().expect("a client"));
    assert!(name.starts_with(request.endpoint().operation().id), "{name} belongs to another operation");
    let value = request.await.unwrap_or_else(|error| panic!("{name}: {error}")).into_inner();
    assert_survives_rewriting(&value);
    value
}

fn room(client: &Client) -> RoomHandle {
    client.room("ckroomA")
}

fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse().expect("a time"))
}

#[tokio::test]
async fn get_me() {
    let me = decoded("get_me", |client| client.me()).await;
    assert_eq!((me.id, me.name.as_str(), me.locale.as_str()), (UserId::from("ckuser77a"), "芽衣", "ja"));
    assert_eq!((me.email.as_str(), me.organization_id), ("mei@team.example", None));
    assert_eq!(me.billing_context, Some(BillingContext::Individual));
    assert_eq!(me.created_at, time("2026-03-02T04:05:06.789Z"));
}

#[tokio::test]
async fn get_me_with_few_fields() {
    let me = decoded("get_me_sparse", |client| client.me()).await;
    assert_eq!((me.id.as_str(), me.email.as_str(), me.name.as_str()), ("4711", "", ""));
    assert_eq!((me.organization_id, me.created_at), (None, None));
    assert_eq!(me.billing_context.as_ref().map(BillingContext::as_str), Some("enterprise"));
    assert_eq!(serde_json::to_value(&me.billing_context).expect("JSON"), "enterprise");
}

#[tokio::test]
async fn list_organizations() {
    let page = decoded("list_organizations", |client| client.organizations()).await;
    let [active, inactive, sparse] = &page.data[..] else { panic!("three: {page:?}") };
    assert_eq!((active.name.as_str(), active.description.as_deref()), ("南雲", Some("本社")));
    assert!(active.is_active && !inactive.is_active && !sparse.is_active);
    assert_eq!(inactive.created_at, time("2026-02-01T00:00:00Z"), "an offset is as good as Z");
    assert_eq!((inactive.description.as_deref(), sparse.created_at), (None, None));
    assert_eq!(page.next_cursor.as_deref(), Some("b3JnMw"));
}

#[tokio::test]
async fn list_rooms() {
    let page = decoded("list_rooms", |client| client.rooms()).await;
    let [full, sparse] = &page.data[..] else { panic!("two: {page:?}") };
    assert_eq!((&full.id, full.name.as_str()), (&RoomId::from("ckroomA"), "全体 📣"));
    assert_eq!((full.room_type, &full.organization_id), (Some(2), &Some(OrganizationId::from("ckorg1"))));
    assert_eq!(full.updated_at, time("2026-05-02T03:04:05.600Z"));
    assert_eq!((sparse.name.as_str(), sparse.room_type, sparse.created_at), ("", None, None));
    assert_eq!((&sparse.organization_id, page.next_cursor.as_deref()), (&None, None));
}

#[tokio::test]
async fn list_members() {
    let page = decoded("list_members", |client| room(client).members()).await;
    let [full, sparse] = &page.data[..] else { panic!("two: {page:?}") };
    assert_eq!((&full.user_id, full.role), (&Some(UserId::from("ckuser77a")), Some(1)));
    assert_eq!((full.display_name.as_str(), full.joined_at), ("芽衣", time("2026-04-01T00:00:01Z")));
    assert_eq!((&sparse.user_id, sparse.role, sparse.display_name.as_str()), (&None, None, ""));
    assert_eq!(page.next_cursor, None, "absent");
}

#[tokio::test]
async fn messages() {
    let page = decoded("list_messages", |client| room(client).messages()).await;
    let [full, sparse] = &page.data[..] else { panic!("two: {page:?}") };
    assert_eq!((full.id.as_str(), full.body.as_str()), ("ckmsg1", "承知\n👍"));
    assert_eq!(
        (&full.author_id, full.created_at),
        (&Some(UserId::from("ckuser77a")), time("2026-05-03T01:00:00Z"))
    );
    assert_eq!((sparse.body.as_str(), &sparse.author_id, &sparse.room_id), ("", &None, &None));
    let posted = decoded("create_message", |client| room(client).post("x")).await;
    assert_eq!((posted.id.as_str(), posted.body.as_str()), ("ckmsg3", "決裁しました"));
}

#[tokio::test]
async fn tasks() {
    let made = decoded("create_task", |client| room(client).create_task("x")).await;
    assert_eq!((made.id.as_str(), made.title.as_str(), made.version), ("cktask1", "見直し", Some(1)));
    assert_eq!((made.status, made.due_date), (Some(TaskStatus::NotStarted), time("2026-06-30T15:00:00Z")));
    let changed = decoded("update_task", |client| room(client).task("cktask1").update().title("x")).await;
    assert_eq!((changed.status, changed.due_date), (Some(TaskStatus::Completed), None));
    assert_eq!((changed.description.as_deref(), changed.version), (Some(""), Some(9007199254740995)));

    let page = decoded("list_tasks", |client| room(client).tasks()).await;
    let [known, odd, none] = &page.data[..] else { panic!("three: {page:?}") };
    assert_eq!(
        (&known.status, known.version),
        (&Some(TaskStatus::InProgress), None),
        "lists have no version"
    );
    assert_eq!((known.description.as_deref(), known.due_date), (None, None));
    assert_eq!((&odd.status, odd.title.as_str()), (&Some(TaskStatus::Other("ON_HOLD".into())), ""));
    assert_eq!(serde_json::to_value(odd).expect("JSON")["status"], "ON_HOLD");
    assert_eq!(none.status, None);
}

#[tokio::test]
async fn records() {
    let made = decoded("create_record", |client| room(client).create_record("x")).await;
    assert_eq!((made.id.as_str(), made.title.as_str(), made.status.as_str()), ("ckrec1", "議事録", "draft"));
    let changed = decoded("update_record", |client| room(client).record("ckrec1").update().title("x")).await;
    assert_eq!((changed.title.as_str(), changed.status.as_str()), ("議事録 2", "published"));
    assert_eq!(changed.updated_at, time("2026-05-09T00:00:00Z"));
    let page = decoded("list_records", |client| room(client).records()).await;
    let [full, sparse] = &page.data[..] else { panic!("two: {page:?}") };
    assert_eq!((full.status.as_str(), &full.created_by_id), ("locked", &Some(UserId::from("ckuser77a"))));
    assert_eq!((sparse.title.as_str(), sparse.status.as_str()), ("", ""));
}

#[tokio::test]
async fn list_files() {
    let page = decoded("list_files", |client| room(client).files()).await;
    let [full, sparse] = &page.data[..] else { panic!("two: {page:?}") };
    assert_eq!((full.file_name.as_str(), full.mime_type.as_str()), ("図 1.png", "image/png"));
    assert_eq!((full.size, full.source.as_str()), (Some(34_567_890_123), "message"));
    assert_eq!(full.message_id.as_ref().map(|id| id.as_str()), Some("ckmsg1"));
    assert_eq!((&full.task_id, sparse.size, sparse.source.as_str()), (&None, None, ""));
}

#[tokio::test]
async fn webhooks() {
    let list = |client: &Client| room(client).webhook("ckhook1").deliveries();
    let page = decoded("list_webhook_deliveries", list).await;
    let [good, bad, sparse] = &page.data[..] else { panic!("three: {page:?}") };
    assert_eq!((good.event.as_str(), good.success, good.status_code), ("message.created", true, Some(204)));
    assert_eq!((good.attempt, good.duration_ms, good.error.as_deref()), (Some(1), Some(83), None));
    assert_eq!(good.finalized_at, time("2026-05-10T00:00:01.083Z"));
    assert_eq!((bad.success, bad.status_code), (false, None));
    assert_eq!(
        (bad.error.as_deref(), bad.next_retry_at),
        (Some("connection refused"), time("2026-05-10T00:05:00Z"))
    );
    assert_eq!((sparse.id.as_str(), sparse.success, sparse.event.as_str()), ("cklog3", false, ""));
    assert_eq!(sparse.delivery_id, None);

    let again = |client: &Client| room(client).webhook("ckhook1").redeliver("ckdel1");
    let delivery = decoded("redeliver_webhook", again).await.delivery;
    assert_eq!((delivery.id.as_str(), delivery.success), ("cklog4", true));
    assert_eq!(delivery.delivery_id.as_ref().map(|id| id.as_str()), Some("ckdel9"));
    assert_eq!(delivery.event_id.as_ref().map(|id| id.as_str()), Some("ckevent1"));
}

#[tokio::test]
async fn list_events() {
    let events = decoded("list_events", |client| client.events()).await.data;
    let [stable, preview, sparse] = &events[..] else { panic!("three: {events:?}") };
    assert_eq!((stable.type_.as_str(), stable.stable), ("message.created", true));
    assert_eq!((stable.description.as_deref(), preview.description.as_deref()), (Some("新しい発言"), None));
    assert_eq!((preview.stable, sparse.type_.as_str(), sparse.stable), (false, "", false));
}

/// Any 2XX is a success: the reference has lost its status codes.
#[tokio::test]
async fn every_success_counts() {
    for status in [200, 201, 202] {
        let server = common::server(common::json(status, r#"{"id":"ckmsg1"}"#)).await;
        let client = common::tascha(&server.uri()).build().expect("a client");
        let posted = room(&client).post("x").await.expect("a message");
        assert_eq!((posted.status().as_u16(), posted.id.as_str()), (status, "ckmsg1"));
    }
}

/// It is not published how the last page is marked: null, an absent field and the empty text all end the list.
#[tokio::test]
async fn the_last_page_has_no_cursor() {
    for end in [r#","nextCursor":null"#, "", r#","nextCursor":"""#] {
        let server = json_server(&format!(r#"{{"data":[{{"id":"a"}},{{"id":"b"}}]{end}}}"#)).await;
        let client = common::tascha(&server.uri()).build().expect("a client");
        let rooms: Vec<_> = client.rooms().stream().try_collect().await.expect("one page");
        assert_eq!(rooms.iter().map(|room| room.id.as_str()).collect::<Vec<_>>(), ["a", "b"], "{end}");
        assert_eq!(common::received(&server).await.len(), 1, "{end}");
    }
}
