//! An empty list comes as 204, as `[]`, or without a body, for every operation that returns a list.

use crate::common::{self, json, server};
use kaiwa::chatwork::RoomId;
use kaiwa::lancers::BoardId;
use kaiwa::{Endpoint, Operation, Request, chatwork, lancers};
use std::collections::BTreeSet;
use wiremock::ResponseTemplate;

/// The answers for an empty list, with status and length of the body.
fn nothings() -> [(ResponseTemplate, u16, usize); 4] {
    [
        (ResponseTemplate::new(204), 204, 0),
        (json(200, "[]"), 200, 2),
        (json(200, ""), 200, 0),
        (ResponseTemplate::new(200), 200, 0),
    ]
}

async fn assert_empty<T, E: Endpoint<Output = Vec<T>>>(
    request: Request<E>,
    status: u16,
    length: usize,
) -> &'static Operation {
    let operation = request.endpoint().operation();
    let answer = request.await.unwrap_or_else(|error| panic!("{status} with {length} bytes: {error}"));
    assert!(answer.is_empty(), "{operation}");
    assert_eq!((answer.status().as_u16(), answer.body().len()), (status, length), "{operation}");
    operation
}

fn assert_all(tested: &[&Operation], table: &[&Operation]) {
    let tested: BTreeSet<&str> = tested.iter().map(|operation| operation.id).collect();
    let lists = table.iter().filter(|operation| operation.empty_list).map(|operation| operation.id);
    assert_eq!(tested, lists.collect());
}

#[tokio::test]
async fn chatwork_lists_may_be_empty() {
    for (answer, status, length) in nothings() {
        let server = server(answer).await;
        let client = common::chatwork(&server.uri()).build().expect("a client");
        let room = client.room(RoomId(5));
        let tested = [
            assert_empty(client.my_tasks(), status, length).await,
            assert_empty(client.contacts(), status, length).await,
            assert_empty(client.incoming_requests(), status, length).await,
            assert_empty(client.rooms(), status, length).await,
            assert_empty(room.members(), status, length).await,
            assert_empty(room.messages(), status, length).await,
            assert_empty(room.tasks(), status, length).await,
            assert_empty(room.files(), status, length).await,
        ];
        assert_all(&tested, chatwork::table::ALL);
    }
}

#[tokio::test]
async fn lancers_lists_may_be_empty() {
    for (answer, status, length) in nothings() {
        let server = server(answer).await;
        let client = common::lancers(&server.uri()).build().expect("a client");
        let board = client.board(BoardId(5));
        let tested = [
            assert_empty(client.boards(), status, length).await,
            assert_empty(client.unread(), status, length).await,
            assert_empty(client.search("x"), status, length).await,
            assert_empty(board.users(), status, length).await,
            assert_empty(board.messages(), status, length).await,
            assert_empty(board.files(), status, length).await,
        ];
        assert_all(&tested, lancers::table::ALL);
    }
}

/// The headers of a 204 say whether something is hidden, and are kept.
#[tokio::test]
async fn the_headers_of_an_empty_list_are_kept() {
    let answer = ResponseTemplate::new(204)
        .insert_header("chatwork-message-limitation", "true")
        .insert_header("chatwork-message-limitation-summary", "hidden by the plan");
    let server = server(answer).await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    let messages = client.room(RoomId(5)).messages().force(true).await.expect("none");
    assert_eq!(messages.headers()["chatwork-message-limitation"], "true");
    assert_eq!(messages.headers()["chatwork-message-limitation-summary"], "hidden by the plan");
}

/// If an object is expected, an empty body is not an answer.
#[tokio::test]
async fn an_empty_answer_is_not_an_object() {
    let server = server(ResponseTemplate::new(204)).await;
    let client = common::chatwork(&server.uri()).build().expect("a client");
    let error = client.room(RoomId(5)).get().await.expect_err("no room");
    assert!(error.is_decode(), "{error}");
    assert!(error.to_string().contains("an empty body, where an answer is required"), "{error}");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(204));
}
