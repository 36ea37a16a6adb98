//! A program that posts messages, and is killed at any moment: `poster STORE NAME MESSAGES SETTLE TOWN UNTIL`. It prints the key of
//! each message that it has put into its outbox, and `done` once all are `sent`, of which some are alike, or also `looked` for again. STORE is a file of
//! SQLite, or where a database of PostgreSQL is: `postgres://…`.

use kaiwa::StoreError;
use kaiwa::outbox::Phase;
use services::store::open;
use services::town::{Program, Town, text};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StoreError> {
    let [store, name, messages, settle, town, until] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "6 arguments")?;
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let town = Town::read(&town);
    let program = town.program(open(&store, &town).await?, Duration::from_secs(settle.parse()?))?;
    let adding = async {
        add(&program, &name, messages.parse()?, until == "sent").await?;
        while !is_done(&program, until == "looked").await? {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok::<_, StoreError>(())
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let added = async {
        let added = adding.await;
        drop(stop);
        added
    };
    let (added, ()) =
        futures_util::future::join(added, program.outbox.run(async { drop(stopped.await) })).await;
    added?;
    println!("done");
    Ok(())
}

/// Adds what an earlier run has not.
async fn add(program: &Program, name: &str, messages: usize, alike: bool) -> Result<(), kaiwa::Error> {
    let (mut known, mut unknown) = (0, messages);
    while known < unknown {
        let middle = usize::midpoint(known, unknown);
        match program.outbox.status(&format!("{name}-{middle}")).await? {
            Some(_) => known = middle + 1,
            None => unknown = middle,
        }
    }
    // The last one may be stored although nobody was told.
    for number in known.saturating_sub(1)..messages {
        let key = format!("{name}-{number}");
        program.enqueue(&key, number, text(&key, number, alike)).await?;
        println!("{key}");
    }
    Ok(())
}

/// Whether all is closed, and, if asked, nothing is to be looked for again.
async fn is_done(program: &Program, looked: bool) -> Result<bool, kaiwa::Error> {
    for phase in [Phase::Waiting, Phase::Sending] {
        if !program.outbox.list(Some(phase), 1).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(!looked || program.outbox.list(None, usize::MAX).await?.iter().all(|entry| entry.not_before.is_none()))
}
