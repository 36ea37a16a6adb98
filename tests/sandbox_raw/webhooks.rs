//! Chatwork's webhooks, from the receiver's side.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use kaiwa::VirtualClock;
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::{Delivery, Seed, View, Webhook};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::Duration;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

async fn receiver(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    server
}

async fn delivered(chatwork: &View, count: usize) -> Vec<Delivery> {
    let deliveries = async {
        while chatwork.deliveries().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        chatwork.deliveries()
    };
    tokio::time::timeout(Duration::from_secs(5), deliveries).await.expect("they are delivered")
}

fn assert_signed(request: &Request, token: &str) {
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(token).unwrap()).unwrap();
    mac.update(&request.body);
    let expected = STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(request.headers["x-chatworkwebhooksignature"], *expected);
    let in_query = request.url.query_pairs().find(|(name, _)| name == "chatwork_webhook_signature").unwrap();
    assert_eq!(in_query.1, expected);
}

#[tokio::test]
async fn events_are_signed_and_posted() {
    let receiver = receiver(ResponseTemplate::new(200)).await;
    let clock = VirtualClock::new();
    let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(Seed::default()).start().await.unwrap();
    let chatwork = sandbox.chatwork();
    let room = chatwork.add_webhook(Webhook::room(1, 100, format!("{}/room?code=7", receiver.uri())));
    let account = chatwork.add_webhook(Webhook::account(1, format!("{}/account", receiver.uri())));

    let id = chatwork.room(100).post_as(2, "[To:1] 元気？");
    clock.advance(Duration::from_secs(1));
    chatwork.room(100).edit(&id, "[To:1] 元気です？");
    // Another room, and no mention.
    chatwork.room(200).post_as(2, "elsewhere");
    delivered(&chatwork, 3).await;

    let requests = receiver.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3);
    assert!(requests[0].url.query().unwrap().ends_with("&code=7"));
    assert_eq!(requests[0].headers["user-agent"], "ChatWork-Webhook/1.0.0");
    assert_eq!(requests[0].headers["content-type"], "application/json");
    for (request, token) in requests.iter().zip([&room.token, &account.token, &room.token]) {
        assert_signed(request, token);
    }
    let bodies: Vec<Value> =
        requests.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    let sent = 1_767_193_200;
    assert_eq!(
        bodies[0],
        json!({
            "webhook_setting_id": room.setting_id,
            "webhook_event_type": "message_created",
            "webhook_event_time": sent,
            "webhook_event": {
                "message_id": id,
                "room_id": 100,
                "account_id": 2,
                "body": "[To:1] 元気？",
                "send_time": sent,
                "update_time": 0,
            },
        })
    );
    assert_eq!(
        bodies[1]["webhook_event"],
        json!({
            "from_account_id": 2,
            "to_account_id": 1,
            "room_id": 100,
            "message_id": id,
            "body": "[To:1] 元気？",
            "send_time": sent,
            "update_time": 0,
        })
    );
    assert_eq!(bodies[2]["webhook_event_type"], "message_updated");
    assert_eq!(bodies[2]["webhook_event"]["update_time"], sent + 1);
}

#[tokio::test]
async fn a_failed_webhook_is_not_sent_again() {
    let receiver = receiver(ResponseTemplate::new(200).set_body_string("x".repeat(2049))).await;
    let seed = Seed::default()
        .webhook(Webhook::room(1, 100, receiver.uri()).only_created())
        .webhook(Webhook::room(1, 100, "http://127.0.0.1:1/").only_created())
        .webhook(
            Webhook::room(1, 100, "https://example.com/")
                .only_created()
                .token("sz6o4tXnI0nm0KBdqHOeCJc6ekI="),
        );
    let sandbox = Sandbox::builder().chatwork(seed).start().await.unwrap();
    let chatwork = sandbox.chatwork();
    assert_eq!(chatwork.webhooks()[2].token, "sz6o4tXnI0nm0KBdqHOeCJc6ekI=");
    let id = chatwork.room(100).post_as(2, "a");
    chatwork.room(100).edit(&id, "b");
    let deliveries = delivered(&chatwork, 3).await;
    assert_eq!(deliveries[0].status, Some(200));
    assert!(deliveries[0].error.as_deref().unwrap().contains("2048"));
    assert!(deliveries[1].status.is_none() && deliveries[1].error.is_some());
    assert!(deliveries[2].error.as_deref().unwrap().contains("loopback"));
    assert_eq!(receiver.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_webhook_that_keeps_failing_is_switched_off() {
    let receiver = receiver(ResponseTemplate::new(204)).await;
    let seed = Seed::default()
        .webhook_errors(1)
        .webhook(Webhook::room(1, Seed::ROOM, receiver.uri()))
        .webhook(Webhook::room(1, Seed::SECOND_ROOM, receiver.uri()));
    let sandbox = Sandbox::builder().chatwork(seed).start().await.unwrap();
    let chatwork = sandbox.chatwork();
    let enabled = || chatwork.webhooks().iter().map(|webhook| webhook.enabled).collect::<Vec<_>>();
    chatwork.room(Seed::ROOM).post_as(2, "one");
    delivered(&chatwork, 1).await;
    assert_eq!(enabled(), [true, true]);
    chatwork.room(Seed::ROOM).post_as(2, "two");
    delivered(&chatwork, 2).await;
    assert_eq!(enabled(), [false, true]);

    chatwork.room(Seed::ROOM).post_as(2, "nobody hears this");
    chatwork.room(Seed::SECOND_ROOM).post_as(2, "three");
    assert!(delivered(&chatwork, 3).await[2].body.contains("three"));

    assert!(chatwork.enable_webhook("1"));
    assert!(!chatwork.enable_webhook("9"));
    chatwork.room(Seed::ROOM).post_as(2, "four");
    assert!(delivered(&chatwork, 4).await[3].body.contains("four"));
}

/// A real `mention_to_me` had no tag.
#[tokio::test]
async fn every_message_of_a_direct_chat_mentions_the_other() {
    let receiver = receiver(ResponseTemplate::new(200)).await;
    let sandbox = Sandbox::builder().chatwork(Seed::default()).start().await.unwrap();
    let chatwork = sandbox.chatwork();
    chatwork.add_webhook(Webhook::account(1, receiver.uri()));
    let direct = chatwork.contacts(1)[0].room_id;
    let id = chatwork.room(direct).post_as(2, "お願いがあります");
    chatwork.room(direct).post_as(1, "from the account itself");
    chatwork.room(100).post_as(2, "no mention");
    chatwork.room(direct).post_as(2, "[To:1] once only");
    let deliveries = delivered(&chatwork, 2).await;
    let events: Vec<Value> =
        deliveries.iter().map(|delivery| serde_json::from_str(&delivery.body).unwrap()).collect();
    assert_eq!(deliveries[0].event_type, "mention_to_me");
    assert_eq!(events[0]["webhook_event"]["message_id"], json!(id));
    assert_eq!(
        events.iter().map(|event| event["webhook_event"]["body"].as_str().unwrap()).collect::<Vec<_>>(),
        ["お願いがあります", "[To:1] once only"]
    );
    assert_eq!(events[0]["webhook_event"]["to_account_id"], 1);
    let member = chatwork.room(direct).member(1).unwrap();
    assert_eq!((member.unread_num, member.mention_num), (2, 1));
}
