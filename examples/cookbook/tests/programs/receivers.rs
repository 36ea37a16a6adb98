//! Bots behind three servers, and a webhook that only stores.

use crate::{PATIENCE, ROOM, Town, end, free_address, interrupt, postgres, program};
use kaiwa::chatwork::webhook::{SIGNATURE_HEADER, Verifier};
use kaiwa::jiff::Timestamp;
use kaiwa::outbox::{Filter, OUTBOX, OutboxStore, Phase, SqliteOutboxStore};
use kaiwa::sandbox::chatwork::{Delivery, Webhook};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Of a webhook: 32 bytes in base64.
const TOKEN: &str = "a2Fpd2Etc2FuZGJveC1jb29rYm9vay10b2tlbi0tLTE=";

/// Starts a program that listens there, and registers the webhook of the account.
async fn listen(town: &Town, command: &mut Command, address: &str) -> Child {
    let child = command
        .env("CHATWORK_WEBHOOK_TOKEN", TOKEN)
        .env("ADDRESS", address)
        .stdout(Stdio::null())
        .spawn()
        .expect("it is built with the tests");
    let listens = async {
        while TcpStream::connect(address).is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, listens).await.expect("it listens");
    town.sandbox.chatwork().add_webhook(Webhook::account(1, format!("http://{address}/")).token(TOKEN));
    child
}

/// Delivers something, and returns the status.
async fn deliver(address: &str, body: &str, signature: Option<&str>) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().expect("it needs nothing");
    let mut request = client.post(format!("http://{address}/")).body(body.to_owned());
    if let Some(signature) = signature {
        request = request.header(SIGNATURE_HEADER, signature);
    }
    request.send().await.expect("it answers").status().as_u16()
}

/// Delivers an event of a message by Alice, as the service would. Its text is part of the JSON.
async fn tell(address: &str, event: &str, id: u32, text: &str) -> u16 {
    let now = Timestamp::now().as_second();
    let author = if event == "mention_to_me" { "from_account_id" } else { "account_id" };
    let body = format!(
        r#"{{"webhook_setting_id":"1","webhook_event_type":"{event}","webhook_event_time":{now},"webhook_event":{{
           "{author}":2,"to_account_id":1,"room_id":{ROOM},"message_id":"{id}","body":"{text}","send_time":{now},"update_time":0}}}}"#
    );
    let signature = Verifier::new(TOKEN).expect("a token").sign(body.as_bytes());
    deliver(address, &body, Some(&signature)).await
}

