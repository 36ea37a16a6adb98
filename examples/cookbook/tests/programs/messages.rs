//! Programs that post to a Chatwork room, or read one account or several.

use crate::{ROOM, Town, end, program};
use kaiwa::chatwork::LimitType;
use kaiwa::jiff::{Timestamp, ToSpan, tz};
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use std::fs;

/// The service does it, and the answer does not arrive.
fn lose(town: &Town, operation: &str) {
    let script = Script::on(operation).then(Fault::reset().after());
    town.sandbox.faults().script(Provider::Chatwork, script);
}

#[tokio::test]
async fn a_file_is_posted_once_with_its_bytes() {
    let town = Town::new().await;
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(town.folder.path().join("日報.bin"), &bytes).expect("it is written");
    let out = town.done(program!("post_file"), &["日報.bin", "本日の日報です"]).await;

    let room = town.sandbox.chatwork().room(ROOM);
    let [file] = &room.files()[..] else { panic!("{:?}", room.files()) };
    assert_eq!(out, format!("posted 日報.bin, 1200000 bytes, as file {}\n", file.file_id));
    assert_eq!(file.filename, "日報.bin");
    assert!(room.content(file.file_id) == bytes, "the bytes are the same");
    assert_eq!(town.messages("本日の日報です").len(), 1);

    lose(&town, "upload_file");
    let out = town.done(program!("post_file"), &["日報.bin"]).await;
    let files = room.files();
    assert_eq!(files.len(), 2, "the one whose answer was lost is there once");
    assert!(
        files.iter().any(|new| new.file_id != file.file_id && out.contains(&new.file_id.to_string())),
        "{out}"
    );

    let ended = town.run(program!("post_file"), &["日報.bin", "日報.bin", "日報.bin"]).await;
    assert!(!ended.success && ended.err.contains("usage: post_file"), "{ended:?}");
    #[cfg(unix)]
    {
        // As an old archive has it: in Shift_JIS.
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"\x93\xfa.bin");
        fs::write(town.folder.path().join(name), "x").expect("it is written");
        let ended = end(town.command(program!("post_file")).arg(name), "").await;
        assert!(ended.success && room.files().len() == 3, "{ended:?}");
    }
}

#[tokio::test]
async fn a_message_is_quoted_without_its_mentions() {
    let town = Town::new().await;
    let question = town.messages("Is the build green?").remove(0);
    lose(&town, "post_message");
    let out =
        town.done(program!("quote_somebody"), &[question.message_id.as_str(), "はい、通りました"]).await;

    let answers = town.messages("はい、通りました");
    let [answer] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(out, format!("posted message {}\n", answer.message_id));
    let begin = format!("[To:3] Bobさん\n[qt][qtmeta aid=3 time={}]", question.send_time.as_second());
    assert!(answer.body.starts_with(&begin), "{}", answer.body);
    assert!(answer.body.contains("Is the build green?[/qt]"), "{}", answer.body);
    assert!(!answer.body.contains("[To:1") && !answer.body.contains('［'), "{}", answer.body);

    let long = format!("{}終わり", "長い".repeat(30_000));
    let id = town.sandbox.chatwork().room(ROOM).post_as(3, &long);
    town.done(program!("quote_somebody"), &[id.as_str(), "読みました"]).await;
    let answers = town.messages("読みました");
    assert!(
        answers[0].body.contains("長い長い") && !answers[0].body.contains("終わり"),
        "{}",
        answers[0].body
    );
}

#[tokio::test]
async fn a_text_is_posted_once_from_ci_however_often_the_job_runs() {
    let town = Town::new().await;
    let text = "ビルド 4711 [toall] が失敗しました";
    lose(&town, "post_message");
    let first = town.done(program!("notify_from_ci"), &[text]).await;
    let second = town.done(program!("notify_from_ci"), &[text]).await;

    let notices = town.messages("ビルド 4711");
    let [notice] = &notices[..] else { panic!("{notices:?}") };
    assert_eq!(first, format!("posted message {}\n", notice.message_id));
    assert_eq!(second, format!("message {} is there already\n", notice.message_id));
    assert!(!notice.body.contains("[toall]"), "it notifies no one: {}", notice.body);

    let unquoted = ["ビルド", "4711", "が失敗しました"];
    for arguments in [&unquoted[..], &[""], &[" \n"]] {
        let ended = town.run(program!("notify_from_ci"), arguments).await;
        assert!(!ended.success && ended.err.contains("TEXT"), "{ended:?}");
    }
    town.done(program!("notify_from_ci"), &["一行目\r\n二行目"]).await;
    let again = town.done(program!("notify_from_ci"), &["一行目\n二行目\n"]).await;
    assert!(again.contains("is there already"), "{again}");
}

