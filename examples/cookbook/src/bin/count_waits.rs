//! Counts the waits, attempts, retries and failures of its calls, by operation: `count_waits`. Reads `CHATWORK_API_TOKEN`.
use anyhow::Result;
use kaiwa::{CallEventKind, chatwork::Client};
use std::sync::{Arc, Mutex, PoisonError};
use std::{collections::BTreeMap, time::Duration};

#[tokio::main]
async fn main() -> Result<()> {
    let counts: Arc<Mutex<BTreeMap<_, (u64, Duration)>>> = Arc::default();
    let counted = Arc::clone(&counts);
    let builder = Client::builder_from_env()?.on_event(move |event| {
        let (what, time) = match event.kind {
            CallEventKind::Waited { time, .. } => ("waits", time),
            CallEventKind::Attempt { time, .. } => ("attempts", time),
            CallEventKind::Retry { wait, .. } => ("retries", wait),
            CallEventKind::Failed { time, .. } => ("failures", time),
            _ => return,
        };
        let mut counts = counted.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((event.operation.id, what)).or_default();
        (count.0, count.1) = (count.0 + 1, count.1 + time);
    });
    let done = members(&builder.build()?).await;
    for ((operation, what), (count, time)) in &*counts.lock().unwrap_or_else(PoisonError::into_inner) {
        println!("{what} of {operation}: {count}, {:.3} s", time.as_secs_f64());
    }
    Ok(done?) // also a failure is counted before
}

async fn members(chatwork: &Client) -> Result<(), kaiwa::Error> {
    for room in chatwork.rooms().await?.iter() {
        println!("{}: {} members", room.name, chatwork.room(room.room_id).members().await?.len());
    }
    Ok(())
}
