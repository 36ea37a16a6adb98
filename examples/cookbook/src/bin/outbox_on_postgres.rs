//! Posts through an outbox in PostgreSQL, on any machine: `outbox_on_postgres KEY TEXT` adds a message. Until Ctrl-C it sends what
//! any machine adds, and prints what becomes of it. Reads `CHATWORK_API_TOKEN`, `DATABASE_URL` and, for a message, `CHATWORK_ROOM`.
use anyhow::{Context, Error, Result, ensure};
use futures_util::{FutureExt, StreamExt, future::select};
use kaiwa::{chatwork::Client, outbox::Outbox};
use kaiwa_cookbook::outbox_postgres::{PostgresOutboxStore, drive};
use std::{env, sync::Arc, time::Duration};
use tokio_postgres::{NoTls, config::Config};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    ensure!(matches!(arguments.len(), 0 | 2), "usage: outbox_on_postgres [KEY TEXT]");
    let mut server: Config = env::var("DATABASE_URL").context("DATABASE_URL is not set")?.parse()?;
    // A server that is slow or gone holds up nothing for ever.
    server.options("-c statement_timeout=10s -c lock_timeout=5s");
    server.connect_timeout(Duration::from_secs(10)).tcp_user_timeout(Duration::from_secs(10));
    let chatwork = Client::from_env()?;
    loop {
        let (client, connection) = server.connect(NoTls).await?;
        let client = Arc::new(client);
        let store = PostgresOutboxStore::new(client.clone(), "kaiwa_outbox").map_err(Error::from_boxed)?;
        let outbox = Outbox::builder(store.clone()).chatwork(chatwork.clone()).build();
        let waker = outbox.clone();
        let mut lost = tokio::spawn(drive(connection, move || waker.wake()));
        store.migrate().await.map_err(Error::from_boxed)?;
        client.batch_execute("LISTEN kaiwa_outbox").await?; // what other machines add
        if let [key, text] = &arguments[..] {
            let room = env::var("CHATWORK_ROOM").ok().and_then(|id| id.parse().ok());
            let room = chatwork.room(room.context("CHATWORK_ROOM is not the id of a room")?);
            println!("{:?}", outbox.enqueue(key, room.post(text)).await?);
        }
        tokio::spawn(outbox.outcomes().for_each(async |entry| println!("{entry:?}")));
        // Until the connection is lost. Without a server the program ends, and what runs it starts it again.
        outbox.run(select(&mut lost, Box::pin(tokio::signal::ctrl_c())).map(drop)).await;
        if !lost.is_finished() {
            return Ok(());
        }
    }
}
