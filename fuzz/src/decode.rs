use kaiwa::chatwork::{self, AccountId, FileId, RequestId, RoomId, TaskId, TaskStatus};
use kaiwa::{Endpoint, Lenient, List, Request, Upload, lancers, tascha};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::LazyCell;
use std::fmt::Debug;

type Check = Box<dyn Fn(&[u8])>;

/// What is checked of one operation's answers.
struct Operation {
    service: &'static str,
    specified: &'static kaiwa::Operation,
    check: Check,
}

thread_local! {
    static OPERATIONS: LazyCell<Vec<Operation>> = LazyCell::new(operations);
}

/// Any bytes as the body of an operation's answer; the last byte says of which operation. What is decoded is written
/// and decoded as the same again, and a list that decodes is the same list when items that do not decode would be set
/// aside.
pub fn decode(data: &[u8]) {
    let Some((choice, body)) = data.split_last() else { return };
    OPERATIONS.with(|operations| (operations[usize::from(*choice) % operations.len()].check)(body));
}

/// The same bytes as the body of every operation's answer.
pub fn decode_as_all(body: &[u8]) {
    OPERATIONS.with(|operations| operations.iter().for_each(|operation| (operation.check)(body)));
}

/// The input of [`decode`] that is this body of an answer of that operation.
pub fn decode_seed(service: &str, id: &str, body: &[u8]) -> Option<Vec<u8>> {
    let is_wanted = |operation: &Operation| operation.service == service && operation.specified.id == id;
    let choice = OPERATIONS.with(|operations| operations.iter().position(is_wanted))?;
    Some([body, &[u8::try_from(choice).ok()?]].concat())
}

/// An answer that is an object, or nothing.
fn one<E: Endpoint>(request: Request<E>) -> Check
where
    E::Output: Serialize + PartialEq + Debug,
{
    Box::new(move |body| {
        decoded(request.endpoint(), body);
    })
}

fn decoded<E: Endpoint>(endpoint: &E, body: &[u8]) -> Option<E::Output>
where
    E::Output: Serialize + PartialEq + Debug,
{
    let value = endpoint.decode(body).ok()?;
    let written = serde_json::to_vec(&value).expect("an answer can be written");
    let again = endpoint.decode(&written).ok();
    assert_eq!(again.as_ref(), Some(&value), "{}", String::from_utf8_lossy(&written));
    Some(value)
}

/// An answer that is a list, whole or in pages.
fn list<E: List + Clone>(request: Request<E>) -> Check
where
    E::Output: Serialize + PartialEq + Debug,
    E::Item: DeserializeOwned + PartialEq + Debug,
{
    let lenient = request.clone().lenient();
    Box::new(move |body| {
        let strict = decoded(request.endpoint(), body);
        let lenient: Option<Lenient<E::Item>> = lenient.endpoint().decode(body).ok();
        if let (Some(lenient), Ok(value)) = (&lenient, serde_json::from_slice::<Value>(body)) {
            let items = value.as_array().or_else(|| value["data"].as_array()).map_or(0, Vec::len);
            assert_eq!(lenient.items.len() + lenient.rejected.len(), items);
            for rejected in &lenient.rejected {
                assert!(rejected.index < items, "{rejected}");
            }
        }
        if let Some(strict) = strict {
            // What is passed over need not be sound, while a lenient list reads all of it.
            let Some(lenient) = lenient else { return };
            assert_eq!(lenient.rejected, []);
            assert_eq!(lenient.items, E::rows(strict).0);
        }
    })
}

fn operations() -> Vec<Operation> {
    let mut all = Operations::default();
    all.chatwork();
    all.tascha();
    all.lancers();
    for known in [chatwork::table::ALL, tascha::table::ALL, lancers::table::ALL].into_iter().flatten() {
        let checked = all.0.iter().any(|operation| std::ptr::eq(operation.specified, *known));
        assert!(checked, "{known} is not checked");
    }
    all.0
}

#[derive(Default)]
struct Operations(Vec<Operation>);

