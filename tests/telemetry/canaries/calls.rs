//! Clients, requests, answers and lists.

use super::{Walk, echoes};
use crate::server::{Server, Step, clients};
use futures::StreamExt;
use kaiwa::chatwork::{self, AccountId, FileId, RequestId, RoomId, TaskId};
use kaiwa::lancers::BoardId;
use kaiwa::oauth::OAuth;
use kaiwa::{BearerToken, CallEvent, Method, RetryPolicy, Secret, Upload, VirtualClock, tascha};
use serde_json::json;
use std::sync::{Arc, Mutex};

/// Clients with every kind of credential, of services that repeat it.
pub async fn credentials(walk: &mut Walk) {
    let clock = VirtualClock::new();
    for kind in ["api-token", "bearer", "header", "call-header"] {
        let secret = walk.plant(&format!("chatwork-{kind}"));
        let server = Server::play(echoes(&secret)).await;
        let builder = clients::chatwork(&server, &clock).retry(RetryPolicy::none());
        let builder = match kind {
            "api-token" => builder.api_token(&*secret),
            "bearer" => builder.bearer(&*secret),
            "header" => builder.header("x-a", &secret),
            _ => builder,
        };
        let events = Arc::new(Mutex::new(Vec::new()));
        let pushed = Arc::clone(&events);
        let builder = builder
            .on_event(move |event: &CallEvent| pushed.lock().expect("not poisoned").push(event.clone()));
        walk.debug(&builder);
        let client = builder.build().expect("a client");
        let room = client.room(RoomId(1));
        walk.debug(&client);
        walk.debug::<kaiwa::Client<kaiwa::chatwork::Chatwork>>(&client);
        walk.debug(&room);
        let value = if kind == "call-header" { &*secret } else { "x" };
        for number in 0..echoes(&secret).len() {
            let error = match number % 3 {
                0 => clock.drive(room.post("x").with_header("x-b", value)).await.map(drop),
                1 => clock.drive(client.me().with_header("x-b", value)).await.map(drop),
                _ => clock.drive(room.message("1").update("x").with_header("x-b", value)).await.map(drop),
            };
            walk.error(error.expect_err("no answer is a good one"));
        }
        assert!(server.seen().iter().all(|seen| seen.head.contains(&secret)));
        for event in &*events.lock().expect("not poisoned") {
            walk.debug(event);
            walk.debug(&event.kind);
        }
    }
    for kind in ["api-key", "x-api-key", "bearer", "any-header"] {
        let secret = walk.plant(&format!("tascha-{kind}"));
        let server = Server::play(echoes(&secret)).await;
        let builder = clients::tascha(&server, &clock).retry(RetryPolicy::none());
        let builder = match kind {
            "api-key" => builder.api_key(&*secret),
            "x-api-key" => builder.x_api_key(&*secret),
            "bearer" => builder.bearer(&*secret),
            _ => builder.credential_header("x-own", &*secret),
        };
        walk.debug(&builder);
        let client = builder.build().expect("a client");
        let room = client.room("r");
        walk.debug(&(client.clone(), room.clone(), room.task("t"), room.record("r"), room.webhook("w")));
        for number in 0..echoes(&secret).len() {
            let error = match number % 3 {
                0 => clock.drive(room.post("x")).await.map(drop),
                1 => clock.drive(client.rooms()).await.map(drop),
                _ => clock.drive(room.task("t").update().title("x").version(1)).await.map(drop),
            };
            if let Err(error) = error {
                walk.error(error);
            }
        }
    }
    for kind in ["cookie", "any-header"] {
        let secret = walk.plant(&format!("lancers-{kind}"));
        let server = Server::play(echoes(&secret)).await;
        let builder = clients::lancers(&server, &clock).retry(RetryPolicy::none());
        let builder = match kind {
            "cookie" => builder.cookie(format!("sid={secret}; theme=dark")),
            _ => builder.credential_header("authorization", format!("Basic {secret}")),
        };
        walk.debug(&builder);
        let client = builder.build().expect("a client");
        let board = client.board(BoardId(1));
        walk.debug(&(client.clone(), board.clone()));
        for number in 0..echoes(&secret).len() {
            let error = match number % 2 {
                0 => clock.drive(board.post("x").file(Upload::bytes("a", "A"))).await.map(drop),
                _ => clock.drive(client.create_board(["a"])).await.map(drop),
            };
            if let Err(error) = error {
                walk.error(error);
            }
        }
        walk.debug(&(board.post("x").file(Upload::bytes("a", "A")), client.create_board(["a"])));
    }
}

