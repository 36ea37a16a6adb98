use super::*;
use std::time::Duration;

#[tokio::test]
async fn without_a_valid_token_no_limits_are_reported() {
    let (sandbox, _, _) = bot().await;
    let stranger = Api::new(&sandbox, "wrong");
    let refused = stranger.get("/me").await.refused(401);
    assert_eq!(refused.error(), "Invalid API Token");
    assert_eq!(refused.header("x-ratelimit-limit"), None);
    assert_eq!(refused.header("www-authenticate"), None);
    let bare = stranger.http.get(format!("{}/me", stranger.base));
    assert_eq!(stranger.send(bare).await.refused(401).header("x-ratelimit-reset"), None);
    sandbox.chatwork().revoke(BOT);
    assert_eq!(Api::new(&sandbox, BOT).get("/me").await.status, 401);
}

#[tokio::test]
async fn the_window_of_an_account_limits_and_ends() {
    let (sandbox, clock) = start(Seed::default().rate_limit(3, Duration::from_secs(300))).await;
    let bot = Api::new(&sandbox, BOT);
    let remaining = |answer: &Answer| answer.header("x-ratelimit-remaining").unwrap().to_owned();
    let first = bot.get("/me").await;
    assert_eq!((first.header("x-ratelimit-limit"), &*remaining(&first)), (Some("3"), "2"));
    let reset: i64 = first.header("x-ratelimit-reset").unwrap().parse().unwrap();
    assert_eq!(reset, 1_767_193_200 + 300);
    // A call with a missing parameter is not counted.
    assert_eq!(remaining(&bot.post("/rooms/100/messages", &[]).await.refused(400)), "2");
    bot.get("/me").await.ok();
    bot.get("/me").await.ok();
    let over = bot.get("/me").await.refused(429);
    assert_eq!((&*remaining(&over), over.header("retry-after")), ("0", None));
    assert_eq!(Api::new(&sandbox, ALICE).get("/me").await.status, 200);
    clock.advance(Duration::from_secs(299));
    assert_eq!(bot.get("/me").await.status, 429);
    clock.advance(Duration::from_secs(1));
    assert_eq!(remaining(&bot.get("/me").await), "2");
}

#[tokio::test]
async fn a_room_allows_ten_posts_in_ten_seconds() {
    let (sandbox, clock) = start(Seed::default()).await;
    let bot = Api::new(&sandbox, BOT);
    for number in 0..5 {
        bot.post("/rooms/100/messages", &[("body", "a")]).await.ok();
        bot.post("/rooms/100/tasks", &[("body", "a"), ("to_ids", "1")]).await.ok();
        if number == 0 {
            clock.advance(Duration::from_secs(2));
        }
    }
    let over = bot.post("/rooms/100/messages", &[("body", "a")]).await.refused(429);
    assert_eq!(over.error(), "Rate limit for message posting per room exceeded.");
    assert_ne!(over.header("x-ratelimit-remaining"), Some("0"));
    assert_eq!(bot.post("/rooms/100/tasks", &[("body", "a"), ("to_ids", "1")]).await.status, 429);
    assert_eq!(bot.post("/rooms/200/messages", &[("body", "a")]).await.status, 200);
    clock.advance(Duration::from_secs(8));
    for _ in 0..2 {
        bot.post("/rooms/100/messages", &[("body", "a")]).await.ok();
    }
    assert_eq!(bot.post("/rooms/100/messages", &[("body", "a")]).await.status, 429);
    assert_eq!(sandbox.chatwork().room(100).messages().len(), 3 + 12);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_answers() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let sandbox = Sandbox::builder()
            .seed(7)
            .clock(VirtualClock::new())
            .chatwork(Seed::default())
            .start()
            .await
            .unwrap();
        let bot = Api::new(&sandbox, BOT);
        bot.post("/rooms/100/messages", &[("body", "a")]).await.ok();
        bot.post("/rooms", &[("name", "x"), ("members_admin_ids", "1")]).await.ok();
        let messages = bot.get("/rooms/100/messages").await;
        runs.push((messages.body, messages.headers["date"].clone(), bot.get("/rooms").await.body));
    }
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0].1, "Wed, 31 Dec 2025 15:00:00 GMT");
}
