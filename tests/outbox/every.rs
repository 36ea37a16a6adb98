//! Every write of the three services goes through an outbox as it goes directly: the same bytes, with the same effect.

use kaiwa::chatwork::{self, AccountId, IconPreset, LimitType, RoomId, TaskStatus};
use kaiwa::outbox::{MemoryOutboxStore, Outbox, Phase};
use kaiwa::sandbox::chatwork::Seed as Rooms;
use kaiwa::sandbox::lancers::Seed as Boards;
use kaiwa::sandbox::tascha::Seed as Places;
use kaiwa::sandbox::{Clients, Recorded, Sandbox};
use kaiwa::{Clock, Operation, VirtualClock, lancers, tascha};
use reqwest::Method;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Two sandboxes with the same content: one is written to directly, the other one by an outbox.
struct Pair {
    clock: VirtualClock,
    direct: (Sandbox, Clients),
    stored: (Sandbox, Clients),
    outbox: Outbox,
}

impl Pair {
    async fn new() -> Self {
        let clock = VirtualClock::new();
        let start = async || {
            let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(Rooms::default().unlimited());
            let sandbox = sandbox.start().await.expect("a port");
            let clients = sandbox.clients();
            (sandbox, clients)
        };
        let (direct, stored) = (start().await, start().await);
        let Clients { chatwork, tascha, lancers, .. } = stored.1.clone();
        let store = MemoryOutboxStore::with_clock(Arc::new(clock.clone()));
        let outbox = Outbox::builder(store).chatwork(chatwork).tascha(tascha).lancers(lancers, Boards::USER);
        let outbox = outbox.clock(clock.clone()).build();
        Self { clock, direct, stored, outbox }
    }
}

/// Sends requests both ways, one after the other. Each is written for the clients `$c`.
macro_rules! send {
    ($pair:expr, $($key:literal => |$c:ident| $request:expr;)*) => {$(
        let write = |$c: &Clients| $request;
        $pair.clock.drive(write(&$pair.direct.1)).await.unwrap_or_else(|error| panic!("{}: {error}", $key));
        $pair.outbox.enqueue($key, write(&$pair.stored.1)).await.expect("it is stored");
        $pair.clock.drive($pair.outbox.deliver_due()).await.expect("the store works");
        let status = $pair.outbox.status($key).await.expect("the store works").expect("it is known");
        assert_eq!(status.phase, Phase::Sent, "{}: {status:?}", $key);
    )*};
}

/// What a service receives of a write, without what differs from request to request.
fn received(sandbox: &Sandbox) -> Vec<(Option<&'static str>, [String; 5])> {
    let writes = sandbox.requests().into_iter().filter(|request| request.method != Method::GET);
    let seen = |request: Recorded| {
        let kind = request.header("content-type").unwrap_or_default().to_owned();
        let mut body = String::from_utf8(request.body.to_vec()).expect("it is text");
        let mut kind = kind;
        if let Some((form, boundary)) = kind.clone().split_once("; boundary=") {
            body = body.replace(boundary, "boundary");
            kind = form.to_owned();
        }
        let accept = request.header("accept").unwrap_or_default().to_owned();
        let path = format!("{}?{}", request.path, request.query.as_deref().unwrap_or_default());
        (request.operation, [request.method.to_string(), path, accept, kind, body])
    };
    writes.map(seen).collect()
}