/// What a builder, a request or an upload was given, and what is wrong with it.
pub async fn settings(walk: &mut Walk) {
    let (user, password, query, fragment) = (
        walk.plant("url-user"),
        walk.plant("url-password"),
        walk.plant("url-query"),
        walk.plant("url-fragment"),
    );
    for url in [
        format!("https://{user}:{password}@host.example/v2"),
        format!("https://host.example/v2?key={query}"),
        format!("https://host.example/v2#{fragment}"),
        format!("http://{user}:{password}@127.0.0.1:1/v2?{query}#{fragment}"),
        format!("ftp://{user}@host.example/"),
        format!("{user}:{password}@host"),
        format!("https://[{query}"),
    ] {
        let builder = chatwork::Client::builder().api_token("token").base_url(&url);
        walk.debug(&builder);
        walk.error(builder.build().expect_err(&url));
        let builder = OAuth::builder("id").auth_url(&url).token_url(&url).redirect_url(&url);
        walk.debug(&builder);
        if let Err(error) = builder.build() {
            walk.error(error);
        }
    }
    let broken = walk.plant("broken");
    for text in [format!("{broken}\n"), format!("\u{feff}{broken}"), format!("{broken}\0x")] {
        let text = format!("x{text}x");
        let builders = [
            chatwork::Client::builder().api_token(&*text),
            chatwork::Client::builder().bearer(&*text),
            chatwork::Client::builder().api_token("t").header("x-a", &text),
            chatwork::Client::builder().api_token("t").header(&text, "x"),
            chatwork::Client::builder().credential_header(&text, "x"),
        ];
        for builder in builders {
            walk.debug(&builder);
            match builder.build() {
                Err(error) => drop(walk.error(error)),
                Ok(client) => walk.debug(&client),
            }
        }
        if let Err(error) = BearerToken::new(&text.into()) {
            walk.error(error);
        }
    }
    let bearer = walk.plant("bearer-token");
    walk.debug(&BearerToken::new(&bearer.into()).expect("a token"));

    let clock = VirtualClock::new();
    let server = Server::play([Step::status(500)]).await;
    let client = clients::chatwork(&server, &clock).retry(RetryPolicy::none()).build().expect("a client");
    let (header, raw, form, json, file) = (
        walk.plant("call-header"),
        walk.plant("raw-query"),
        walk.plant("raw-form"),
        walk.plant("raw-json"),
        walk.plant("file-content"),
    );
    let upload = || Upload::bytes("a.txt", file.clone()).on_progress(|_| ());
    walk.debug(&upload());
    let post =
        || client.request(Method::POST, format!("/x?sig={raw}")).query("k", &raw).with_header("x-a", &header);
    let requests =
        [post().form("f", &form), post().json_body(&json!({ "j": json })), post().file("f", upload())];
    for request in requests {
        walk.debug(&request);
        walk.debug(request.endpoint());
        walk.error(clock.drive(request).await.expect_err("500"));
    }
    let spent = client.request(Method::POST, format!("//{raw}")).form("a", &form);
    walk.error(spent.await.expect_err("it leads elsewhere"));
    let request = client.room(RoomId(1)).upload(upload());
    walk.debug(&request);
    walk.error(clock.drive(request).await.expect_err("500"));
    let failing = walk.plant("reader");
    let stream = futures::stream::iter([Err::<bytes::Bytes, _>(std::io::Error::other(failing))]);
    let upload = Upload::stream("a", 3, stream);
    walk.debug(&upload);
    // Only what a reader of the caller's own says is the caller's own text; it is not looked at.
    drop(clock.drive(client.room(RoomId(1)).upload(upload)).await.expect_err("the reader fails"));
    let (code, request) = (walk.plant("link-code"), client.room(RoomId(1)));
    walk.debug(&request.create_link().code(&code));
    walk.debug(&request.update_link().code(&code));
    walk.debug(&client.create_room("Room", [AccountId(1)]).link_code(&code));
    walk.error(clock.drive(request.create_link().code(&code)).await.expect_err("500"));
    let wrong = request.create_link().code(format!("{code} with blanks"));
    walk.error(wrong.await.expect_err("a code has no blanks"));
    walk.debug(&(RetryPolicy::new(), kaiwa::RetryBudget::default(), kaiwa::Pace::new(), clock.clone()));
    walk.debug(&(kaiwa::SystemClock, kaiwa::Safety::Safe, kaiwa::AnswerShape::Any, client.rate_limit()));
    walk.debug(request.create_link().endpoint());
    walk.debug(&(request.message("1"), client.incoming_request(RequestId(1)), request.task(TaskId(1))));
    walk.both(kaiwa::Endpoint::operation(request.create_link().endpoint()));
    walk.debug(&kaiwa::Nullable::Value(1));
    let wrong = client.request(Method::GET, format!("//{raw}")).await.expect_err("it leads elsewhere");
    if let kaiwa::ErrorKind::InvalidInput(invalid) = wrong.kind() {
        walk.both(invalid);
    }
}

