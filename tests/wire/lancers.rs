//! Lancers' 13 operations.

use crate::common::{self, LANCERS_COOKIE, server};
use crate::support::{self, Body, Case, case, only_request};
use jiff::Timestamp;
use jiff::tz::{TimeZone, offset};
use kaiwa::Upload;
use kaiwa::lancers::{BoardId, Direction, FileId, MessageId, PartNames, table};
use wiremock::ResponseTemplate;

fn new_year() -> Timestamp {
    "2026-12-31T16:05:09Z".parse().expect("a time")
}

fn cases(base: &str) -> Vec<Case> {
    let client = common::lancers(base).build().expect("a client");
    let board = client.board(BoardId(6120));
    let picture = || Upload::bytes("図 1.png", "PNG").content_type("image/png");
    let text = || Upload::bytes("a.txt", "A");
    vec![
        case("list_boards", client.boards(), "GET /boards", Body::None),
        case(
            "list_boards",
            client.boards().limit(20).modified(new_year()),
            "GET /boards?limit=20&modified=2027-01-01+01%3A05%3A09",
            Body::None,
        ),
        case("list_unread", client.unread(), "GET /boards/unread", Body::None),
        case(
            "list_unread",
            client.unread().limit(5).modified(new_year()),
            "GET /boards/unread?limit=5&modified=2027-01-01+01%3A05%3A09",
            Body::None,
        ),
        case(
            "search_boards",
            client.search("年賀状"),
            "GET /boards/search?q=%E5%B9%B4%E8%B3%80%E7%8A%B6",
            Body::None,
        ),
        case(
            "search_boards",
            client.search("a&b=c +#").offset(0).limit(10),
            "GET /boards/search?limit=10&offset=0&q=a%26b%3Dc+%2B%23",
            Body::None,
        ),
        case(
            "create_board",
            client.create_board(["hanako"]),
            "POST /boards",
            Body::Parts(&["Content-Disposition: form-data; name=\"users[]\": hanako"]),
        ),
        case(
            "create_board",
            client
                .create_board(["hanako", "太郎 2"])
                .title("ロゴの件")
                .description("初めまして\r\n--よろしく")
                .file(picture())
                .file(text()),
            "POST /boards",
            Body::Parts(&[
                "Content-Disposition: form-data; name=\"users[]\": hanako",
                "Content-Disposition: form-data; name=\"users[]\": 太郎 2",
                "Content-Disposition: form-data; name=\"title\": ロゴの件",
                "Content-Disposition: form-data; name=\"message[description]\": 初めまして\r\n--よろしく",
                "Content-Disposition: form-data; name=\"message[files][]\"; filename=\"図 1.png\" | \
                 Content-Type: image/png: PNG",
                "Content-Disposition: form-data; name=\"message[files][]\"; filename=\"a.txt\" | Content-Type: text/plain: A",
            ]),
        ),
        case(
            "create_board",
            client
                .create_board(["hanako"])
                .title("t")
                .description("d")
                .file(text())
                .with_part_names(PartNames::Printed),
            "POST /boards",
            Body::Parts(&[
                "Content-Disposition: form-data; name=\"users\": hanako",
                "Content-Disposition: form-data; name=\"title\": t",
                "Content-Disposition: form-data; name=\"message['description']\": d",
                "Content-Disposition: form-data; name=\"message['files']\"; filename=\"a.txt\" | Content-Type: text/plain: A",
            ]),
        ),
        case("get_board", board.get(), "GET /boards/6120", Body::None),
        case(
            "update_board",
            board.update().title("新しい件名").description("\"要約\""),
            "PUT /boards/6120",
            Body::Json(r#"{"description":"\"要約\"","title":"新しい件名"}"#),
        ),
        case("list_users", board.users(), "GET /boards/6120/users", Body::None),
        case(
            "list_users",
            board.users().user("hana ko/太").limit(3),
            "GET /boards/6120/users?limit=3&user=hana+ko%2F%E5%A4%AA",
            Body::None,
        ),
        case(
            "add_users",
            board.add_users(["hanako", "太郎 2"]),
            "POST /boards/6120/users",
            Body::Json(r#"{"users":["hanako","太郎 2"]}"#),
        ),
        // A user name is one segment.
        case("remove_user", board.remove_user("hanako"), "DELETE /boards/6120/users/hanako", Body::None),
        case("remove_user", board.remove_user("100%"), "DELETE /boards/6120/users/100%25", Body::None),
        case(
            "remove_user",
            board.remove_user(" a  b "),
            "DELETE /boards/6120/users/%20a%20%20b%20",
            Body::None,
        ),
        case("remove_user", board.remove_user("a?b#c"), "DELETE /boards/6120/users/a%3Fb%23c", Body::None),
        case(
            "remove_user",
            board.remove_user("太郎"),
            "DELETE /boards/6120/users/%E5%A4%AA%E9%83%8E",
            Body::None,
        ),
        case("list_messages", board.messages(), "GET /boards/6120/messages", Body::None),
        case(
            "list_messages",
            board.messages().message_id(MessageId(51)).direction(Direction::Prev).limit(30),
            "GET /boards/6120/messages?direction=prev&limit=30&message_id=51",
            Body::None,
        ),
        case(
            "list_messages",
            board.messages().direction(Direction::Next),
            "GET /boards/6120/messages?direction=next",
            Body::None,
        ),
        case(
            "post_message",
            board.post("承知しました"),
            "POST /boards/6120/messages",
            Body::Parts(&["Content-Disposition: form-data; name=\"description\": 承知しました"]),
        ),
        case(
            "post_message",
            board.post("").file(picture()),
            "POST /boards/6120/messages",
            Body::Parts(&[
                "Content-Disposition: form-data; name=\"files[]\"; filename=\"図 1.png\" | Content-Type: image/png: PNG",
            ]),
        ),
        case(
            "post_message",
            board.post("添付").file(text()).file(text()).with_part_names(PartNames::Printed),
            "POST /boards/6120/messages",
            Body::Parts(&[
                "Content-Disposition: form-data; name=\"description\": 添付",
                "Content-Disposition: form-data; name=\"files\"; filename=\"a.txt\" | Content-Type: text/plain: A",
                "Content-Disposition: form-data; name=\"files\"; filename=\"a.txt\" | Content-Type: text/plain: A",
            ]),
        ),
        case("list_files", board.files(), "GET /boards/6120/files", Body::None),
        case(
            "list_files",
            board.files().file_id(FileId(88)).limit(9),
            "GET /boards/6120/files?file_id=88&limit=9",
            Body::None,
        ),
        case("mark_read", board.mark_read(), "PUT /boards/6120/messages/read", Body::Json("{}")),
        case(
            "mark_read",
            board.mark_read().message_id(MessageId(51)),
            "PUT /boards/6120/messages/read",
            Body::Json(r#"{"message_id":51}"#),
        ),
    ]
}

#[tokio::test]
async fn every_operation_becomes_the_printed_request() {
    let sent = support::send_all(cases).await;
    support::assert_complete(&sent, table::ALL, include_str!("../../specs/lancers.yaml"), 13);
    support::assert_header(&sent, "cookie", LANCERS_COOKIE);
    support::assert_accept(&sent, &["create_board", "post_message"]);
    for unknown_to_lancers in ["authorization", "idempotency-key", "x-request-id"] {
        support::assert_no_header(&sent, unknown_to_lancers);
    }
}

/// `modified` is the wall-clock time in Japan, or in the configured zone; the same moment in each.
#[tokio::test]
async fn modified_is_written_in_the_zone_of_the_service() {
    async fn query(zone: Option<TimeZone>, time: &str) -> String {
        let server = server(ResponseTemplate::new(204)).await;
        let builder = common::lancers(&server.uri());
        let builder = match zone {
            Some(zone) => builder.time_zone(zone),
            None => builder,
        };
        let client = builder.build().expect("a client");
        client.boards().modified(time.parse().expect("a time")).await.expect("an empty list");
        only_request(&server).await.url.query().expect("a query").to_owned()
    }
    assert_eq!(query(None, "2019-05-17T06:27:53Z").await, "modified=2019-05-17+15%3A27%3A53");
    assert_eq!(query(None, "2019-05-17T15:27:53+09:00").await, "modified=2019-05-17+15%3A27%3A53");
    // The service's times have whole seconds.
    assert_eq!(query(None, "2019-05-17T06:27:53.999Z").await, "modified=2019-05-17+15%3A27%3A53");
    assert_eq!(query(Some(TimeZone::UTC), "2019-05-17T06:27:53Z").await, "modified=2019-05-17+06%3A27%3A53");
    let west = TimeZone::fixed(offset(-8));
    assert_eq!(query(Some(west), "2019-05-17T06:27:53Z").await, "modified=2019-05-16+22%3A27%3A53");
}
