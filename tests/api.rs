//! What programs compile against: auto traits, conversions, and what must not compile.

#[macro_use]
#[path = "common/traits.rs"]
mod traits;

use kaiwa::{chatwork, lancers, tascha};
use std::fmt::{Debug, Display};
use std::future::IntoFuture;
use std::hash::Hash;

assert_impl_all!(chatwork::Client: Clone, Debug, Send, Sync, Unpin);
assert_impl_all!(tascha::Client: Clone, Debug, Send, Sync, Unpin);
assert_impl_all!(lancers::Client: Clone, Debug, Send, Sync, Unpin);
assert_impl_all!(chatwork::Builder: Debug, Send, Sync);
assert_impl_all!(chatwork::RoomHandle: Clone, Debug, Send, Sync);
assert_impl_all!(kaiwa::Request<chatwork::operations::PostMessage>: Clone, Debug, Send, Sync, IntoFuture);
assert_impl_all!(kaiwa::Request<chatwork::ReconciledPost>: Clone, Debug, Send, Sync, IntoFuture);
assert_impl_all!(kaiwa::Request<chatwork::BeforePost>: Clone, Debug, Send, Sync, IntoFuture);
assert_impl_all!(kaiwa::Request<chatwork::LookFor>: Clone, Debug, Send, Sync, IntoFuture);
assert_impl_all!(kaiwa::Request<chatwork::PostOnce>: Clone, Debug, Send, Sync, IntoFuture);
assert_impl_all!(kaiwa::Request<kaiwa::lancers::PostOnce>: Clone, Debug, Send, Sync, IntoFuture);
assert_impl_all!(chatwork::Sought: Clone, Debug, PartialEq, Send, Sync, Unpin);
assert_impl_all!(kaiwa::Request<chatwork::UploadFile>: Clone, Debug, Send, Sync, IntoFuture);
assert_impl_all!(kaiwa::Upload: Clone, Debug, Send, Sync, Unpin);
assert_impl_all!(kaiwa::Progress: Copy, Debug, Eq, Hash, Send, Sync);
assert_impl_all!(chatwork::Download: Clone, Debug, Send, Sync, Unpin);
assert_impl_all!(chatwork::FileStream: futures::Stream, Debug, Send, Unpin);
assert_impl_all!(kaiwa::Request<kaiwa::Raw<chatwork::Chatwork>>: Clone, Debug, Send, Sync, IntoFuture);
assert_impl_all!(kaiwa::Response<Vec<chatwork::Room>>: Debug, Send, Sync, IntoIterator);
assert_impl_all!(kaiwa::Items<tascha::operations::ListRooms>: futures::Stream, Debug, Send, Unpin);
assert_impl_all!(kaiwa::Pages<lancers::operations::ListUnread>: futures::Stream, Debug, Send, Unpin);
assert_impl_all!(kaiwa::Checkpoint: Clone, Debug, Eq, Send, Sync, serde::Serialize, serde::de::DeserializeOwned);
assert_impl_all!(kaiwa::UndecodableItem: std::error::Error, Display, Clone, PartialEq, Send, Sync);
assert_impl_all!(kaiwa::Error: std::error::Error, Clone, Display, Send, Sync, Unpin);
assert_impl_all!(kaiwa::RateLimit: Clone, Debug, Default, PartialEq, Send, Sync);
assert_impl_all!(kaiwa::RetryPolicy: Clone, Debug, Default, Send, Sync);
assert_impl_all!(kaiwa::RetryBudget: Clone, Debug, Default, Send, Sync);
assert_impl_all!(kaiwa::Proxy: Clone, Debug, Display, Eq, Send, Sync);
assert_impl_all!(kaiwa::Pace: Clone, Debug, Default, Send, Sync);
assert_impl_all!(kaiwa::VirtualClock: kaiwa::Clock, Clone, Debug, Default);
assert_impl_all!(chatwork::bot::Bot: Debug, Send);
assert_impl_all!(chatwork::bot::Context: Clone, Debug, Send, Sync);
assert_impl_all!(chatwork::bot::Inbox: Clone, Debug, Send, Sync);
assert_impl_all!(chatwork::bot::Deliveries: futures::Stream, Debug, Send, Unpin);
assert_impl_all!(chatwork::bot::HandlerFailure: std::error::Error, Send, Sync);
assert_impl_all!(chatwork::watch::Watch: futures::Stream, Debug, Send, Sync, Unpin);
assert_impl_all!(chatwork::watch::WatchCheckpoint: Clone, Debug, Send, Sync, serde::Serialize, serde::de::DeserializeOwned);
assert_impl_all!(chatwork::webhook::Verifier: Debug, Send, Sync, Unpin);
assert_impl_all!(tascha::webhook::Verifier: Debug, Send, Sync, Unpin);
assert_impl_all!(tascha::webhook::PendingDelivery: Debug, Send, Sync, Unpin);
assert_impl_all!(chatwork::webhook::PendingDelivery: Debug, Send, Sync, Unpin);
assert_impl_all!(kaiwa::StoreError: Debug, Display, Send, Sync, Unpin);
assert_impl_all!(kaiwa::webhook::ClaimId: Copy, Debug, Display, Eq, Hash, Ord, Send, Sync);
assert_impl_all!(std::sync::Arc<dyn kaiwa::webhook::ReplayCache>: kaiwa::webhook::ReplayCache);
assert_impl_all!(kaiwa::oauth::OAuth: Clone, Debug, Send, Sync, Unpin);
assert_impl_all!(kaiwa::oauth::Authorization: Clone, Debug, kaiwa::TokenSource, Unpin);
assert_impl_all!(kaiwa::oauth::MemoryTokenStore: Clone, Debug, Default, kaiwa::oauth::TokenStore, Unpin);
assert_impl_all!(kaiwa::oauth::FileTokenStore: Clone, Debug, kaiwa::oauth::TokenStore, Unpin);
assert_impl_all!(kaiwa::webhook::MemoryReplayCache: Debug, kaiwa::webhook::ReplayCache, Unpin);
// What a program puts behind these traits is shared between tasks.
assert_impl_all!(dyn kaiwa::oauth::TokenStore: Debug, Send, Sync);
assert_impl_all!(dyn kaiwa::webhook::ReplayCache: Debug, Send, Sync);
assert_impl_all!(dyn kaiwa::BudgetStore: Debug, Send, Sync);
assert_impl_all!(dyn kaiwa::TokenSource: Debug, Send, Sync);
assert_impl_all!(dyn kaiwa::Clock: Debug, Send, Sync);
assert_impl_all!(chatwork::RoomId: Copy, Display, Eq, Hash, Ord, Send, Sync, From<u64>);
assert_impl_all!(chatwork::MessageId: Clone, Display, Eq, Hash, Ord, From<&'static str>, From<String>, From<u64>);
assert_impl_all!(chatwork::RoomType: Clone, Debug, Display, Eq, Hash, From<&'static str>);
// An id of one kind does not become one of another.
assert_not_impl_any!(chatwork::RoomId: From<chatwork::AccountId>, Into<chatwork::AccountId>);
assert_not_impl_any!(tascha::RoomId: From<tascha::UserId>, From<chatwork::RoomId>);
// A client takes the endpoints of its own service.
assert_impl_all!(chatwork::operations::PostMessage: kaiwa::Endpoint<Service = chatwork::Chatwork>);
assert_not_impl_any!(chatwork::operations::PostMessage: kaiwa::Endpoint<Service = tascha::Tascha>);
assert_not_impl_any!(kaiwa::Raw<chatwork::Chatwork>: kaiwa::Endpoint<Service = lancers::Lancers>);

/// The futures can be spawned, and are named or boxed as users need them.
#[test]
fn calls_can_be_spawned() {
    fn spawnable<F: Future<Output: Send> + Send + 'static>(_: F) {}
    let client = chatwork::Client::builder()
        .api_token("token")
        .base_url("http://127.0.0.1:1")
        .build()
        .expect("a client");
    let room = client.room(chatwork::RoomId(1));
    spawnable(room.post("x").send());
    spawnable(room.post("x").into_future());
    spawnable(room.post("x").with_reconcile(chatwork::Reconcile::new()).send());
    spawnable(room.before_post("x", chatwork::AccountId(1)).send());
    let sought = chatwork::Sought::new("x", chatwork::AccountId(1), kaiwa::jiff::Timestamp::UNIX_EPOCH);
    spawnable(room.look_for(&sought).send());
    spawnable(room.post_once(&sought).send());
    spawnable(client.request(reqwest::Method::GET, "/me").into_future());
    let download = || room.file(chatwork::FileId(1)).download();
    spawnable(kaiwa::Upload::path("a"));
    spawnable(download().stream());
    spawnable(download().to_file("a"));
    spawnable(download().bytes(1));
    spawnable(async move { room.messages().force(true).await });
    let bot = chatwork::bot::Bot::new(client.clone());
    let answer = async |context: chatwork::bot::Context| context.reply("x").await.map(drop);
    spawnable(bot.run(client.watch_all().stream(), answer));
}

/// An error is handed through every layer of a program, so that it is one pointer.
#[test]
fn errors_are_small() {
    assert_eq!(size_of::<kaiwa::Error>(), size_of::<usize>());
}

#[test]
fn unknown_values_of_an_enum_are_kept() {
    let known: chatwork::TaskStatus = serde_json::from_str(r#""open""#).expect("a status");
    assert_eq!(known, chatwork::TaskStatus::Open);
    let new: chatwork::TaskStatus = serde_json::from_str(r#""paused""#).expect("any text is a status");
    assert_eq!(new, chatwork::TaskStatus::Other("paused".to_owned()));
    assert_eq!(serde_json::to_string(&new).expect("it serialises"), r#""paused""#);
}
