//! Chatwork's answers.

use crate::common::{self, json_server};
use crate::fixtures::{assert_survives_rewriting, fixture};
use jiff::Timestamp;
use kaiwa::chatwork::{
    AccountId, Client, FileId, LimitType, MessageId, OrganizationId, RequestId, Role, RoomAction, RoomHandle,
    RoomId, RoomType, TaskId, TaskStatus,
};
use kaiwa::{Endpoint, Request, Upload};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Decodes the operation's fixture with the client.
async fn decoded<E: Endpoint>(name: &str, call: impl FnOnce(&Client) -> Request<E>) -> E::Output
where
    E::Output: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let server = json_server(&fixture("chatwork", name)).await;
    let request = call(&common::chatwork(&server.uri()).build().expect("a client"));
    assert!(name.starts_with(request.endpoint().operation().id), "{name} belongs to another operation");
    let value = request.await.unwrap_or_else(|error| panic!("{name}: {error}")).into_inner();
    assert_survives_rewriting(&value);
    value
}

fn room(client: &Client) -> RoomHandle {
    client.room(RoomId(812))
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

#[tokio::test]
async fn get_me() {
    let me = decoded("get_me", |client| client.me()).await;
    assert_eq!((me.account_id, me.room_id), (AccountId(2481632), RoomId(51210007)));
    assert_eq!((me.name.as_str(), me.title.as_str()), ("佐藤 花子", "班長"));
    assert_eq!(me.introduction, "甲斑犬🐕\r\nと散歩");
    assert_eq!((me.chatwork_id.as_str(), me.url.as_str(), me.tel_mobile.as_str()), ("", "", ""));
    assert_eq!(me.organization_id, Some(OrganizationId(90417)));
    assert_eq!(me.organization_name, "横浜製菓");
    assert_eq!((me.tel_organization.as_str(), me.tel_extension.as_str()), ("045-000-1111", "27"));
    assert_eq!(me.mail, "hanako@seika.example");
    assert_eq!(me.login_mail.as_deref(), Some("login@seika.example"));
    assert_eq!(me.avatar_image_url, "https://images.example/avatar/2481632.png");
}

/// Missing and null texts are empty, unknown fields are ignored, and numbers may be sent as digits.
#[tokio::test]
async fn get_me_with_few_fields() {
    let me = decoded("get_me_without_login_mail", |client| client.me()).await;
    assert_eq!((me.account_id, me.room_id), (AccountId(2481633), RoomId(51210008)));
    assert_eq!((me.name.as_str(), me.department.as_str(), me.mail.as_str()), ("", "", ""));
    assert_eq!((me.organization_id, me.login_mail), (None, None));
}

#[tokio::test]
async fn get_my_status() {
    let status = decoded("get_my_status", |client| client.my_status()).await;
    assert_eq!((status.unread_room_num, status.mention_room_num, status.mytask_room_num), (4, 2, 5));
    assert_eq!((status.unread_num, status.mention_num, status.mytask_num), (31, 3, 9));
}

#[tokio::test]
async fn list_my_tasks() {
    let tasks = decoded("list_my_tasks", |client| client.my_tasks()).await;
    let [dated, undated] = &tasks[..] else { panic!("two tasks: {tasks:?}") };
    assert_eq!((dated.task_id, dated.room.room_id), (TaskId(70011), RoomId(812)));
    assert_eq!((dated.room.name.as_str(), dated.assigned_by_account.name.as_str()), ("経理", "田中"));
    assert_eq!(dated.message_id, MessageId::from("1790000000000000001"));
    assert_eq!(dated.limit_time, Some(time(1806505199)));
    assert_eq!((&dated.status, &dated.limit_type), (&TaskStatus::Open, &Some(LimitType::Date)));
    assert_eq!((undated.limit_time, &undated.limit_type), (None, &None));
    assert_eq!((&undated.status, undated.body.as_str()), (&TaskStatus::Done, ""));
    assert_eq!((undated.room.name.as_str(), undated.room.icon_path.as_str()), ("", ""));
}

#[tokio::test]
async fn list_contacts() {
    let contacts = decoded("list_contacts", |client| client.contacts()).await;
    let [first, second] = &contacts[..] else { panic!("two contacts: {contacts:?}") };
    assert_eq!((first.account_id, first.room_id), (AccountId(3101), RoomId(61001)));
    assert_eq!((first.chatwork_id.as_str(), first.organization_id), ("itoken", Some(OrganizationId(0))));
    assert_eq!((second.name.as_str(), second.chatwork_id.as_str()), ("Mori Aya", ""));
    assert_eq!((second.organization_id, second.avatar_image_url.as_str()), (None, ""));
}

#[tokio::test]
async fn list_rooms() {
    let rooms = decoded("list_rooms", |client| client.rooms()).await;
    let [group, my, other, direct] = &rooms[..] else { panic!("four rooms: {rooms:?}") };
    assert_eq!((group.room_id, group.name.as_str()), (RoomId(1073741825), "新製品 🎉"));
    assert_eq!((&group.type_, &group.role, group.sticky), (&RoomType::Group, &Role::Admin, true));
    assert_eq!((group.unread_num, group.mention_num, group.mytask_num), (12, 2, 3));
    assert_eq!((group.message_num, group.file_num, group.task_num), (4501, 77, 29));
    assert_eq!(group.last_update_time, time(1792000000));
    assert_eq!((&my.type_, &my.role, my.sticky), (&RoomType::My, &Role::Member, false));
    assert_eq!((&direct.type_, &direct.role), (&RoomType::Direct, &Role::Readonly));

    // Unknown values are kept, and are sent unchanged.
    assert_eq!(other.type_, RoomType::Other("thread".into()));
    assert_eq!(other.role, Role::Other("guest".into()));
    assert_eq!((other.name.as_str(), other.sticky, other.unread_num, other.file_num), ("", false, 0, 0));
    let written = serde_json::to_value(other).expect("a room can be written");
    assert_eq!((&written["type"], &written["role"]), (&"thread".into(), &"guest".into()));
}

#[tokio::test]
async fn create_room() {
    let made = decoded("create_room", |client| client.create_room("x", [AccountId(1)])).await;
    assert_eq!(made.room_id, RoomId(9007199254740993), "above what a double holds");
}

#[tokio::test]
async fn get_room() {
    let room = decoded("get_room", |client| room(client).get()).await;
    assert_eq!((room.room_id, room.name.as_str()), (RoomId(61234), "広報"));
    assert_eq!(room.description, "[info]週一回[/info]\n火曜");
    assert_eq!((room.message_num, room.file_num, room.task_num), (310, 14, 6));
    assert_eq!(room.last_update_time, time(1793001234));
}

#[tokio::test]
async fn update_room() {
    let changed = decoded("update_room", |client| room(client).update().name("x")).await;
    assert_eq!(changed.room_id, RoomId(61234));
}

#[tokio::test]
async fn list_members() {
    let members = decoded("list_members", |client| room(client).members()).await;
    let [admin, guest] = &members[..] else { panic!("two members: {members:?}") };
    assert_eq!((admin.account_id, &admin.role), (AccountId(2481632), &Role::Admin));
    assert_eq!((admin.chatwork_id.as_str(), admin.department.as_str()), ("hanako-s", "広報部"));
    assert_eq!(guest.role, Role::Other("observer".into()));
    assert_eq!((guest.name.as_str(), guest.organization_name.as_str()), ("Guest", ""));
}

#[tokio::test]
async fn replace_members() {
    let call = |client: &Client| room(client).replace_members([AccountId(2481632)]);
    let full = decoded("replace_members", call).await;
    assert_eq!(full.admin, [AccountId(2481632)]);
    assert_eq!(full.member, [AccountId(3101), AccountId(3102)]);
    assert_eq!(full.readonly, []);
    let sparse = decoded("replace_members_without_lists", call).await;
    assert_eq!((sparse.admin, sparse.member, sparse.readonly), (vec![AccountId(2481632)], vec![], vec![]));
}

#[tokio::test]
async fn list_messages() {
    let messages = decoded("list_messages", |client| room(client).messages()).await;
    let [fresh, deleted, odd] = &messages[..] else { panic!("three messages: {messages:?}") };
    assert_eq!(fresh.message_id, MessageId::from(1_790_000_000_000_000_100));
    assert_eq!((fresh.account.account_id, fresh.account.name.as_str()), (AccountId(640), "田中"));
    assert_eq!(fresh.body, "[To:2481632] お疲れさま 🙏🏽\n𠮷野家", "surrogate pairs are put together");
    assert_eq!((fresh.send_time, fresh.update_time), (time(1791110000), None));
    assert_eq!(deleted.message_id.as_str(), "9223372036854775807");
    assert_eq!((deleted.body.as_str(), deleted.update_time), ("[deleted]", Some(time(1791110160))));
    // A number where text is documented, and text where numbers are documented.
    assert_eq!(odd.message_id.as_str(), "1790000000000000300");
    assert_eq!((odd.account.account_id, odd.account.name.as_str()), (AccountId(642), ""));
    assert_eq!((odd.send_time, odd.update_time), (time(1791110200), None));
    assert!(fresh.message_id < odd.message_id && odd.message_id < deleted.message_id, "numeric order");
}

#[tokio::test]
async fn post_message() {
    let sent = decoded("post_message", |client| room(client).post("x")).await;
    assert_eq!(sent.message_id, MessageId::from("1928374650000000019"));
}

#[tokio::test]
async fn mark_read_and_unread() {
    let read = decoded("mark_read", |client| room(client).mark_read()).await;
    assert_eq!((read.unread_num, read.mention_num), (17, 2));
    let unread = decoded("mark_unread", |client| room(client).mark_unread("1")).await;
    assert_eq!((unread.unread_num, unread.mention_num), (18, 3));
}

#[tokio::test]
async fn get_message() {
    let message = decoded("get_message", |client| room(client).message("1").get()).await;
    assert_eq!(message.body, "了解です :)");
    assert_eq!((message.send_time, message.update_time), (time(1791110000), Some(time(1791110042))));
}

#[tokio::test]
async fn update_and_delete_message() {
    let updated = decoded("update_message", |client| room(client).message("1").update("x")).await;
    assert_eq!(updated.message_id.as_str(), "1790000000000000101");
    let deleted = decoded("delete_message", |client| room(client).message("1").delete()).await;
    assert_eq!(deleted.message_id.as_str(), "1790000000000000102");
}

#[tokio::test]
async fn list_tasks() {
    let tasks = decoded("list_tasks", |client| room(client).tasks()).await;
    let [timed, odd, old] = &tasks[..] else { panic!("three tasks: {tasks:?}") };
    assert_eq!((timed.task_id, timed.account.account_id), (TaskId(70021), AccountId(2481632)));
    assert_eq!((timed.limit_time, &timed.limit_type), (Some(time(1806470000)), &Some(LimitType::Time)));
    assert_eq!(odd.status, TaskStatus::Other("snoozed".into()));
    assert_eq!((odd.limit_time, &odd.limit_type), (None, &Some(LimitType::Other("week".into()))));
    let written = serde_json::to_value(odd).expect("a task can be written");
    assert_eq!((&written["status"], &written["limit_type"]), (&"snoozed".into(), &"week".into()));
    assert_eq!((old.limit_time, &old.limit_type), (Some(time(1806470001)), &None));
}

#[tokio::test]
async fn create_tasks() {
    let made = decoded("create_tasks", |client| room(client).create_tasks("x", [AccountId(1)])).await;
    assert_eq!(made.task_ids, [TaskId(70031), TaskId(70032), TaskId(70033)]);
}

#[tokio::test]
async fn get_task() {
    let task = decoded("get_task", |client| room(client).task(TaskId(70022)).get()).await;
    assert_eq!((task.body.as_str(), task.limit_time), ("期限なし", None));
    assert_eq!((task.status, task.limit_type), (TaskStatus::Open, Some(LimitType::None)));
}

/// The sources disagree on whether the id is a number or text.
#[tokio::test]
async fn set_task_status() {
    for name in ["set_task_status", "set_task_status_text"] {
        let call = |client: &Client| room(client).task(TaskId(70021)).set_status(TaskStatus::Done);
        assert_eq!(decoded(name, call).await.task_id, TaskId(70021), "{name}");
    }
}

#[tokio::test]
async fn list_files() {
    let files = decoded("list_files", |client| room(client).files()).await;
    let [first, second] = &files[..] else { panic!("two files: {files:?}") };
    assert_eq!((first.file_id, first.filename.as_str()), (FileId(88001), "見積書 (最終).pdf"));
    assert_eq!((first.filesize, first.upload_time), (5_242_880, time(1791220000)));
    assert_eq!((first.download_url.as_ref(), second.filesize), (None, 0));
    assert_eq!(second.filename, "../etc/hosts", "a name is returned unchanged");
}

#[tokio::test]
async fn upload_file() {
    let file = || Upload::bytes("a.txt", "A");
    let uploaded = decoded("upload_file", |client| room(client).upload(file())).await;
    assert_eq!(uploaded.file_id, FileId(88003));
}

#[tokio::test]
async fn get_file() {
    let get = |client: &Client| room(client).file(FileId(88001)).get();
    let file = decoded("get_file", get).await;
    assert_eq!(
        file.download_url.as_ref().map(kaiwa::Secret::expose),
        Some("https://download.example/88001?expires=30&sig=a%2Fb")
    );
    assert_eq!(file.message_id.as_str(), "1790000000000000200");
    let file = decoded("get_file_without_download_url", get).await;
    assert_eq!((file.filesize, file.download_url), (40960, None));
}

#[tokio::test]
async fn links() {
    let link = decoded("get_link", |client| room(client).link()).await;
    assert_eq!((link.public, link.need_acceptance), (true, Some(false)));
    assert_eq!(link.url.as_ref().map(|url| url.expose()), Some("https://seika.chat.example/g/open-day-27"));
    assert_eq!(link.description.as_deref(), Some("どなたでも"));
    let link = decoded("create_link", |client| room(client).create_link()).await;
    assert_eq!((link.need_acceptance, link.description.as_deref()), (Some(true), Some("")));
    let link = decoded("update_link", |client| room(client).update_link()).await;
    assert_eq!((link.need_acceptance, link.description.as_deref()), (Some(true), None));
    let link = decoded("delete_link", |client| room(client).delete_link()).await;
    assert_eq!((link.public, link.url, link.need_acceptance, link.description), (false, None, None, None));
}

#[tokio::test]
async fn incoming_requests() {
    let requests = decoded("list_incoming_requests", |client| client.incoming_requests()).await;
    let [full, sparse] = &requests[..] else { panic!("two requests: {requests:?}") };
    assert_eq!((full.request_id, full.account_id), (RequestId(45001), AccountId(3999)));
    assert_eq!((full.message.as_str(), full.name.as_str()), ("はじめまして", "Kato Yu"));
    assert_eq!((sparse.request_id, sparse.message.as_str()), (RequestId(45002), ""));
    let accept = |client: &Client| client.incoming_request(RequestId(45001)).accept();
    let contact = decoded("accept_incoming_request", accept).await;
    assert_eq!((contact.account_id, contact.room_id), (AccountId(3999), RoomId(61777)));
}

/// Leaving or deleting a room and declining a request are answered with 204 and an empty body.
#[tokio::test]
async fn empty_answers() {
    let server = common::server(wiremock::ResponseTemplate::new(204)).await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    room(&client).leave().await.expect("left");
    let deleted = room(&client).delete().await.expect("deleted");
    assert_eq!((deleted.status().as_u16(), deleted.body().len()), (204, 0));
    client.incoming_request(RequestId(1)).decline().await.expect("declined");
}

/// Every enum keeps unknown values, and writes each value as it was read.
#[test]
fn open_enums_read_and_write_the_same_text() {
    fn check<T: DeserializeOwned + Serialize + Debug>(known: &[&str]) {
        for text in known.iter().chain(&["Admin", "", "未知 \"x\""]) {
            let json = serde_json::to_string(text).expect("text");
            let value: T = serde_json::from_str(&json).expect("any text is a value");
            assert_eq!(serde_json::to_string(&value).expect("a value"), json);
            let other = format!("{value:?}").starts_with("Other(");
            assert_eq!(other, !known.contains(text), "{text}: {value:?}");
        }
    }
    check::<RoomType>(&["my", "direct", "group"]);
    check::<Role>(&["admin", "member", "readonly"]);
    check::<TaskStatus>(&["open", "done"]);
    check::<LimitType>(&["none", "date", "time"]);
    check::<RoomAction>(&["leave", "delete"]);
    check::<kaiwa::chatwork::IconPreset>(&[
        "group", "check", "document", "meeting", "event", "project", "business", "study", "security", "star",
        "idea", "heart", "magcup", "beer", "music", "sports", "travel",
    ]);
}