fn writes(table: &[&'static Operation]) -> impl Iterator<Item = &'static str> {
    table.iter().filter(|operation| operation.method != Method::GET).map(|operation| operation.id)
}

#[tokio::test]
async fn every_write_goes_through_an_outbox_as_it_goes_directly() {
    let pair = Pair::new().await;
    chatwork(&pair).await;
    tascha(&pair).await;
    lancers(&pair).await;
    let (direct, stored) = (received(&pair.direct.0), received(&pair.stored.0));
    for (direct, stored) in direct.iter().zip(&stored) {
        assert_eq!(direct, stored);
    }
    assert_eq!(direct.len(), stored.len());
    let seen: BTreeSet<_> = stored.iter().filter_map(|request| request.0).collect();
    let tables = [chatwork::table::ALL, tascha::table::ALL, lancers::table::ALL];
    let all: BTreeSet<_> = tables.into_iter().flat_map(writes).collect();
    // The content of a file is not stored.
    assert_eq!(all.difference(&seen).collect::<Vec<_>>(), [&"upload_file"]);
}

async fn chatwork(pair: &Pair) {
    let me = &pair.direct.1.chatwork;
    let [second, _] = [&pair.direct, &pair.stored]
        .map(|(sandbox, _)| sandbox.chatwork().request_contact(AccountId(3), AccountId(1), "And I?"));
    let asking = me.incoming_requests().await.expect("it is read");
    let first = asking.iter().find(|ask| ask.request_id != second).expect("there is another one").request_id;
    let (bot, alice, bob) = (AccountId(1), AccountId(2), AccountId(3));
    let due = pair.clock.wall() + Duration::from_secs(86_400);
    send! { pair,
        "accept" => |c| c.chatwork.incoming_request(first).accept();
        "decline" => |c| c.chatwork.incoming_request(second).decline();
        "post" => |c| c.chatwork.room(RoomId(100)).post("全員: \"<>&+%\"\n改行").self_unread(true);
    }
    let messages = me.room(RoomId(100)).messages().force(true).await.expect("it is read");
    let (old, own) = (&messages[0].message_id, &messages.last().expect("it was posted").message_id);
    send! { pair,
        "update" => |c| c.chatwork.room(RoomId(100)).message(own).update("直しました");
        "delete" => |c| c.chatwork.room(RoomId(100)).message(own).delete();
        "read" => |c| c.chatwork.room(RoomId(100)).mark_read().message_id(old);
        "unread" => |c| c.chatwork.room(RoomId(100)).mark_unread(old);
        "tasks" => |c| c.chatwork.room(RoomId(100)).create_tasks("レビュー", [bot, alice]).limit(due).limit_type(LimitType::Time);
    }
    let tasks = me.room(RoomId(100)).tasks().await.expect("it is read");
    let task = tasks.last().expect("it was made").task_id;
    send! { pair,
        "status" => |c| c.chatwork.room(RoomId(100)).task(task).set_status(TaskStatus::Done);
        "create" => |c| c.chatwork.create_room("新しい", [bot]).members_member_ids([alice, bob]).icon_preset(IconPreset::Beer);
        "change" => |c| c.chatwork.room(RoomId(100)).update().name("改名").description("");
        "link" => |c| c.chatwork.room(RoomId(100)).create_link().code("team-100").need_acceptance(false);
        "relink" => |c| c.chatwork.room(RoomId(100)).update_link().code("team-101");
        "unlink" => |c| c.chatwork.room(RoomId(100)).delete_link();
        "members" => |c| c.chatwork.room(RoomId(100)).replace_members([bot]).members_readonly_ids([alice]);
        "leave" => |c| c.chatwork.room(RoomId(200)).leave();
        "remove" => |c| c.chatwork.room(RoomId(100)).delete();
    }
}

async fn tascha(pair: &Pair) {
    let due = pair.clock.wall() + Duration::from_secs(86_400);
    send! { pair,
        "message" => |c| c.tascha.room(Places::ROOM).post("決裁しました");
        "task" => |c| c.tascha.room(Places::ROOM).create_task("稟議").description("至急").board_id(Places::BOARD).due_date(due);
        "record" => |c| c.tascha.room(Places::ROOM).create_record("議事録").content("本文");
    }
    let view = pair.direct.0.tascha().room(Places::ROOM);
    let task = &view.tasks().pop().expect("it was made").id;
    let record = &view.records().pop().expect("it was made").id;
    let failed = view.deliveries(Places::WEBHOOK).into_iter().find(|delivery| !delivery.success);
    let failed = &failed.expect("one has failed").delivery_id;
    send! { pair,
        "change task" => |c| c.tascha.room(Places::ROOM).task(task).update().status(tascha::TaskStatus::Completed).clear_due_date();
        "change record" => |c| c.tascha.room(Places::ROOM).record(record).update().title("改").content("");
        "redeliver" => |c| c.tascha.room(Places::ROOM).webhook(Places::WEBHOOK).redeliver(failed.as_str());
    }
}

async fn lancers(pair: &Pair) {
    let board = pair.direct.1.lancers.boards().await.expect("it is read")[0].id;
    send! { pair,
        "board" => |c| c.lancers.create_board(["bob", "carol"]).title("新しい").description("はじめまして");
        "change board" => |c| c.lancers.board(board).update().title("改").description("説明");
        "board message" => |c| c.lancers.board(board).post("納品しました\n<b>&");
        "read board" => |c| c.lancers.board(board).mark_read();
        "add user" => |c| c.lancers.board(board).add_users(["carol"]);
        "remove user" => |c| c.lancers.board(board).remove_user("carol");
    }
}