#[tokio::test]
async fn tasks_are_overdue_at_the_end_of_their_day_or_at_their_time() {
    let now = Timestamp::now();
    let task = |room: Room, text: &str, hours: i64, kind| {
        room.task_due(1, &[2, 3], text, (now + hours.hours(), kind))
    };
    let room = Room::group(ROOM, "経理").admin(1).member(2).member(3);
    let room = task(room, "[To:2] 昨日の締め", -48, LimitType::Date);
    let room = task(room, "さっきの締め", -1, LimitType::Time);
    let room = task(room, "今日の締め", 0, LimitType::Date);
    let room = task(room, "あとの締め", 1, LimitType::Time);
    let room = task(room, "いつでもよい", -48, LimitType::None).task(1, &[2], "期限なし");
    let accounts = [(2, "Alice"), (3, "Bob")].map(|(id, name)| Account::new(id, name));
    let seed = Seed::new().account(Account::new(1, "Bot").token(Seed::TOKEN));
    let seed = accounts.into_iter().fold(seed, Seed::account).room(room);
    let town = Town::with(Sandbox::builder().chatwork(seed)).await;
    let out = town.done(program!("overdue_tasks"), &[]).await;

    let reminders = town.messages("期限を過ぎたタスク");
    let [reminder] = &reminders[..] else { panic!("{reminders:?}") };
    assert_eq!(out, format!("4 tasks are overdue: message {}\n", reminder.message_id));
    assert!(reminder.body.starts_with("[To:2][To:3]"), "{}", reminder.body);
    for (text, times) in
        [("昨日の締め", 2), ("さっきの締め", 2), ("今日", 0), ("あと", 0), ("いつでも", 0), ("なし", 0)]
    {
        assert_eq!(reminder.body.matches(text).count(), times, "{text}: {}", reminder.body);
    }
    assert_eq!(reminder.body.matches("[To:").count(), 2, "{}", reminder.body);

    let town = Town::new().await;
    let before = town.messages("").len();
    assert_eq!(town.done(program!("overdue_tasks"), &[]).await, "nothing is overdue\n");
    assert_eq!(town.messages("").len(), before);
}

#[tokio::test]
async fn a_reminder_is_by_the_days_of_japan_fits_in_a_message_and_is_posted_once() {
    let japan = tz::TimeZone::fixed(tz::offset(9));
    let today = Timestamp::now().to_zoned_datetime(japan).start_of_day().expect("a day").timestamp();
    let room = Room::group(ROOM, "経理").admin(1).member(2);
    let room = room.task_due(1, &[2], "今日になったばかり", (today, LimitType::Date));
    let room = room.task_due(1, &[2], "きのうの終わり", (today - 1.second(), LimitType::Date));
    let long = format!("長い話{}", "あ".repeat(40_000));
    let room = room.task_due(1, &[2], &*long, (today - 48.hours(), LimitType::Date));
    let room = room.task_due(1, &[2], &*long, (today - 48.hours(), LimitType::Date));
    let accounts = [Account::new(1, "Bot").token(Seed::TOKEN), Account::new(2, "Alice")];
    let seed = accounts.into_iter().fold(Seed::new(), Seed::account).room(room);
    let town = Town::with(Sandbox::builder().chatwork(seed)).await;
    lose(&town, "post_message");
    let out = town.done(program!("overdue_tasks"), &[]).await;
    assert!(out.starts_with("3 tasks are overdue"), "{out}");
    let reminders = town.messages("期限を過ぎたタスク");
    let [reminder] = &reminders[..] else { panic!("{}", reminders.len()) };
    assert!(reminder.body.contains("きのうの終わり"), "{}", reminder.body);
    assert!(!reminder.body.contains("今日になったばかり"), "{}", reminder.body);
    assert_eq!(reminder.body.matches("長い話").count(), 2);
}

#[tokio::test]
async fn a_script_without_async_reads_what_is_unread() {
    let town = Town::new().await;
    let status = town.sandbox.clients().chatwork.my_status().await.expect("it answers");
    let out = town.done(program!("sync_script"), &[]).await;
    let lines: Vec<_> = out.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("開発: 3 unread, 1 of them")), "{out}");
    let last = format!("{} unread in {} rooms", status.unread_num, status.unread_room_num);
    assert_eq!(lines.last().copied(), Some(&*last));
}

#[tokio::test]
async fn accounts_are_read_beside_one_that_fails() {
    let town = Town::new().await;
    let tokens = format!("{} wrong-token {}", Seed::TOKEN, Seed::COLLEAGUE_TOKEN);
    let mut program = town.command(program!("many_tokens"));
    let ended = end(program.env("CHATWORK_API_TOKENS", tokens), "").await;
    assert!(!ended.success, "{ended:?}");
    for name in ["Bot: ", "Alice: "] {
        assert_eq!(ended.out.lines().filter(|line| line.starts_with(name)).count(), 1, "{ended:?}");
    }
    assert!(ended.err.contains("account 2: ") && ended.err.contains("1 of 3 accounts"), "{ended:?}");
    assert!(!ended.err.contains("wrong-token"), "{ended:?}");
    let ended = end(program.env("CHATWORK_API_TOKENS", " "), "").await;
    assert!(!ended.success && ended.err.contains("CHATWORK_API_TOKENS"), "{ended:?}");
}

#[tokio::test]
async fn a_lost_answer_is_looked_for() {
    let town = Town::new().await;
    assert_eq!(town.done(program!("test_a_lost_answer"), &["一つ目"]).await, "posted\n");
    lose(&town, "post_message");
    let out = town.done(program!("test_a_lost_answer"), &["二つ目"]).await;
    assert_eq!(out, "posted; its answer was lost\n");
    assert_eq!((town.messages("一つ目").len(), town.messages("二つ目").len()), (1, 1));
}
