//! The parts around the clients: logins and stores, webhooks, bots, the sandbox.

use super::{Walk, echoes};
use crate::server::{Server, Step, clients};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use kaiwa::chatwork::bot::{self, Bot};
use kaiwa::chatwork::webhook::{self, Verifier};
use kaiwa::chatwork::{AccountId, Reconcile, RoomId};
use kaiwa::lancers::BoardId;
use kaiwa::oauth::{
    Authorization, FileTokenStore, MemoryTokenStore, OAuth, RefreshLease, TokenSet, TokenStore,
};
use kaiwa::outbox::{
    Change, Claim, Commit, Filter, MemoryOutboxStore, NewEntry, Note, OUTBOX, Outbox, OutboxStore as _,
    StoredEntry,
};
use kaiwa::sandbox::{self, Fault, Provider, Sandbox, Script};
use kaiwa::tascha::webhook as tascha_webhook;
use kaiwa::webhook::{ClaimId, DEFAULT_LEASE, MemoryReplayCache, ReplayCache as _, StoreFailure};
use kaiwa::{RetryPolicy, VirtualClock};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The client's secret, tokens in every form in which a service can repeat them, and stores.
pub async fn oauth(walk: &mut Walk) {
    let clock = VirtualClock::new();
    let (secret, access, refresh) =
        (walk.plant("client-secret"), walk.plant("access-token"), walk.plant("refresh-token"));
    let (state, code) = (walk.plant("oauth-state"), walk.plant("oauth-code"));
    let verifier = format!("{}-{}", walk.plant("oauth-verifier"), "v".repeat(43));
    let basic = STANDARD.encode(format!("client-id:{secret}"));
    walk.also(&basic);
    let directory = tempfile::tempdir().expect("a directory");
    let file = FileTokenStore::new(directory.path().join("tokens.json"));
    let tokens = TokenSet::new(&*access)
        .with_refresh_token(&*refresh)
        .with_expiry("2030-01-01T00:00:00Z".parse().expect("a time"));
    let memory = MemoryTokenStore::new();
    memory.save(&tokens).await.expect("it is saved");
    file.save(&tokens).await.expect("it is saved");
    walk.debug(&tokens);
    walk.debug(&memory);
    walk.debug(&file);
    walk.debug(&file.lease().await.expect("nobody has it"));
    walk.debug(&RefreshLease::held(tokens.clone()));
    walk.debug(&tokens.to_json());
    for broken in [format!("{{\"access_token\":\"{access}\""), format!("{{\"{access}\":1}}"), access.clone()]
    {
        walk.error(TokenSet::from_json(&broken).expect_err("no tokens"));
        std::fs::write(directory.path().join("tokens.json"), &broken).expect("it can be written");
        let error = file.load().await.expect_err("no tokens");
        walk.shown += &format!("{error} {error:?}");
    }
    for secret in [&secret, &refresh, &access, &basic, &code, &verifier] {
        let mut steps = echoes(secret);
        steps.retain(|step| !matches!(step, Step::ReadThenReset));
        let count = steps.len();
        let server = Server::play(steps).await;
        let http = reqwest::Client::builder().tls_certs_only([]);
        let builder = OAuth::builder("client-id")
            .client_secret(walk_secret(walk))
            .auth_url(format!("{}/login", server.url))
            .token_url(format!("{}/token", server.url))
            .redirect_url("https://bot.example/callback")
            .clock(clock.clone())
            .timeout(None)
            .store(MemoryTokenStore::new())
            .http_client(http);
        walk.debug(&builder);
        let oauth = builder.build().expect("good settings");
        walk.debug(&oauth);
        let login = oauth.resume_login(&*state, &*verifier).expect("a login");
        walk.debug(&login);
        let authorization: Authorization = oauth.authorization(tokens.clone()).expect("tokens");
        walk.debug(&authorization);
        for number in 0..count {
            // A request contains the secrets that it sends, and those of its subject.
            let renews = [&access, &refresh].contains(&secret) || number % 2 == 1;
            let error = match renews && secret != &code && secret != &verifier {
                false => login.finish(&*code, &state).await.map(drop),
                true => authorization.refresh().await.map(drop),
            };
            if let Err(error) = error {
                walk.error(error);
            }
        }
        let redirect = format!("https://bot.example/callback?code={code}&state=other-{state}");
        walk.error(login.finish_redirect(&redirect).await.expect_err("another login's"));
        let client = clients::chatwork(&server, &clock).token_source(authorization.clone());
        walk.debug(&client);
        walk.error(
            clock.drive(client.build().expect("a client").me()).await.expect_err("no answer is valid"),
        );
    }
}