impl Operations {
    fn one<E: Endpoint>(&mut self, service: &'static str, request: Request<E>)
    where
        E::Output: Serialize + PartialEq + Debug,
    {
        let specified = request.endpoint().operation();
        self.0.push(Operation { service, specified, check: one(request) });
    }

    fn list<E: List + Clone>(&mut self, service: &'static str, request: Request<E>)
    where
        E::Output: Serialize + PartialEq + Debug,
        E::Item: DeserializeOwned + PartialEq + Debug,
    {
        let specified = request.endpoint().operation();
        self.0.push(Operation { service, specified, check: list(request) });
    }

    fn chatwork(&mut self) {
        const SERVICE: &str = "chatwork";
        let client =
            chatwork::Client::builder().api_token("x").base_url(NOWHERE).build().expect("it is loopback");
        let room = client.room(RoomId(1));
        let (account, message, task) = (AccountId(1), room.message("1"), room.task(TaskId(1)));
        let asking = client.incoming_request(RequestId(1));
        self.one(SERVICE, client.me());
        self.one(SERVICE, client.my_status());
        self.list(SERVICE, client.my_tasks());
        self.list(SERVICE, client.contacts());
        self.list(SERVICE, client.rooms());
        self.one(SERVICE, client.create_room("x", [account]));
        self.one(SERVICE, room.get());
        self.one(SERVICE, room.update());
        self.one(SERVICE, room.leave());
        self.list(SERVICE, room.members());
        self.one(SERVICE, room.replace_members([account]));
        self.list(SERVICE, room.messages());
        self.one(SERVICE, room.post("x"));
        self.one(SERVICE, room.mark_read());
        self.one(SERVICE, room.mark_unread("1"));
        self.one(SERVICE, message.get());
        self.one(SERVICE, message.update("x"));
        self.one(SERVICE, message.delete());
        self.list(SERVICE, room.tasks());
        self.one(SERVICE, room.create_tasks("x", [account]));
        self.one(SERVICE, task.get());
        self.one(SERVICE, task.set_status(TaskStatus::Done));
        self.list(SERVICE, room.files());
        self.one(SERVICE, room.upload(Upload::bytes("x", "x")));
        self.one(SERVICE, room.file(FileId(1)).get());
        self.one(SERVICE, room.link());
        self.one(SERVICE, room.create_link());
        self.one(SERVICE, room.update_link());
        self.one(SERVICE, room.delete_link());
        self.list(SERVICE, client.incoming_requests());
        self.one(SERVICE, asking.accept());
        self.one(SERVICE, asking.decline());
        self.one(SERVICE, client.request(kaiwa::Method::GET, "/"));
    }

    fn tascha(&mut self) {
        const SERVICE: &str = "tascha";
        let client =
            tascha::Client::builder().api_key("x").base_url(NOWHERE).build().expect("it is loopback");
        let room = client.room("r");
        self.one(SERVICE, client.me());
        self.list(SERVICE, client.organizations());
        self.list(SERVICE, client.rooms());
        self.list(SERVICE, room.members());
        self.one(SERVICE, room.post("x"));
        self.list(SERVICE, room.messages());
        self.one(SERVICE, room.create_task("x"));
        self.list(SERVICE, room.tasks());
        self.one(SERVICE, room.task("t").update());
        self.one(SERVICE, room.create_record("x"));
        self.list(SERVICE, room.records());
        self.list(SERVICE, room.files());
        self.one(SERVICE, room.record("r").update());
        self.list(SERVICE, room.webhook("w").deliveries());
        self.one(SERVICE, room.webhook("w").redeliver("d"));
        self.list(SERVICE, client.events());
    }

    fn lancers(&mut self) {
        const SERVICE: &str = "lancers";
        let client =
            lancers::Client::builder().cookie("x=x").base_url(NOWHERE).build().expect("it is loopback");
        let board = client.board(lancers::BoardId(1));
        self.list(SERVICE, client.boards());
        self.list(SERVICE, client.unread());
        self.list(SERVICE, client.search("x"));
        self.one(SERVICE, client.create_board(["x"]));
        self.one(SERVICE, board.get());
        self.one(SERVICE, board.update());
        self.list(SERVICE, board.users());
        self.list(SERVICE, board.add_users(["x"]));
        self.one(SERVICE, board.remove_user("x"));
        self.list(SERVICE, board.messages());
        self.one(SERVICE, board.post("x"));
        self.one(SERVICE, board.mark_read());
        self.list(SERVICE, board.files());
    }
}

/// Nothing is ever sent.
const NOWHERE: &str = "http://127.0.0.1:9";
