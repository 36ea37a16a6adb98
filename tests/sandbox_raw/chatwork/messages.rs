use super::*;
use kaiwa::sandbox::chatwork::{Account, Room};
use std::time::Duration;

fn bodies(answer: &Answer) -> Vec<&str> {
    answer.body.as_array().unwrap().iter().map(|message| message["body"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_message_is_created_changed_and_marked_as_deleted() {
    let (sandbox, clock, bot) = bot().await;
    let alice = Api::new(&sandbox, ALICE);
    let posted = bot.post("/rooms/100/messages", &[("body", "[To:2] 出来ました")]).await.ok();
    let id = posted["message_id"].as_str().unwrap();
    assert_eq!(id.len(), 19);
    let path = format!("/rooms/100/messages/{id}");

    let read = alice.get(&path).await.ok();
    assert_eq!(read["body"], "[To:2] 出来ました");
    assert_eq!(read["account"]["account_id"], 1);
    assert_eq!(read["update_time"], 0);
    assert_eq!(sandbox.chatwork().room(100).member(2).unwrap().mention_num, 1);

    assert_eq!(alice.put(&path, &[("body", "mine")]).await.status, 403);
    assert_eq!(alice.delete(&path, &[]).await.status, 403);
    clock.advance(Duration::from_secs(60));
    bot.put(&path, &[("body", "nobody in particular")]).await.ok();
    let read = alice.get(&path).await.ok();
    assert_eq!(read["update_time"].as_i64().unwrap(), read["send_time"].as_i64().unwrap() + 60);
    assert_eq!(sandbox.chatwork().room(100).member(2).unwrap().mention_num, 0);

    assert_eq!(bot.delete(&path, &[]).await.ok(), posted);
    assert_eq!(alice.get(&path).await.ok()["body"], "[deleted]");
    assert_eq!(bot.delete(&path, &[]).await.status, 404);
    assert_eq!(bot.get("/rooms/100/messages/1").await.status, 404);
    assert_eq!(sandbox.chatwork().room(100).messages().last().unwrap().body, "[deleted]");
}

#[tokio::test]
async fn only_a_form_in_the_body_is_read() {
    let (_sandbox, _, bot) = bot().await;
    let path = "/rooms/100/messages";
    let json =
        bot.request(Method::POST, path).header("content-type", "application/json").body(r#"{"body":"a"}"#);
    assert_eq!(bot.send(json).await.refused(400).error(), "Parameter 'body' is required");
    let query = bot.request(Method::POST, "/rooms/100/messages?body=a");
    assert_eq!(bot.send(query).await.refused(400).error(), "Parameter 'body' is required");
    assert_eq!(bot.post(path, &[("body", "")]).await.refused(400).error(), "Parameter 'body' is required");
    assert_eq!(bot.post(path, &[("body", &"会".repeat(65_536))]).await.status, 400);
    assert_eq!(bot.post(path, &[("body", &"会".repeat(65_535))]).await.status, 200);
    assert_eq!(bot.post(path, &[("body", "a"), ("self_unread", "true")]).await.status, 400);
    let several = bot.post("/rooms/100/tasks", &[]).await.refused(400);
    assert_eq!(several.body["errors"].as_array().unwrap().len(), 2);
    assert_eq!(bot.get("/rooms/100/messages?force=true").await.status, 400);
}

fn multipart(api: &Api, method: Method, path: &str, fields: &[&str]) -> reqwest::RequestBuilder {
    let parts: String =
        fields.iter().map(|field| format!("--b0\r\ncontent-disposition: form-data; {field}\r\n")).collect();
    let request = api.request(method, path).header("content-type", "multipart/form-data; boundary=b0");
    request.body(parts + "--b0--\r\n")
}

/// The live service was seen to accept it as a message.
#[tokio::test]
async fn a_post_may_be_multipart() {
    let (sandbox, _, bot) = bot().await;
    let post = |path, fields: &[&str]| bot.send(multipart(&bot, Method::POST, path, fields));
    let messages = "/rooms/100/messages";
    let fields = ["name=\"body\"\r\n\r\na & b\r\nc", "name=\"self_unread\"\r\n\r\n1"];
    post(messages, &fields).await.ok();
    assert_eq!(sandbox.chatwork().room(100).messages().last().unwrap().body, "a & b\r\nc");
    let fields = ["name=\"body\"\r\n\r\nx", "name=\"to_ids\"\r\n\r\n1,3", "name=\"limit_type\"\r\n\r\nnone"];
    assert_eq!(post("/rooms/100/tasks", &fields).await.ok()["task_ids"].as_array().unwrap().len(), 2);
    // Missing and invalid parameters are reported as for any other form; a file is not a text, and a multipart PUT is
    // not read.
    let required = "Parameter 'body' is required";
    for fields in [&[][..], &["name=\"body\"; filename=\"a.txt\"\r\n\r\na"], &["name=\"text\"\r\n\r\na"]] {
        assert_eq!(post(messages, fields).await.refused(400).error(), required, "{fields:?}");
    }
    let twice = ["name=\"body\"\r\n\r\na", "name=\"body\"\r\n\r\nb"];
    assert_eq!(post(messages, &twice).await.refused(400).error(), "Parameter 'body' is invalid");
    let id = sandbox.chatwork().room(100).messages().last().unwrap().message_id.clone();
    let update = multipart(&bot, Method::PUT, &format!("{messages}/{id}"), &["name=\"body\"\r\n\r\nb"]);
    assert_eq!(bot.send(update).await.refused(400).error(), required);
}

#[tokio::test]
async fn the_list_without_force_returns_messages_new_to_the_token_and_room() {
    let (sandbox, _, bot) = bot().await;
    let alice = Api::new(&sandbox, ALICE);
    let path = "/rooms/100/messages";
    assert_eq!(bot.get(path).await.body.as_array().unwrap().len(), 3);
    let nothing = bot.get(path).await.refused(204);
    assert_eq!(nothing.header("x-ratelimit-limit"), Some("1000000000"));
    sandbox.chatwork().room(100).post_as(3, "new");
    assert_eq!(bodies(&bot.get("/rooms/100/messages?force=0").await), ["new"]);
    assert_eq!(bot.get(path).await.status, 204);
    // Another token and another room each have a separate mark.
    assert_eq!(alice.get(path).await.body.as_array().unwrap().len(), 4);
    assert_eq!(bot.get("/rooms/200/messages").await.body.as_array().unwrap().len(), 2);
    assert_eq!(bot.get("/rooms/100/messages?force=1").await.body.as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_list_has_the_newest_hundred_messages() {
    let room = Room::group(10, "Long").admin(1).messages(10_000);
    let seed = Seed::new().account(Account::new(1, "Bot").token(BOT)).room(room);
    let (sandbox, _) = start(seed).await;
    let bot = Api::new(&sandbox, BOT);
    let newest = bot.get("/rooms/10/messages?force=1").await;
    let bodies = bodies(&newest);
    assert_eq!((bodies.len(), bodies[0], bodies[99]), (100, "Message 9901", "Message 10000"));
    assert_eq!(bot.get("/rooms/10").await.ok()["message_num"], 10_000);
}

#[tokio::test]
async fn reading_is_counted() {
    let (sandbox, _, bot) = bot().await;
    let room = bot.get("/rooms/100").await.ok();
    assert_eq!((&room["unread_num"], &room["mention_num"]), (&3.into(), &1.into()));
    assert_eq!(bot.get("/my/status").await.ok()["unread_num"], 4);
    let messages = sandbox.chatwork().room(100).messages();
    let second = [("message_id", messages[1].message_id.as_str())];

    let left = bot.put("/rooms/100/messages/read", &second).await.ok();
    assert_eq!((&left["unread_num"], &left["mention_num"]), (&1.into(), &0.into()));
    assert_eq!(bot.put("/rooms/100/messages/read", &second).await.status, 400);
    let again = bot.put("/rooms/100/messages/unread", &second).await.ok();
    assert_eq!((&again["unread_num"], &again["mention_num"]), (&2.into(), &1.into()));
    assert_eq!(bot.put("/rooms/100/messages/unread", &second).await.status, 400);
    assert_eq!(bot.put("/rooms/100/messages/unread", &[]).await.status, 400);
    assert_eq!(bot.put("/rooms/100/messages/read", &[("message_id", "1")]).await.status, 404);
    assert_eq!(bot.put("/rooms/100/messages/read", &[]).await.ok()["unread_num"], 0);
    assert_eq!(bot.put("/rooms/100/messages/read", &[]).await.status, 400);

    bot.post("/rooms/100/messages", &[("body", "read by me")]).await.ok();
    bot.post("/rooms/100/messages", &[("body", "not by me"), ("self_unread", "1")]).await.ok();
    assert_eq!(bot.get("/rooms/100").await.ok()["unread_num"], 1);
}

#[tokio::test]
async fn mentions_are_those_that_notify() {
    let (sandbox, _, _) = bot().await;
    let room = sandbox.chatwork().room(200);
    let before = room.member(1).unwrap().mention_num;
    for (body, mentions) in [
        ("[rp aid=1 to=200-1] ok", 1),
        ("[toall] hello", 1),
        ("[返信 aid=1 to=200-1] ok", 1),
        ("[qt][qtmeta aid=1 time=1][To:1]a[/qt]", 0),
        ("[引用 aid=1 time=1][To:1]a[/引用]", 0),
        ("[code][To:1][/code]", 0),
        ("[To:3]", 0),
    ] {
        let so_far = room.member(1).unwrap().mention_num;
        room.post_as(2, body);
        assert_eq!(room.member(1).unwrap().mention_num - so_far, mentions, "{body}");
    }
    assert_eq!(room.member(1).unwrap().mention_num, before + 3);
    assert_eq!(room.member(2).unwrap().mention_num, 0);
}

#[tokio::test]
async fn the_free_plan_hides_old_messages_and_reports_it() {
    let (sandbox, clock) = start(Seed::default().hide_messages_after(Duration::from_secs(40 * 86_400))).await;
    let bot = Api::new(&sandbox, BOT);
    assert_eq!(bot.get("/rooms/100/messages?force=1").await.header("chatwork-message-limitation"), None);
    let old = sandbox.chatwork().room(100).messages()[0].message_id.clone();
    clock.advance(Duration::from_secs(41 * 86_400));
    let all_hidden = bot.get("/rooms/100/messages?force=1").await.refused(204);
    assert_eq!(all_hidden.header("chatwork-message-limitation"), Some("true"));
    assert!(all_hidden.header("chatwork-message-limitation-summary").is_some());
    let hidden = bot.get(&format!("/rooms/100/messages/{old}")).await.refused(404);
    assert_eq!(hidden.header("chatwork-message-limitation"), Some("true"));
    sandbox.chatwork().room(100).post_as(2, "new");
    let some_hidden = bot.get("/rooms/100/messages?force=1").await;
    assert_eq!((some_hidden.status, bodies(&some_hidden).len()), (200, 1));
    assert_eq!(some_hidden.header("chatwork-message-limitation"), Some("true"));
}

#[tokio::test]
async fn a_list_without_new_messages_is_not_reported_as_hidden() {
    let (sandbox, clock) = start(Seed::default().hide_messages_after(Duration::from_secs(40 * 86_400))).await;
    let (bot, alice) = (Api::new(&sandbox, BOT), Api::new(&sandbox, ALICE));
    let path = "/rooms/100/messages?force=0";
    assert_eq!(bot.get(path).await.status, 200);
    clock.advance(Duration::from_secs(41 * 86_400));
    // The bot fetched the hidden messages long ago; Alice did not.
    assert_eq!(bot.get(path).await.refused(204).header("chatwork-message-limitation"), None);
    assert_eq!(alice.get(path).await.refused(204).header("chatwork-message-limitation"), Some("true"));
    sandbox.chatwork().room(100).post_as(2, "new");
    let new = bot.get(path).await;
    assert_eq!((bodies(&new), new.header("chatwork-message-limitation")), (vec!["new"], None));
}

/// The messages that the service writes itself, as they were seen in life.
#[tokio::test]
async fn changes_of_tasks_rooms_and_members_are_announced() {
    let (sandbox, _, bot) = bot().await;
    let view = sandbox.chatwork().room(100);
    let before = view.messages().len();
    let task = view.tasks()[0].task_id;
    let status = format!("/rooms/100/tasks/{task}/status");
    for body in ["open", "done", "done", "open"] {
        bot.put(&status, &[("body", body)]).await.ok();
    }
    view.finish_task(task);
    view.finish_task(task);
    bot.put("/rooms/100", &[("name", "開発部"), ("description", "新しい概要")]).await.ok();
    bot.put("/rooms/100", &[("name", "開発部"), ("icon_preset", "beer")]).await.ok();
    bot.put("/rooms/100/members", &[("members_admin_ids", "1"), ("members_readonly_ids", "2")]).await.ok();
    bot.put("/rooms/100/members", &[("members_admin_ids", "1"), ("members_member_ids", "2,3")]).await.ok();
    let carol = Api::new(&sandbox, BOB);
    assert_eq!(carol.delete("/rooms/100", &[("action_type", "leave")]).await.status, 204);
    let told: Vec<(u64, String)> = view
        .messages()
        .split_off(before)
        .into_iter()
        .map(|message| (message.account.account_id.0, message.body))
        .collect();
    let done = "[info][title][dtext:task_done][/title][task aid=1 st=done lt=0]Write the release notes[/task][/info]";
    let edited = "[info][title][dtext:chatroom_chat_edited][/title][dtext:chatroom_chatname_is]開発部[dtext:chatroom_changed]\n\
                  [dtext:chatroom_description_is]新しい概要[dtext:chatroom_changed][/info]";
    let member = |became: &str| {
        format!("[info][dtext:chatroom_member_is][piconname:3][dtext:chatroom_{became}][/info]")
    };
    let expected = [
        (1, done.to_owned()),
        (1, done.to_owned()),
        (1, edited.to_owned()),
        (1, member("deleted")),
        (1, member("added")),
        (3, member("leaved")),
    ];
    assert_eq!(told, expected);
    assert!(view.member(2).unwrap().unread_num >= expected.len(), "they are unread like any other message");
}