/// The secret of [`oauth`], which every builder there gets.
fn walk_secret(walk: &mut Walk) -> String {
    walk.plant("client-secret")
}

/// Webhook tokens, signatures and headers.
pub async fn webhooks(walk: &mut Walk) {
    let secret = walk.plant("webhook-token");
    let token = STANDARD.encode(&secret);
    walk.also(&token);
    let clock = Arc::new(VirtualClock::new());
    let verifier = Verifier::with_clock(&token, clock.clone()).expect("a token");
    walk.debug(&verifier);
    walk.both(&Verifier::new(&format!("{secret}!")).expect_err("no token"));
    let event = |body: &str| {
        let time = 1_767_193_200;
        json!({ "webhook_setting_id": "1", "webhook_event_type": "message_created", "webhook_event_time": time,
            "webhook_event": { "message_id": "1", "room_id": 1, "account_id": 2, "body": body, "send_time": time,
            "update_time": 0 } })
        .to_string()
    };
    let text = event("x");
    let signature = verifier.sign(text.as_bytes());
    let delivery = verifier.verify(text.as_bytes(), &signature).await.expect("it is valid");
    walk.debug(&delivery);
    walk.debug(&delivery.event);
    if let webhook::Event::MessageCreated(message) = &delivery.event {
        walk.debug(message);
    }
    let verified = webhook::Verified(delivery);
    walk.debug(&verified);
    verified.0.done().await;
    for kind in ["mention_to_me", "of_the_future"] {
        let text = text.replace("message_created", kind).replace("\"account_id\"", "\"from_account_id\"");
        let text = text.replace("\"update_time\"", "\"to_account_id\":1,\"update_time\"");
        let pending = verifier.verify(text.as_bytes(), &verifier.sign(text.as_bytes())).await.expect("good");
        match &pending.event {
            webhook::Event::MentionToMe(mention) => walk.debug(mention),
            webhook::Event::Other(other) => walk.debug(other),
            event => panic!("{event:?}"),
        }
    }
    walk.both(&webhook::Rejection::Unreadable);
    walk.both(&webhook::Rejection::Verify(
        verifier.verify_signature(b"", &secret).expect_err("no signature"),
    ));
    let body = walk.plant("webhook-body");
    let bodies = [
        event(&body),
        format!("{{\"{body}\":\"{body}\""),
        format!("[\"{body}\"]"),
        json!({ "webhook_event_time": body }).to_string(),
    ];
    for body in &bodies {
        for signature in ["", &secret, &token, "AAAA", &verifier.sign(b"other")] {
            walk.both(
                &verifier.verify(body.as_bytes(), signature).await.expect_err("it is not the service's"),
            );
        }
        if let Err(error) = verifier.verify(body.as_bytes(), &verifier.sign(body.as_bytes())).await {
            walk.both(&error);
        }
    }
    walk.both(&verifier.verify(text.as_bytes(), &signature).await.expect_err("a repeat"));
    let cache = MemoryReplayCache::with_clock(4, clock);
    let id = ClaimId::unique();
    let claimed = cache.claim("event-1", id, DEFAULT_LEASE).await.expect("it is in memory");
    walk.debug(&cache);
    walk.both(&id);
    walk.debug(&claimed);
    walk.debug(&StoreFailure::default());

    let header = walk.plant("tascha-signature");
    let headers = [("Tascha-Webhook-Id", "evt-1"), ("x-signature", &*header), ("authorization", &*header)];
    let incoming = |body: String| {
        tascha_webhook::RawDelivery::new(headers.iter().map(|(name, value)| (*name, *value)), body)
    };
    walk.debug(&incoming(body.clone()));
    let refuse = |_: &tascha_webhook::RawDelivery<'_>| Err(tascha_webhook::Unverified);
    let verifier = tascha_webhook::Verifier::new(refuse);
    walk.debug(&verifier);
    walk.both(&verifier.verify(incoming(body.clone())).await.expect_err("it is refused"));
    walk.both(&tascha_webhook::Unverified);
    let verifier = tascha_webhook::Verifier::new(|_: &tascha_webhook::RawDelivery<'_>| Ok(()));
    let received = verifier.verify(incoming("{\"type\":\"x\"}".to_owned())).await.expect("it is taken");
    walk.debug(&received);
    walk.debug(&*received);
}

/// A bot, a watch, and the values that they return.
/// Texts of messages are secret here, as well as the client's token.
pub async fn outboxes(walk: &mut Walk) {
    let (token, text) = (walk.plant("outbox-token"), walk.plant("outbox-text"));
    let clock = VirtualClock::new();
    let server = Server::play(echoes(&token)).await;
    let client = clients::chatwork(&server, &clock).api_token(&*token).retry(RetryPolicy::none());
    let client = client.build().expect("a client");
    let store = MemoryOutboxStore::with_clock(Arc::new(clock.clone()));
    let builder = Outbox::builder(store.clone()).chatwork(client.clone()).clock(clock.clone());
    walk.debug(&builder);
    let outbox = builder.build();
    walk.debug(&(outbox.clone(), store.clone()));
    for room in 1..10 {
        let post = client.room(RoomId(room)).post(&*text);
        let status = outbox.enqueue(format!("key-{room}"), post).await.expect("it is stored");
        walk.debug(&status);
        walk.debug(&store.get(&status.key).await.expect("it is there"));
    }
    for _ in 0..4 {
        clock.drive(outbox.deliver_due()).await.expect("the store works");
        clock.advance(Duration::from_secs(100));
    }
    for status in outbox.list(None, 100).await.expect("the store works") {
        walk.debug(&status);
    }
    let mut entries = store.list(Filter::new(OUTBOX, 100)).await.expect("the store works");
    walk.debug(&entries);
    let StoredEntry { key, lane, request, phase, progress, .. } = entries.remove(0);
    walk.debug(&Change::new(phase, progress));
    let known = NewEntry::new(key, &*lane, &*request);
    walk.debug(&known);
    walk.debug(&store.enqueue(known).await.expect("the store works"));
    store.enqueue(NewEntry::new("other", lane, request)).await.expect("the store works");
    let note = Note::new(&*text, text.to_owned()).keep(Duration::from_secs(1));
    let commit = Commit::new(vec![note.clone()], vec![NewEntry::new(&*text, "lane", &*text)]);
    let claim = Claim { id: 0, fence: 0 };
    walk.debug(&(note, commit.clone().change(claim, Change::new(phase, &*text))));
    assert!(store.commit(commit).await.expect("the store works"));
    walk.debug(&store);
    walk.debug(&store.claim(OUTBOX, Duration::from_secs(1)).await.expect("the store works"));
}

pub async fn bots(walk: &mut Walk) {
    let token = walk.plant("bot-token");
    let clock = VirtualClock::new();
    let server = Server::play(echoes(&token)).await;
    let client = clients::chatwork(&server, &clock).api_token(&*token).retry(RetryPolicy::none());
    let client = client.build().expect("a client");
    let watch = client.room(RoomId(1)).watch();
    walk.debug(&watch);
    let mut stream = watch.stream();
    walk.debug(&stream);
    walk.debug(&stream.checkpoint());
    for _ in 0..6 {
        if let Some(Err(error)) = clock.drive(stream.next()).await {
            walk.error(error);
        }
    }
    let notices = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&notices);
    let sink = move |notice: bot::Notice| sink.lock().expect("not poisoned").push(notice);
    let mut bot = Bot::new(client.clone()).me(AccountId(1)).on_notice(sink);
    let (inbox, deliveries) = bot.inbox(2);
    walk.debug(&bot);
    walk.debug(&(inbox.clone(), &deliveries));
    let message = json!([{ "message_id": "1", "account": { "account_id": 2 }, "body": "x", "send_time": 1 }]);
    let listed = Server::play([Step::ok(&message.to_string())]).await;
    let watched = clients::chatwork(&listed, &clock).api_token(&*token).build().expect("a client");
    let mut events = watched.room(RoomId(1)).watch().from_window().stream();
    let event = clock.drive(events.next()).await.expect("an event").expect("it is valid");
    walk.debug(&event);
    walk.debug(&bot::Input::from(event));
    let body = json!({ "webhook_setting_id": "1", "webhook_event_type": "message_created",
        "webhook_event_time": 1_767_193_200, "webhook_event": { "message_id": "1", "room_id": 1, "account_id": 2,
        "body": "x", "send_time": 1_767_193_200, "update_time": 0 } });
    let verifier =
        Verifier::with_clock(&STANDARD.encode("a key"), Arc::new(VirtualClock::new())).expect("a token");
    let body = body.to_string();
    let delivery =
        verifier.verify(body.as_bytes(), &verifier.sign(body.as_bytes())).await.expect("it is valid");
    inbox.push(delivery.done().await).expect("there is room");
    inbox.close();
    let contexts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&contexts);
    let handler = async move |context: bot::Context| {
        seen.lock().expect("not poisoned").push(context.clone());
        context.reply("x").await.map(drop)
    };
    let summary = clock.drive(bot.run(deliveries, handler)).await.expect("it ends");
    walk.debug(&summary);
    for context in contexts.lock().expect("not poisoned").iter() {
        walk.debug(context);
        walk.debug(context.message());
    }
    let notices = std::mem::take(&mut *notices.lock().expect("not poisoned"));
    assert_eq!((notices.len(), contexts.lock().expect("not poisoned").len()), (1, 1));
    for notice in &notices {
        walk.debug(notice);
        if let bot::Notice::Failed { failure, .. } = notice {
            walk.both(failure);
            walk.chain(failure);
        }
    }
    walk.both(&bot::PushError::Full);
    let reconcile = Reconcile::new();
    walk.debug(&reconcile);
    walk.debug(&client.room(RoomId(1)).post("x").with_reconcile(reconcile));
    let server = Server::play(echoes(&token)).await;
    let client = clients::chatwork(&server, &clock).api_token(&*token).build().expect("a client");
    let post = client.room(RoomId(1)).post("x").with_reconcile(Reconcile::new());
    walk.error(clock.drive(post).await.expect_err("no answer is valid"));
    let server = Server::play([Step::ok(r#"{"message_id":"1"}"#)]).await;
    let client = clients::chatwork(&server, &clock).api_token(&*token).build().expect("a client");
    let post = client.room(RoomId(1)).post("x").with_reconcile(Reconcile::new());
    let sent = clock.drive(post).await.expect("it is posted");
    walk.debug(&sent);
    walk.debug(&sent.arrival);
    searches(walk, &token, &clock).await;
}

/// What is looked for, and what comes of it.
async fn searches(walk: &mut Walk, token: &str, clock: &kaiwa::VirtualClock) {
    let list = r#"[{"message_id":"1","account":{"account_id":2,"name":"A","avatar_image_url":""},"body":"y","send_time":1,"update_time":0}]"#;
    let server = Server::play([Step::ok(list), Step::ok(list)]).await;
    let client = clients::chatwork(&server, clock).api_token(token).build().expect("a client");
    let room = client.room(RoomId(1));
    walk.debug(&room.before_post("x", AccountId(1)));
    let before = clock.drive(room.before_post("x", AccountId(1))).await.expect("it is a list");
    walk.debug(&before);
    let sought = before.into_inner();
    walk.both(&serde_json::to_string(&sought).expect("it can be stored"));
    walk.debug(&room.look_for(&sought));
    let look = clock.drive(room.look_for(&sought)).await.expect("it is a list");
    walk.debug(&look);
    walk.debug(&room.post_once(&sought));
    let server = Server::play(echoes(token)).await;
    let client = clients::chatwork(&server, clock).api_token(token).build().expect("a client");
    let post = client.room(RoomId(1)).post_once(&sought);
    walk.error(clock.drive(post).await.expect_err("no answer is valid"));
}

/// The sandbox's seeds contain credentials, too, and its log contains the received requests.
pub async fn sandboxes(walk: &mut Walk) {
    let (api, oauth_secret, hook, key, cookie) = (
        walk.plant("sandbox-api-token"),
        walk.plant("sandbox-client-secret"),
        STANDARD.encode(walk.plant("sandbox-webhook-token")),
        walk.plant("sandbox-key"),
        walk.plant("sandbox-cookie"),
    );
    walk.also(&hook);
    let account = sandbox::chatwork::Account::new(1, "Bot").token(&*api);
    walk.debug(&account);
    let oauth_client = sandbox::chatwork::OAuthClient::confidential("id", &*oauth_secret);
    walk.debug(&oauth_client);
    let webhook = sandbox::chatwork::Webhook::account(1, "http://127.0.0.1:1/").token(&*hook);
    walk.debug(&webhook);
    let room = sandbox::chatwork::Room::group(1, "Room").admin(1);
    walk.debug(&room);
    let seed = sandbox::chatwork::Seed::new()
        .account(account)
        .room(room)
        .oauth_client(oauth_client)
        .webhook(webhook);
    walk.debug(&seed);
    let recording = format!("{{\"recording\":1,\"service\":\"chatwork\"}}\n{}", walk.plant("recording"));
    walk.both(&sandbox::chatwork::Seed::from_recording(&recording).expect_err("the second line is not JSON"));
    let hooked = sandbox::tascha::WebhookSeed::new("hook").url("http://127.0.0.1:1/");
    walk.debug(&sandbox::lancers::BoardSeed::new("alice", ["bob"]));
    let room = sandbox::tascha::RoomSeed::new("ckhooked", "Hooked")
        .webhook(sandbox::tascha::WebhookSeed::new("hook"));
    walk.debug(&room);
    walk.debug(&hooked);
    let tascha = sandbox::tascha::Seed::default().key(sandbox::tascha::Key::user(&*key, "alice"));
    walk.debug(&tascha);
    walk.debug(&sandbox::tascha::Key::organization(&*key, "org"));
    let lancers = sandbox::lancers::Seed::default().account("alice2", &*cookie);
    walk.debug(&lancers);
    let builder = Sandbox::builder().chatwork(seed).tascha(tascha).lancers(lancers);
    walk.debug(&builder);
    let sandbox = builder.start().await.expect("there are ports");
    walk.debug(&sandbox);
    walk.debug(&(sandbox.chatwork(), sandbox.tascha(), sandbox.lancers()));
    walk.debug(&(
        sandbox.chatwork().room(1),
        sandbox.tascha().room("r"),
        sandbox.lancers().board(BoardId(1)),
    ));
    walk.debug(&sandbox.chatwork().webhooks());
    walk.debug(&sandbox.chatwork().deliveries());
    let chatwork = sandbox.chatwork_client(&api).build().expect("a client");
    chatwork.room(RoomId(1)).post("x").await.expect("it is posted");
    sandbox.tascha_client(&key).build().expect("a client").rooms().await.expect("rooms");
    let lancers = sandbox.lancers_client(&cookie).build().expect("a client");
    let _ = lancers.boards().await;
    let before = lancers.board(BoardId(1)).before_post("x", "alice2");
    walk.debug(&before);
    walk.error(before.await.expect_err("there is no such board"));
    let board = sandbox.clients().lancers.board(sandbox.lancers().boards()[0].id);
    let sought = board.before_post("x", sandbox::lancers::Seed::USER).await.expect("a board").into_inner();
    walk.debug(&board.look_for(&sought));
    walk.debug(&board.post_once(&sought));
    walk.debug(&board.post_once(&sought).await.expect("it is posted"));
    walk.both(&kaiwa::Unsure::Changed);
    let script = Script::on("post_message").then(Fault::expired_token());
    walk.debug(&script);
    walk.debug(&Fault::late(std::time::Duration::from_secs(1)));
    walk.debug(&sandbox::Chaos::new(0.5).fault(Fault::reset()));
    sandbox.faults().script(Provider::Chatwork, script);
    walk.debug(sandbox.faults());
    walk.error(chatwork.room(RoomId(1)).post("x").await.expect_err("the token has expired"));
    walk.debug(&sandbox.clients());
    for request in sandbox.requests() {
        walk.debug(&request);
    }
    assert!(sandbox.requests().len() >= 4);
}
