//! Posts through an outbox in PostgreSQL, on any machine: `outbox_on_postgres KEY TEXT` adds a message, and without arguments it adds
//! none. It sends what any machine adds, until Ctrl-C. Reads `CHATWORK_API_TOKEN`, `CHATWORK_ROOM` and `DATABASE_URL`.
use anyhow::{Context, Error, Result};
use kaiwa::{chatwork::Client, outbox::Outbox};
use kaiwa_cookbook::outbox_postgres::{PostgresOutboxStore, drive};
use std::{env, sync::Arc, time::Duration};
use tokio_postgres::{NoTls, config::Config};

#[tokio::main]
async fn main() -> Result<()> {
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
        let lost = tokio::spawn(drive(connection, move || waker.wake()));
        store.migrate().await.map_err(Error::from_boxed)?;
        client.batch_execute("LISTEN kaiwa_outbox").await?; // what other machines add
        if let [_, key, text] = &env::args().collect::<Vec<_>>()[..] {
            let room = env::var("CHATWORK_ROOM").ok().and_then(|id| id.parse().ok());
            let room = chatwork.room(room.context("CHATWORK_ROOM is not the id of a room")?);
            println!("{:?}", outbox.enqueue(key, room.post(text)).await?);
        }
        // Until the connection is lost. Without a server the program ends, and what runs it starts it again.
        let stop = async {
            tokio::select! { _ = lost => false, _ = tokio::signal::ctrl_c() => true }
        };
        let mut stopped = false;
        outbox.run(async { stopped = stop.await }).await;
        if stopped {
            return Ok(());
        }
    }
}
