//! Chatwork's 32 operations.

use crate::common::{self, CHATWORK_TOKEN};
use crate::support::{self, Body, Case, case};
use kaiwa::Upload;
use kaiwa::chatwork::{
    AccountId, FileId, IconPreset, LimitType, MessageId, RequestId, RoomId, TaskId, TaskStatus, table,
};

const ADMINS: [AccountId; 2] = [AccountId(4011), AccountId(4012)];
const MEMBERS: [AccountId; 3] = [AccountId(5021), AccountId(5022), AccountId(5023)];
const READERS: [AccountId; 1] = [AccountId(6031)];

fn cases(base: &str) -> Vec<Case> {
    let client = common::chatwork(base).build().expect("a client");
    let room = client.room(RoomId(70201));
    let message = room.message("1867530912345678901");
    let task = room.task(TaskId(8801));
    let request = client.incoming_request(RequestId(9901));
    let deadline = "2027-03-31T14:59:59Z".parse().expect("a time");
    vec![
        case("get_me", client.me(), "GET /me", Body::None),
        case("get_my_status", client.my_status(), "GET /my/status", Body::None),
        case("list_my_tasks", client.my_tasks(), "GET /my/tasks", Body::None),
        case(
            "list_my_tasks",
            client.my_tasks().assigned_by_account_id(AccountId(78)).status(TaskStatus::Done),
            "GET /my/tasks?assigned_by_account_id=78&status=done",
            Body::None,
        ),
        case("list_contacts", client.contacts(), "GET /contacts", Body::None),
        case("list_incoming_requests", client.incoming_requests(), "GET /incoming_requests", Body::None),
        case("accept_incoming_request", request.accept(), "PUT /incoming_requests/9901", Body::Form("")),
        case("decline_incoming_request", request.decline(), "DELETE /incoming_requests/9901", Body::None),
        case("list_rooms", client.rooms(), "GET /rooms", Body::None),
        case(
            "create_room",
            client.create_room("Launch", READERS),
            "POST /rooms",
            Body::Form("members_admin_ids=6031&name=Launch"),
        ),
        case(
            "create_room",
            client
                .create_room("新製品 & 発表=?", ADMINS)
                .members_member_ids(MEMBERS)
                .members_readonly_ids(READERS)
                .description("[info]100% +α\r\n~*'\"[/info]")
                .icon_preset(IconPreset::Magcup)
                .link(true)
                .link_code("new-Product_1")
                .link_need_acceptance(false),
            "POST /rooms",
            Body::Form(
                "description=%5Binfo%5D100%25+%2B%CE%B1%0D%0A%7E*%27%22%5B%2Finfo%5D&icon_preset=magcup&link=1&\
                 link_code=new-Product_1&link_need_acceptance=0&members_admin_ids=4011%2C4012&\
                 members_member_ids=5021%2C5022%2C5023&members_readonly_ids=6031&\
                 name=%E6%96%B0%E8%A3%BD%E5%93%81+%26+%E7%99%BA%E8%A1%A8%3D%3F",
            ),
        ),
        case("get_room", room.get(), "GET /rooms/70201", Body::None),
        case(
            "update_room",
            room.update().name("Launch 2").description("").icon_preset(IconPreset::Other("rocket".into())),
            "PUT /rooms/70201",
            Body::Form("description=&icon_preset=rocket&name=Launch+2"),
        ),
        case("delete_room", room.leave(), "DELETE /rooms/70201", Body::Form("action_type=leave")),
        case("delete_room", room.delete(), "DELETE /rooms/70201", Body::Form("action_type=delete")),
        case("list_members", room.members(), "GET /rooms/70201/members", Body::None),
        case(
            "replace_members",
            room.replace_members(ADMINS),
            "PUT /rooms/70201/members",
            Body::Form("members_admin_ids=4011%2C4012"),
        ),
        case(
            "replace_members",
            room.replace_members(ADMINS).members_member_ids(MEMBERS).members_readonly_ids(READERS),
            "PUT /rooms/70201/members",
            Body::Form(
                "members_admin_ids=4011%2C4012&members_member_ids=5021%2C5022%2C5023&members_readonly_ids=6031",
            ),
        ),
        // A list of members that becomes empty is omitted.
        case(
            "replace_members",
            room.replace_members(ADMINS).members_member_ids([]),
            "PUT /rooms/70201/members",
            Body::Form("members_admin_ids=4011%2C4012"),
        ),
        case("list_messages", room.messages(), "GET /rooms/70201/messages", Body::None),
        case("list_messages", room.messages().force(true), "GET /rooms/70201/messages?force=1", Body::None),
        case("list_messages", room.messages().force(false), "GET /rooms/70201/messages?force=0", Body::None),
        case("post_message", room.post("ok"), "POST /rooms/70201/messages", Body::Form("body=ok")),
        case(
            "post_message",
            room.post("[To:78] 完了🎉\n1+1=2 & \"50%\" ; <a>/?#").self_unread(true),
            "POST /rooms/70201/messages",
            Body::Form(
                "body=%5BTo%3A78%5D+%E5%AE%8C%E4%BA%86%F0%9F%8E%89%0A1%2B1%3D2+%26+%2250%25%22+%3B+%3Ca%3E%2F%3F%23&\
                 self_unread=1",
            ),
        ),
        case(
            "post_message",
            room.post("ok").self_unread(false),
            "POST /rooms/70201/messages",
            Body::Form("body=ok&self_unread=0"),
        ),
        case("mark_read", room.mark_read(), "PUT /rooms/70201/messages/read", Body::Form("")),
        case(
            "mark_read",
            room.mark_read().message_id(MessageId::from(1_867_530_912_345_678_901)),
            "PUT /rooms/70201/messages/read",
            Body::Form("message_id=1867530912345678901"),
        ),
        case(
            "mark_unread",
            room.mark_unread(String::from("42")),
            "PUT /rooms/70201/messages/unread",
            Body::Form("message_id=42"),
        ),
        case("get_message", message.get(), "GET /rooms/70201/messages/1867530912345678901", Body::None),
        case(
            "update_message",
            message.update("訂正: 3月"),
            "PUT /rooms/70201/messages/1867530912345678901",
            Body::Form("body=%E8%A8%82%E6%AD%A3%3A+3%E6%9C%88"),
        ),
        case(
            "delete_message",
            message.delete(),
            "DELETE /rooms/70201/messages/1867530912345678901",
            Body::None,
        ),
        case("list_tasks", room.tasks(), "GET /rooms/70201/tasks", Body::None),
        case(
            "list_tasks",
            room.tasks()
                .account_id(AccountId(101))
                .assigned_by_account_id(AccountId(102))
                .status(TaskStatus::Open),
            "GET /rooms/70201/tasks?account_id=101&assigned_by_account_id=102&status=open",
            Body::None,
        ),
        case(
            "create_tasks",
            room.create_tasks("review", READERS),
            "POST /rooms/70201/tasks",
            Body::Form("body=review&to_ids=6031"),
        ),
        case(
            "create_tasks",
            room.create_tasks("確認", MEMBERS).limit(deadline).limit_type(LimitType::Date),
            "POST /rooms/70201/tasks",
            Body::Form("body=%E7%A2%BA%E8%AA%8D&limit=1806505199&limit_type=date&to_ids=5021%2C5022%2C5023"),
        ),
        case("get_task", task.get(), "GET /rooms/70201/tasks/8801", Body::None),
        case(
            "set_task_status",
            task.set_status(TaskStatus::Done),
            "PUT /rooms/70201/tasks/8801/status",
            Body::Form("body=done"),
        ),
        case(
            "set_task_status",
            task.set_status(TaskStatus::Open),
            "PUT /rooms/70201/tasks/8801/status",
            Body::Form("body=open"),
        ),
        case("list_files", room.files(), "GET /rooms/70201/files", Body::None),
        case(
            "list_files",
            room.files().account_id(AccountId(101)),
            "GET /rooms/70201/files?account_id=101",
            Body::None,
        ),
        case(
            "upload_file",
            room.upload(Upload::bytes("plan.csv", "a,b\r\n1,2\r\n")),
            "POST /rooms/70201/files",
            Body::Parts(&[
                "Content-Disposition: form-data; name=\"file\"; filename=\"plan.csv\" | Content-Type: text/csv: a,b\r\n1,2\r\n",
            ]),
        ),
        case(
            "upload_file",
            room.upload(Upload::bytes("見積 \"最終\".txt", "合計").content_type("text/plain; charset=utf-8"))
                .message("見積です & 確認=お願い"),
            "POST /rooms/70201/files",
            Body::Parts(&[
                "Content-Disposition: form-data; name=\"file\"; filename=\"見積 \\\"最終\\\".txt\" | \
                 Content-Type: text/plain; charset=utf-8: 合計",
                "Content-Disposition: form-data; name=\"message\": 見積です & 確認=お願い",
            ]),
        ),
        case("get_file", room.file(FileId(3301)).get(), "GET /rooms/70201/files/3301", Body::None),
        case(
            "get_file",
            room.file(FileId(3301)).get().create_download_url(true),
            "GET /rooms/70201/files/3301?create_download_url=1",
            Body::None,
        ),
        case(
            "get_file",
            room.file(FileId(3301)).get().create_download_url(false),
            "GET /rooms/70201/files/3301?create_download_url=0",
            Body::None,
        ),
        case("get_link", room.link(), "GET /rooms/70201/link", Body::None),
        case("create_link", room.create_link(), "POST /rooms/70201/link", Body::Form("")),
        case(
            "create_link",
            room.create_link().code("Open_day-27").need_acceptance(false).description("どなたでも"),
            "POST /rooms/70201/link",
            Body::Form(
                "code=Open_day-27&description=%E3%81%A9%E3%81%AA%E3%81%9F%E3%81%A7%E3%82%82&need_acceptance=0",
            ),
        ),
        case("update_link", room.update_link(), "PUT /rooms/70201/link", Body::Form("")),
        case(
            "update_link",
            room.update_link().code("x").need_acceptance(true).description("a+b c"),
            "PUT /rooms/70201/link",
            Body::Form("code=x&description=a%2Bb+c&need_acceptance=1"),
        ),
        case("delete_link", room.delete_link(), "DELETE /rooms/70201/link", Body::None),
    ]
}

#[tokio::test]
async fn every_operation_becomes_the_documented_request() {
    let sent = support::send_all(cases).await;
    support::assert_complete(&sent, table::ALL, include_str!("../../specs/chatwork.yaml"), 32);
    support::assert_header(&sent, "x-chatworktoken", CHATWORK_TOKEN);
    support::assert_accept(&sent, &["delete_room", "decline_incoming_request", "upload_file"]);
    for unknown_to_chatwork in ["authorization", "idempotency-key", "x-request-id"] {
        support::assert_no_header(&sent, unknown_to_chatwork);
    }
}

/// The largest ids that fit are written in full.
#[tokio::test]
async fn ids_are_written_in_full() {
    fn cases(base: &str) -> Vec<Case> {
        let client = common::chatwork(base).build().expect("a client");
        let room = client.room(RoomId(u64::MAX));
        vec![
            case("get_room", room.get(), "GET /rooms/18446744073709551615", Body::None),
            case(
                "get_message",
                room.message(i64::MAX as u64).get(),
                "GET /rooms/18446744073709551615/messages/9223372036854775807",
                Body::None,
            ),
        ]
    }
    support::send_all(cases).await;
}