/// What was delivered for the message with this part, once it was answered.
async fn delivered(town: &Town, part: &str) -> Delivery {
    let seen = async {
        loop {
            let found = town.sandbox.chatwork().deliveries().into_iter();
            match found.filter(|delivery| delivery.status.is_some()).find(|sent| sent.body.contains(part)) {
                Some(delivery) => return delivery,
                None => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(PATIENCE, seen).await.expect("it is delivered")
}

/// Whether Ctrl-C ends it well.
async fn a_bot_answers_once(program: &str, answer: &str) -> bool {
    let town = Town::new().await;
    let address = free_address();
    let mut bot = town.command(program);
    bot.env("STORE", "bot.sqlite");
    let mut child = listen(&town, &mut bot, &address).await;
    town.sandbox.chatwork().room(ROOM).post_as(2, "[To:1] おはよう");
    assert_eq!(town.arrived(answer).await, 1);

    let delivery = delivered(&town, "おはよう").await;
    assert_eq!(delivery.status, Some(200));
    // A copy is not answered again. Neither is what another signature claims, or none.
    assert_eq!(deliver(&address, &delivery.body, Some(&delivery.signature)).await, 200);
    let forged = delivery.body.replace("おはよう", "偽物です");
    assert_eq!(deliver(&address, &forged, Some(&delivery.signature)).await, 401);
    assert!([400, 401].contains(&deliver(&address, &delivery.body, None).await));
    // What is answered later was received later.
    town.sandbox.chatwork().room(ROOM).post_as(3, "[To:1] おやすみ");
    assert_eq!(town.arrived(&answer.replace("おはよう", "おやすみ")).await, 1);
    assert_eq!((town.messages(answer).len(), town.messages("偽物").len()), (1, 0));

    // Killed and started again, it knows what it has answered. It has noted that both answers are there: otherwise it would
    // look for them first, after a minute and a half.
    let store =
        SqliteOutboxStore::open(town.folder.path().join("bot.sqlite")).await.expect("it is open for both");
    let noted = async {
        let closed = || async {
            store.list(Filter::new(OUTBOX, 9).phase(Phase::Sent)).await.expect("it is read").len()
        };
        while closed().await < 2 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, noted).await.expect("it notes what it has posted");
    child.kill().await.expect("it runs");
    let mut child = listen(&town, &mut bot, &address).await;
    assert_eq!(deliver(&address, &delivery.body, Some(&delivery.signature)).await, 200);
    town.sandbox.chatwork().room(ROOM).post_as(2, "[To:1] こんにちは");
    town.arrived(&answer.replace("おはよう", "こんにちは")).await;
    assert_eq!(town.messages(answer).len(), 1);
    interrupt(&mut child).await
}

#[tokio::test]
async fn a_bot_behind_axum_answers_once() {
    assert!(a_bot_answers_once(program!("receive_axum"), "「おはよう」ですね。").await);
}

#[tokio::test]
async fn a_bot_behind_actix_answers_once() {
    assert!(a_bot_answers_once(program!("receive_actix"), "「おはよう」ですね。").await);
}

#[tokio::test]
async fn a_bot_behind_hyper_answers_once() {
    // It has no line for Ctrl-C, which ends it like a kill.
    assert!(!a_bot_answers_once(program!("receive_hyper"), "\nおはよう").await);
}

/// With few files that it may open, connections of strangers, and messages that are long or not for it.
async fn a_bot_is_not_deaf(program: &str) {
    let (town, address) = (Town::new().await, free_address());
    let mut bot = town.command("sh");
    bot.args(["-c", "ulimit -n 40 && exec \"$0\"", program]).env("STORE", "bot.sqlite");
    let _child = listen(&town, &mut bot, &address).await;
    let strangers: Vec<_> = (0..60).map(|_| TcpStream::connect(&address).expect("it listens")).collect();
    sleep(Duration::from_millis(300)).await;
    drop(strangers);

    assert_eq!(tell(&address, "message_created", 1, "for all").await, 200);
    // As JSON may write them: twelve bytes each.
    let longest = format!("[To:1] {}", r"\ud83d\ude00".repeat(65_000));
    assert_eq!(tell(&address, "mention_to_me", 2, &longest).await, 200);
    assert_eq!(town.arrived("😀").await, 1);
    // Messages of one room are answered in their order.
    assert_eq!(town.messages("for all").len(), 0);
}

#[tokio::test]
async fn a_bot_behind_axum_is_not_deaf() {
    a_bot_is_not_deaf(program!("receive_axum")).await;
}

#[tokio::test]
async fn a_bot_behind_actix_is_not_deaf() {
    a_bot_is_not_deaf(program!("receive_actix")).await;
}

#[tokio::test]
async fn a_bot_behind_hyper_is_not_deaf() {
    a_bot_is_not_deaf(program!("receive_hyper")).await;
}

#[tokio::test]
async fn a_webhook_answers_also_if_its_database_does_not() {
    let (town, address) = (Town::new().await, free_address());
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("postgres://kaiwa@{}/postgres", silent.local_addr().expect("it is bound"));
    let (_, port) = address.split_once(':').expect("a port");
    let mut webhook = town.command(program!("serverless_webhook"));
    webhook.env("DATABASE_URL", url).env("PORT", port);
    let _child = listen(&town, &mut webhook, &address).await;
    let told = timeout(PATIENCE, tell(&address, "mention_to_me", 1, "[To:1] 申請します")).await;
    assert_eq!(told.expect("it answers"), 200);
}

#[tokio::test]
async fn a_serverless_webhook_stores_before_it_responds_and_a_job_posts() {
    let town = Town::new().await;
    let server = postgres::Server::start();
    server.client().await;
    let address = free_address();
    let (_, port) = address.split_once(':').expect("a port");
    let mut webhook = town.command(program!("serverless_webhook"));
    webhook.env("DATABASE_URL", server.url()).env("PORT", port);
    let mut child = listen(&town, &mut webhook, &address).await;
    town.sandbox.chatwork().room(ROOM).post_as(2, "[To:1] 申請します");
    let delivery = delivered(&town, "申請します").await;
    assert_eq!(delivery.status, Some(200));
    // Once it has responded, it may be gone.
    child.kill().await.expect("it runs");
    assert_eq!(town.messages("受け付けました。").len(), 0);
    let mut child = listen(&town, &mut webhook, &address).await;
    assert_eq!(deliver(&address, &delivery.body, Some(&delivery.signature)).await, 200);
    assert_eq!(deliver(&address, &delivery.body, Some("d3Jvbmc=")).await, 401);
    town.sandbox.chatwork().room(ROOM).post_as(3, "[To:1] 私もです");
    delivered(&town, "私もです").await;
    child.kill().await.expect("it runs");

    let mut job = town.command(program!("serverless_webhook"));
    job.arg("deliver").env("DATABASE_URL", server.url());
    for _ in 0..2 {
        let ended = end(&mut job, "").await;
        assert!(ended.success, "{ended:?}");
    }
    let answers = town.messages("受け付けました。");
    let [first, second] = &answers[..] else { panic!("{answers:?}") };
    assert!(first.body.starts_with("[rp aid=2 to=100-"), "{}", first.body);
    assert!(second.body.starts_with("[rp aid=3 to=100-"), "{}", second.body);
}
