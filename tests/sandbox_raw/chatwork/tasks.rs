use super::*;
use jiff::Timestamp;
use kaiwa::chatwork::{LimitType, TaskStatus};
use kaiwa::sandbox::chatwork::{Account, Room};

#[tokio::test]
async fn several_assignees_make_several_tasks() {
    let (sandbox, _, bot) = bot().await;
    let form = [("body", "直す"), ("to_ids", "2,3"), ("limit", "1798675199"), ("limit_type", "date")];
    let made = bot.post("/rooms/100/tasks", &form).await.ok();
    let ids: Vec<u64> = made["task_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    let alice = Api::new(&sandbox, ALICE);
    let mine = alice.get("/my/tasks").await.ok();
    assert_eq!((&mine[0]["task_id"], &mine[0]["room"]["name"]), (&ids[0].into(), &"開発".into()));
    assert!(mine[0].get("account").is_none());
    let task = bot.get(&format!("/rooms/100/tasks/{}", ids[1])).await.ok();
    assert_eq!((&task["account"]["account_id"], &task["limit_type"]), (&3.into(), &"date".into()));
    assert_eq!((&task["limit_time"], &task["status"]), (&1_798_675_199.into(), &"open".into()));

    // The announcement is a message like any other.
    let announcement =
        bot.get(&format!("/rooms/100/messages/{}", task["message_id"].as_str().unwrap())).await.ok();
    assert!(
        announcement["body"]
            .as_str()
            .unwrap()
            .contains("[task aid=2,3 st=open lt=1798675199 ltype=date]直す")
    );
}

#[tokio::test]
async fn tasks_are_filtered_and_done() {
    let (sandbox, _, bot) = bot().await;
    let list = |query: &'static str| {
        let bot = &bot;
        async move { bot.get(&format!("/rooms/100/tasks{query}")).await }
    };
    let id =
        bot.post("/rooms/100/tasks", &[("body", "a"), ("to_ids", "3")]).await.ok()["task_ids"][0].clone();
    assert_eq!(list("?account_id=3").await.ok()[0]["limit_type"], "none");
    assert_eq!(list("?assigned_by_account_id=2").await.ok()[0]["body"], "Write the release notes");
    assert_eq!(list("?account_id=2").await.status, 204);
    assert_eq!(list("?status=later").await.status, 400);
    assert_eq!(list("?status=done").await.status, 204);
    assert_eq!(bot.get("/rooms/100").await.ok()["task_num"], 2);
    assert_eq!(bot.get("/rooms/100").await.ok()["mytask_num"], 1);

    let status = format!("/rooms/100/tasks/{id}/status");
    assert_eq!(bot.put(&status, &[]).await.refused(400).error(), "Parameter 'body' is required");
    assert_eq!(bot.put(&status, &[("body", "closed")]).await.status, 400);
    assert_eq!(bot.put(&status, &[("body", "done")]).await.ok()["task_id"], id);
    assert_eq!(list("?status=done").await.ok()[0]["task_id"], id);
    assert!(sandbox.chatwork().room(100).tasks().iter().any(|task| task.status == TaskStatus::Done));
    assert_eq!(bot.put("/rooms/100/tasks/1/status", &[("body", "done")]).await.status, 404);
    assert_eq!(bot.get("/rooms/100/tasks/1").await.status, 404);
    assert_eq!(bot.get("/my/tasks?assigned_by_account_id=3").await.status, 204);
}

#[tokio::test]
async fn seeded_tasks_can_have_deadlines() {
    let at = Timestamp::from_second(1_798_675_199).unwrap();
    let task = |room: Room, body, kind| room.task_due(2, &[1], body, (at, kind));
    let room = Room::group(100, "開発").admin(1).member(2);
    let room =
        task(task(task(room, "day", LimitType::Date), "time", LimitType::Time), "none", LimitType::None);
    let seed = Seed::new().account(Account::new(1, "Bot").token("bot")).account(Account::new(2, "Alice"));
    let sandbox = Sandbox::builder().chatwork(seed.room(room)).start().await.unwrap();
    let tasks = Api::new(&sandbox, "bot").get("/rooms/100/tasks").await.ok();
    let limits =
        |key: &str| tasks.as_array().unwrap().iter().map(|task| task[key].clone()).collect::<Vec<_>>();
    assert_eq!(limits("limit_time"), [at.as_second(), at.as_second(), 0]);
    assert_eq!(limits("limit_type"), ["date", "time", "none"]);
}

#[tokio::test]
async fn assignees_are_members() {
    let (sandbox, _, bot) = bot().await;
    let before = sandbox.chatwork().room(100).messages().len();
    assert_eq!(bot.post("/rooms/100/tasks", &[("body", "a"), ("to_ids", "2,4")]).await.status, 400);
    assert_eq!(bot.post("/rooms/100/tasks", &[("body", "a"), ("to_ids", "2,")]).await.status, 400);
    assert_eq!(
        bot.post("/rooms/100/tasks", &[("body", "a"), ("to_ids", "2"), ("limit", "soon")]).await.status,
        400
    );
    assert_eq!(sandbox.chatwork().room(100).messages().len(), before);
}
