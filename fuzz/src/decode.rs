use kaiwa::chatwork::{self, AccountId, FileId, RequestId, RoomId, TaskId, TaskStatus};
use kaiwa::{Endpoint, Lenient, List, Request, Upload, lancers, tascha};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::LazyCell;
use std::fmt::Debug;

type Check = Box<dyn Fn(&[u8])>;

/// Compares a spoilt answer with the valid one. For a list it also gets the index of the spoilt item, unless spoiling
/// cannot change it.
type Spoilt = Box<dyn Fn(&[u8], &[u8], Option<usize>)>;

/// The checks of one operation's answers.
pub(crate) struct Operation {
    pub(crate) service: &'static str,
    pub(crate) specified: &'static kaiwa::Operation,
    check: Check,
    pub(crate) spoilt: Spoilt,
}

thread_local! {
    pub(crate) static OPERATIONS: LazyCell<Vec<Operation>> = LazyCell::new(operations);
}

/// Takes any bytes as the body of an operation's answer; the last byte selects the operation. A decoded value can be
/// written and decodes to the same value, and a list that decodes strictly is the same list when it is read leniently.
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

/// An answer that is an object or empty.
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
            let rejected: usize = lenient.undecodable.iter().map(|rejected| 1 + rejected.more).sum();
            assert_eq!(lenient.items.len() + rejected, items);
            for rejected in &lenient.undecodable {
                assert!(rejected.index < items, "{rejected}");
            }
        }
        if let Some(strict) = strict {
            let lenient = lenient.expect("a lenient list accepts what a strict one accepts");
            assert_eq!(lenient.undecodable, []);
            assert_eq!(lenient.items, E::rows(strict).0);
        }
    })
}

/// An additional member changes nothing in an answer that is not a list.
fn spoilt_one<E: Endpoint>(request: Request<E>) -> Spoilt
where
    E::Output: PartialEq + Debug,
{
    Box::new(move |sound, spoilt, _| {
        // In the answer to a raw request every member counts.
        if request.endpoint().operation().id == "raw" {
            return;
        }
        let sound = request.endpoint().decode(sound).expect("a fixture decodes");
        let read = request.endpoint().decode(spoilt).ok();
        assert_eq!(read, Some(sound), "{}", String::from_utf8_lossy(spoilt));
    })
}

fn spoilt_list<E: List + Clone>(request: Request<E>) -> Spoilt
where
    E::Output: PartialEq + Debug,
    E::Item: DeserializeOwned + Clone + PartialEq + Debug,
{
    let lenient = request.clone().lenient();
    Box::new(move |sound, spoilt, index| {
        let shown = || String::from_utf8_lossy(spoilt).into_owned();
        let sound = E::rows(request.endpoint().decode(sound).expect("a fixture decodes")).0;
        let read: Lenient<E::Item> =
            lenient.endpoint().decode(spoilt).ok().unwrap_or_else(|| panic!("{}", shown()));
        let strict = request.endpoint().decode(spoilt).ok().map(|output| E::rows(output).0);
        assert_eq!(strict.is_some(), read.undecodable.is_empty(), "{}", shown());
        if let Some(strict) = strict {
            assert_eq!(strict, read.items, "{}", shown());
        }
        let mut others = read.items;
        let Some(index) = index else {
            return assert!(read.undecodable.is_empty() && others == sound, "{}", shown());
        };
        match read.undecodable.as_slice() {
            [] => drop(others.remove(index)),
            [one] => assert!(one.index == index && one.to_string().len() < 1000, "{one}: {}", shown()),
            more => panic!("{more:?}: {}", shown()),
        }
        let expected: Vec<E::Item> = sound
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != index)
            .map(|(_, item)| item.clone())
            .collect();
        assert_eq!(others, expected, "{}", shown());
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
    fn one<E: Endpoint + Clone>(&mut self, service: &'static str, request: Request<E>)
    where
        E::Output: Serialize + PartialEq + Debug,
    {
        let specified = request.endpoint().operation();
        let spoilt = spoilt_one(request.clone());
        self.0.push(Operation { service, specified, check: one(request), spoilt });
    }

    fn list<E: List + Clone>(&mut self, service: &'static str, request: Request<E>)
    where
        E::Output: Serialize + PartialEq + Debug,
        E::Item: DeserializeOwned + Clone + PartialEq + Debug,
    {
        let specified = request.endpoint().operation();
        let spoilt = spoilt_list(request.clone());
        self.0.push(Operation { service, specified, check: list(request), spoilt });
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
