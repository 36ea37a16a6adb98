//! Reminds a Chatwork room of its overdue tasks, for example each morning by cron: `overdue_tasks`. Reads `CHATWORK_API_TOKEN` and
//! `CHATWORK_ROOM`.
use anyhow::{Context, Result};
use kaiwa::chatwork::notation::{MessageBuilder, parse};
use kaiwa::chatwork::{self, LimitType, Reconcile, Task, TaskStatus};
use kaiwa::jiff::{Timestamp, tz};
use std::{collections::BTreeSet, env};

#[tokio::main]
async fn main() -> Result<()> {
    let room = env::var("CHATWORK_ROOM").ok().and_then(|id| id.parse().ok());
    let room = chatwork::Client::from_env()?.room(room.context("CHATWORK_ROOM is not the id of a room")?);

    let day = |time: Timestamp| time.to_zoned_datetime(tz::TimeZone::fixed(tz::offset(9))).date(); // in Japan
    let now = Timestamp::now();
    let is_overdue = |task: &&Task| match (task.limit_time, &task.limit_type) {
        (None, _) | (_, Some(LimitType::None)) => false,
        (Some(limit), Some(LimitType::Date)) => day(limit) < day(now),
        (Some(limit), _) => limit < now,
    };
    let open = room.tasks().status(TaskStatus::Open).await?; // at most 100, and a filter has no more
    let mut overdue: Vec<_> = open.iter().filter(is_overdue).collect();
    if overdue.is_empty() {
        println!("nothing is overdue");
        return Ok(());
    }
    overdue.sort_by_key(|task| task.limit_time);
    let accounts: BTreeSet<_> = overdue.iter().map(|task| task.account.account_id).collect();
    let to = accounts.into_iter().fold(MessageBuilder::new(), MessageBuilder::to);
    let message = to.info("期限を過ぎたタスク", |info| {
        overdue.iter().fold(info, |info, task| {
            let due = task.limit_time.map(|time| day(time).to_string()).unwrap_or_default();
            let text: String = parse(&task.body).plain_text().chars().take(200).collect(); // 100 fit in a message
            info.text(format!("{due} {}: {text}\n", task.account.name))
        })
    });
    let sent = room.post(message).with_reconcile(Reconcile::new()).await?;
    println!("{} tasks are overdue: message {}", overdue.len(), sent.message_id);
    Ok(())
}
