//! Makes a task in a TAS-CHA room, once for each key: `tascha_task KEY TITLE [DUE]`, with a time such as `2026-12-01T18:00:00+09:00`.
//! Reads `TASCHA_API_KEY` and `TASCHA_ROOM`.
use anyhow::{Context, Result, ensure};
use kaiwa::jiff::Timestamp;
use kaiwa::tascha;
use std::env;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let (key, title) = (arguments.next(), arguments.next());
    let (key, title) = key.zip(title).context("usage: tascha_task KEY TITLE [DUE]")?;
    let due = arguments
        .next()
        .map(|due| due.parse::<Timestamp>().context("DUE is not a time such as 2026-12-01T18:00:00+09:00"))
        .transpose()?;
    ensure!(arguments.next().is_none(), "usage: tascha_task KEY TITLE [DUE]");
    let room = tascha::Client::from_env()?.room(env::var("TASCHA_ROOM").context("TASCHA_ROOM is not set")?);

    // Under the same key the service does it once and gives the same answer, for 24 hours, also if the program was killed.
    let mut task = room.create_task(title);
    if let Some(due) = due {
        task = task.due_date(due);
    }
    let task = task.with_idempotency_key(key).await?;
    let due = task.due_date.map(|due| format!(", due {due}")).unwrap_or_default();
    println!("task {}: {}{due}", task.id, task.title);
    Ok(())
}