/// Good answers with addresses that let in whoever has them, and bad ones with what people wrote.
pub async fn answers(walk: &mut Walk) {
    let clock = VirtualClock::new();
    let (signed, invitation) = (walk.plant("signed-url"), walk.plant("invitation"));
    let file = |origin: &str| {
        json!({ "file_id": 1, "account": { "account_id": 1 }, "message_id": "1", "filename": "a", "filesize": 1,
            "upload_time": 1, "download_url": format!("{origin}/{signed}?{signed}") })
    };
    let link = json!({ "public": true, "url": format!("https://chat.example/g/{invitation}"), "need_acceptance": true });
    let server =
        Server::play([Step::ok(&link.to_string()), Step::ok(&file("https://files.example").to_string())])
            .await;
    let client = clients::chatwork(&server, &clock).build().expect("a client");
    let room = client.room(RoomId(1));
    let link = clock.drive(room.link()).await.expect("a link");
    assert!(link.url.as_ref().is_some_and(|url| url.expose().contains(&invitation)));
    walk.debug(&link);
    walk.debug(&*link);
    walk.debug(&link.url.clone().map(|url: Secret| url));
    let described = clock.drive(room.file(FileId(1)).get().create_download_url(true)).await.expect("a file");
    walk.debug(&described);
    walk.debug(&*described);
    for answer in [Step::status(403).body(&signed), Step::ok(&signed), Step::ReadThenReset] {
        let files = Server::play([answer.clone()]).await;
        let server = Server::play([Step::ok(&file(&files.url).to_string())]).await;
        let client = clients::chatwork(&server, &clock).build().expect("a client");
        let download = client.room(RoomId(1)).file(FileId(1)).download().with_retry(RetryPolicy::none());
        walk.debug(&client.room(RoomId(1)).file(FileId(1)));
        walk.debug(&download);
        match clock.drive(download.stream()).await {
            Ok(stream) => walk.debug(&stream),
            Err(error) => drop(walk.error(error)),
        }
    }
    let one = Server::play([Step::ok("A")]).await;
    let server = Server::play([Step::ok(&file(&one.url).to_string())]).await;
    let client = clients::chatwork(&server, &clock).build().expect("a client");
    let download = client.room(RoomId(1)).file(FileId(1)).download();
    walk.debug(&clock.drive(download.stream()).await.expect("a byte"));

    // What people wrote stays out of the errors of answers that do not decode.
    let body = walk.plant("message-body");
    for wrong in [
        json!({ "message_id": "1", "account": body, "body": body }),
        json!({ "message_id": { body.clone(): body }, "body": body, "send_time": body }),
        json!({ "message_id": "1", "account": { "account_id": body }, "body": [body] }),
        json!([body, { "message_id": body }]),
        json!(body),
    ] {
        let server = Server::play([Step::ok(&wrong.to_string())]).await;
        let chatwork = clients::chatwork(&server, &clock).build().expect("a client");
        let tascha = clients::tascha(&server, &clock).build().expect("a client");
        let lancers = clients::lancers(&server, &clock).build().expect("a client");
        let room = chatwork.room(RoomId(1));
        let results = [
            clock.drive(room.message("1").get()).await.map(drop),
            clock.drive(room.messages().force(true)).await.map(drop),
            clock.drive(room.tasks()).await.map(drop),
            clock.drive(tascha.room("r").messages()).await.map(drop),
            clock.drive(tascha.me()).await.map(drop),
            clock.drive(lancers.board(BoardId(1)).messages()).await.map(drop),
            clock.drive(lancers.board(BoardId(1)).get()).await.map(drop),
        ];
        for error in results.into_iter().filter_map(Result::err) {
            walk.error(error);
        }
    }
}

