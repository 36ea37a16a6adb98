//! Posts through an outbox in PostgreSQL: `DATABASE_URL=postgres://… cargo run --bin outbox_on_postgres -- KEY TEXT`, on any
//! machine. `CHATWORK_API_TOKEN` and `CHATWORK_ROOM` name the room; without a token the sandbox plays it.
use kaiwa::{StoreError, chatwork, outbox::Outbox, sandbox::Sandbox};
use kaiwa_cookbook::outbox_postgres::{PostgresOutboxStore, drive};
use std::{env, sync::Arc, time::Duration};
use tokio_postgres::{NoTls, config::Config};

#[tokio::main]
async fn main() -> Result<(), StoreError> {
    let mut server: Config = env::var("DATABASE_URL").map_err(|_| "DATABASE_URL is not set")?.parse()?;
    // A server that is slow or gone holds up nobody for ever.
    server.options("-c statement_timeout=10s -c lock_timeout=5s");
    server.connect_timeout(Duration::from_secs(10)).tcp_user_timeout(Duration::from_secs(10));
    let (live, sandbox) = (env::var("CHATWORK_API_TOKEN").is_ok(), Sandbox::start().await?);
    let chatwork = if live { chatwork::Client::from_env()? } else { sandbox.clients().chatwork };
    loop {
        let (client, connection) = server.connect(NoTls).await?;
        let client = Arc::new(client);
        let store = PostgresOutboxStore::new(client.clone(), "kaiwa_outbox")?;
        let outbox = Outbox::builder(store.clone()).chatwork(chatwork.clone()).build();
        let lost = tokio::spawn(drive(connection, {
            let outbox = outbox.clone();
            move || outbox.wake()
        }));
        store.migrate().await?;
        client.batch_execute("LISTEN kaiwa_outbox").await?; // what other machines add
        if let [_, key, text] = &env::args().collect::<Vec<_>>()[..] {
            let room = chatwork.room(env::var("CHATWORK_ROOM").unwrap_or("100".into()).parse()?);
            println!("{:?}", outbox.enqueue(key, room.post(text)).await?);
        }
        if !live {
            outbox.deliver_due().await?;
            println!("{:?}", outbox.list(None, 100).await?);
            return Ok(());
        }
        // Until the connection is lost. Without a server the program ends, and what runs it starts it again.
        outbox.run(async { drop(lost.await) }).await;
    }
}
