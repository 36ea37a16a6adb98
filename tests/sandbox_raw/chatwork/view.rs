//! The actions of other people, which a test performs for them.

use super::*;
use kaiwa::chatwork::MessageId;
use kaiwa::sandbox::chatwork::{Account, Consent, OAuthClient, Room, RoomView, Webhook};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The message of its panic.
fn complaint(act: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(act)).expect_err("it panics");
    payload.downcast_ref::<String>().cloned().expect("it has a message")
}

#[tokio::test]
async fn other_accounts_can_read_delete_and_finish() {
    let (sandbox, clock, bot) = bot().await;
    let room = sandbox.chatwork().room(100);
    let id = room.post_as(2, "[To:1] wrong room");
    assert_eq!((room.member(1).unwrap().unread_num, room.member(1).unwrap().mention_num), (4, 2));
    clock.advance(std::time::Duration::from_secs(5));
    room.delete(&id);
    assert_eq!(room.messages().pop().unwrap().body, "[deleted]");
    assert_eq!((room.member(1).unwrap().unread_num, room.member(1).unwrap().mention_num), (3, 1));
    room.read_as(1);
    assert_eq!((room.member(1).unwrap().unread_num, room.member(3).unwrap().unread_num), (0, 2));
    assert_eq!(bot.get("/rooms/100").await.ok()["unread_num"], 0);

    let task = room.assign_as(1, &[2], "Look into it")[0];
    room.finish_task(task);
    assert_eq!(bot.get("/rooms/100/tasks?status=done").await.ok()[0]["task_id"], task.0);

    let direct = sandbox.chatwork().contacts(1)[0].room_id;
    sandbox.chatwork().room(direct).post_as(2, "Psst");
    assert_eq!(bot.get(&format!("/rooms/{direct}/messages")).await.ok()[0]["body"], "Psst");
}

/// A test that acts on a missing object would pass without having tested anything.
#[tokio::test]
async fn acting_on_a_missing_object_panics() {
    let (sandbox, _, bot) = bot().await;
    let chatwork = sandbox.chatwork();
    let (nowhere, room) = (chatwork.room(555), chatwork.room(100));
    type Act = dyn Fn(&RoomView);
    let acts: [(&str, &Act); 6] = [
        ("post", &|room| drop(room.post_as(1, "x"))),
        ("edit", &|room| room.edit("1", "x")),
        ("delete", &|room| room.delete("1")),
        ("read", &|room| room.read_as(1)),
        ("assign", &|room| drop(room.assign_as(1, &[1], "x"))),
        ("finish", &|room| room.finish_task(1)),
    ];
    for (name, act) in acts {
        assert_eq!(complaint(|| act(&nowhere)), "there is no room 555", "{name}");
    }
    for act in [
        |room: &RoomView| drop(room.post_as(9, "x")),
        |room: &RoomView| drop(room.assign_as(1, &[2, 9], "x")),
    ] {
        assert!(complaint(|| act(&room)).starts_with("there is no account 9; there are [1, 2, 3, 4]"));
    }
    assert_eq!(complaint(|| room.read_as(4)), "the account 4 is not in the room 100");
    assert_eq!(complaint(|| room.edit("12", "x")), "the room 100 has no message \"12\"");
    assert_eq!(complaint(|| room.delete("x")), "the room 100 has no message \"x\"");
    assert_eq!(complaint(|| room.finish_task(12)), "the room 100 has no task 12");
    complaint(|| {
        chatwork.request_contact(9, 1, "x");
    });
    complaint(|| drop(chatwork.access_token(9, "users.all:read", std::time::Duration::from_secs(1))));
    complaint(|| chatwork.set_consent(Consent::Approve(9)));
    complaint(|| drop(chatwork.add_webhook(Webhook::account(9, "http://127.0.0.1:1/"))));
    let webhook = || Webhook::room(1, 555, "http://127.0.0.1:1/");
    assert_eq!(complaint(|| drop(chatwork.add_webhook(webhook()))), "there is no room 555 for a webhook");

    assert!(nowhere.messages().is_empty() && !nowhere.exists(), "reading does not panic");
    assert_eq!(bot.get("/rooms/100/messages").await.ok().as_array().unwrap().len(), 3, "nothing happened");
}

#[tokio::test]
async fn a_deleted_message_stays_deleted() {
    let (sandbox, _, _) = bot().await;
    let room = sandbox.chatwork().room(100);
    let id = room.post_as(2, "x");
    room.delete(&id);
    for act in [
        |room: &RoomView, id: &MessageId| room.edit(id, "y"),
        |room: &RoomView, id: &MessageId| room.delete(id),
    ] {
        assert!(complaint(|| act(&room, &id)).ends_with("of the room 100 is deleted"));
    }
    assert_eq!(room.messages().pop().unwrap().body, "[deleted]");
}

#[tokio::test]
async fn a_seed_refuses_unknown_accounts() {
    let one = || Seed::new().account(Account::new(1, "Bot"));
    let room = || Room::group(10, "x").admin(1);
    for seed in [
        one().room(room().member(9)),
        one().room(room().message(9, "x")),
        one().room(room().task(1, &[9], "x")),
        one().room(room().file(9, "x", "x")),
        one().contact(1, 9),
        one().incoming_request(9, 1, "x"),
        one().consent(Consent::Approve(9)),
        one().webhook(Webhook::account(9, "http://127.0.0.1:1/")),
    ] {
        let starting = tokio::spawn(Sandbox::builder().chatwork(seed.clone()).start());
        let panic = starting.await.expect_err("it panics").into_panic();
        let message = panic.downcast_ref::<String>().unwrap();
        assert_eq!(message, "there is no account 9; there are [1]", "{seed:?}");
    }
    let early = complaint(|| drop(Room::group(10, "x").messages(1)));
    assert_eq!(early, "name the members of the room 10 before its messages");
    assert!(Sandbox::builder().chatwork(Seed::new()).start().await.is_ok());
}

#[tokio::test]
async fn no_secret_is_printed() {
    let webhook = || Webhook::account(1, "http://127.0.0.1:1/").token("s3cret");
    let client = OAuthClient::confidential("client", "s3cret");
    let seed = Seed::default()
        .account(Account::new(5, "Eve").token("s3cret"))
        .oauth_client(client)
        .webhook(webhook());
    let printed = format!("{seed:?} {:?} {:?}", Sandbox::builder().chatwork(seed.clone()), webhook());
    assert!(!printed.contains("s3cret") && !printed.contains(Seed::TOKEN), "{printed}");
    assert!(printed.contains("Eve") && printed.contains("https://localhost/callback"));
    let (sandbox, _) = start(seed).await;
    let printed = format!("{sandbox:?} {:?}", sandbox.chatwork().webhooks());
    assert!(!printed.contains("s3cret") && printed.contains("http://127.0.0.1:1/"), "{printed}");
}