/// Streams, pages, checkpoints and lenient lists, of a service that repeats the credential and in which people write.
pub async fn lists(walk: &mut Walk) {
    let clock = VirtualClock::new();
    let (key, body) = (walk.plant("list-key"), walk.plant("lenient-body"));
    let items = json!({ "data": [
        { "id": "m1", "body": "good" },
        { "id": { body.clone(): body }, "body": body },
        body,
    ], "nextCursor": "c1" });
    let server = Server::play([Step::ok(&items.to_string()), Step::status(500).body(&key)]).await;
    let client = clients::tascha(&server, &clock).api_key(&*key).retry(RetryPolicy::none());
    let client = client.build().expect("a client");
    let messages = client.room("r").messages();
    walk.debug(&messages);
    walk.debug(&messages.clone().lenient());
    let lenient = clock.drive(messages.clone().lenient()).await.expect("one of three decodes");
    assert_eq!((lenient.items.len(), lenient.undecodable.len()), (1, 2));
    for rejected in &lenient.undecodable {
        // `Debug` has the item as it came, which is what the list is asked leniently for; its words are people's own.
        walk.text::<kaiwa::UndecodableItem>(format!("{rejected}\n{}\n{}", rejected.path, rejected.problem));
    }
    walk.text::<kaiwa::Lenient<tascha::Message>>(format!(
        "{} and {}",
        lenient.items.len(),
        lenient.undecodable.len()
    ));
    let good = json!({ "data": [{ "id": "m1", "body": "good" }], "nextCursor": "c1" }).to_string();
    let server = Server::play([Step::ok(&good), Step::status(500).body(&key)]).await;
    let client = clients::tascha(&server, &clock).api_key(&*key).retry(RetryPolicy::none());
    let client = client.build().expect("a client");
    let mut stream = client.room("r").messages().stream();
    walk.debug(&stream);
    clock.drive(stream.next()).await.expect("an item").expect("it is good");
    let checkpoint = stream.checkpoint();
    walk.debug(&checkpoint);
    walk.text::<kaiwa::Checkpoint>(serde_json::to_string(&checkpoint).expect("JSON"));
    if let Some(Err(error)) = clock.drive(stream.next()).await {
        walk.error(error);
    }
    let server = Server::play([Step::ok(&good)]).await;
    let other = clients::tascha(&server, &clock).api_key(&*key).build().expect("a client");
    let batch = clock.drive(other.room("r").messages().stream().next_batch(1)).await.expect("one item");
    walk.debug(&batch);
    let mut pages = client.room("r").messages().pages_from(&checkpoint).expect("it is the list's own");
    walk.debug(&pages);
    if let Some(Err(error)) = clock.drive(pages.next()).await {
        walk.error(error);
    }
    walk.error(client.rooms().pages_from(&checkpoint).expect_err("another list"));
}
