//! Calls of every kind, and the service's answers to them.

use crate::server::{Server, Step, clients};
use kaiwa::chatwork::{AccountId, FileId, RoomId};
use kaiwa::lancers::BoardId;
use kaiwa::{Error, Safety, Upload, VirtualClock};

/// A call and the service's answer to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Call {
    Post,
    Upload,
    CreateTasks,
    Update,
    UpdateRoom,
    DeleteMessage,
    TaschaPost,
    TaschaTask,
    Redeliver,
    Reply,
    ReplyWithFile,
    CreateBoard,
    Me,
    Members,
    File,
    TaschaRooms,
    Boards,
}

pub const CALLS: [Call; 17] = [
    Call::Post,
    Call::Upload,
    Call::CreateTasks,
    Call::Update,
    Call::UpdateRoom,
    Call::DeleteMessage,
    Call::TaschaPost,
    Call::TaschaTask,
    Call::Redeliver,
    Call::Reply,
    Call::ReplyWithFile,
    Call::CreateBoard,
    Call::Me,
    Call::Members,
    Call::File,
    Call::TaschaRooms,
    Call::Boards,
];

impl Call {
    pub fn safety(self) -> Safety {
        match self {
            Self::Me | Self::Members | Self::File | Self::TaschaRooms | Self::Boards => Safety::Safe,
            Self::Update | Self::UpdateRoom | Self::DeleteMessage => Safety::Idempotent,
            Self::TaschaPost | Self::TaschaTask => Safety::Keyed,
            _ => Safety::Unsafe,
        }
    }

    pub fn is_list(self) -> bool {
        matches!(self, Self::Members | Self::Boards)
    }

    pub fn answer(self) -> &'static str {
        match self {
            Self::Post | Self::Update | Self::DeleteMessage => r#"{"message_id":"1"}"#,
            Self::Upload => r#"{"file_id":1}"#,
            Self::CreateTasks => r#"{"task_ids":[1]}"#,
            Self::UpdateRoom => r#"{"room_id":1}"#,
            Self::TaschaPost => r#"{"id":"m1","roomId":"r","body":"x"}"#,
            Self::TaschaTask => r#"{"id":"t1","roomId":"r","title":"x"}"#,
            Self::Redeliver => r#"{"delivery":{"id":"d1"}}"#,
            Self::Reply | Self::ReplyWithFile => r#"{"id":1,"board_id":1}"#,
            Self::CreateBoard => r#"{"id":1}"#,
            Self::Me => r#"{"account_id":1,"room_id":1}"#,
            Self::Members | Self::Boards => "[]",
            Self::File => {
                r#"{"file_id":1,"account":{"account_id":1,"name":"","avatar_image_url":""},"message_id":"1","filename":"a","filesize":1,"upload_time":1}"#
            }
            Self::TaschaRooms => r#"{"data":[]}"#,
        }
    }

    /// An answer with a required field that cannot be read.
    pub fn unreadable(self) -> &'static str {
        match self {
            Self::Post | Self::Update | Self::DeleteMessage => r#"{"message_id":{}}"#,
            Self::Upload => r#"{"file_id":"?"}"#,
            Self::CreateTasks => r#"{"task_ids":7}"#,
            Self::UpdateRoom => r#"{"room_id":[]}"#,
            Self::TaschaPost | Self::TaschaTask | Self::CreateBoard => r#"{"id":[]}"#,
            Self::Redeliver => r#"{"delivery":7}"#,
            Self::Reply | Self::ReplyWithFile => r#"{"id":{}}"#,
            Self::Me => r#"{"room_id":"?"}"#,
            Self::Members | Self::Boards => r#"[7]"#,
            Self::File => r#"{"file_id":{}}"#,
            Self::TaschaRooms => r#"{"data":7}"#,
        }
    }

    /// The service's complete error.
    pub fn refusal(self) -> &'static str {
        match self {
            Self::TaschaPost | Self::TaschaTask | Self::Redeliver | Self::TaschaRooms => {
                r#"{"error":{"code":"forbidden","message":"You may not","requestId":"r1"}}"#
            }
            Self::Reply | Self::ReplyWithFile | Self::CreateBoard | Self::Boards => {
                r#"{"type":"forbidden","message":"You may not"}"#
            }
            _ => r#"{"errors":["You don't have permission to do this"]}"#,
        }
    }

    /// The result of the call against a server that always does this, and how often it was sent.
    pub async fn end(self, step: &Step) -> (Result<(), Error>, usize) {
        let server = Server::play([step.clone()]).await;
        let clock = VirtualClock::new();
        let chatwork = || clients::chatwork(&server, &clock).max_body(5000).build().expect("a client");
        let tascha = || clients::tascha(&server, &clock).max_body(5000).build().expect("a client");
        let lancers = || clients::lancers(&server, &clock).max_body(5000).build().expect("a client");
        let (room, board) = (|| chatwork().room(RoomId(1)), || lancers().board(BoardId(1)));
        let file = || Upload::bytes("a.txt", "abc");
        let result = match self {
            Self::Post => clock.drive(room().post("x")).await.map(drop),
            Self::Upload => clock.drive(room().upload(file())).await.map(drop),
            Self::CreateTasks => clock.drive(room().create_tasks("x", [AccountId(1)])).await.map(drop),
            Self::Update => clock.drive(room().message("1").update("x")).await.map(drop),
            Self::UpdateRoom => clock.drive(room().update().name("x")).await.map(drop),
            Self::DeleteMessage => clock.drive(room().message("1").delete()).await.map(drop),
            Self::TaschaPost => clock.drive(tascha().room("r").post("x")).await.map(drop),
            Self::TaschaTask => clock.drive(tascha().room("r").create_task("x")).await.map(drop),
            Self::Redeliver => clock.drive(tascha().room("r").webhook("w").redeliver("d")).await.map(drop),
            Self::Reply => clock.drive(board().post("x")).await.map(drop),
            Self::ReplyWithFile => clock.drive(board().post("x").file(file())).await.map(drop),
            Self::CreateBoard => clock.drive(lancers().create_board(["bob"]).title("x")).await.map(drop),
            Self::Me => clock.drive(chatwork().me()).await.map(drop),
            Self::Members => clock.drive(room().members()).await.map(drop),
            Self::File => clock.drive(room().file(FileId(1)).get()).await.map(drop),
            Self::TaschaRooms => clock.drive(tascha().rooms()).await.map(drop),
            Self::Boards => clock.drive(lancers().boards()).await.map(drop),
        };
        (result, server.seen().len())
    }
}
