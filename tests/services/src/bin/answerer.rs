//! A bot that answers questions, and is killed at any moment: `answerer STORE SETTLE TOWN SOURCE`. SOURCE is `watch` or
//! `webhooks`. It shuts down when its input ends.

use kaiwa::bot::Source;
use kaiwa::chatwork::RoomId;
use services::bots::{answer, bot, input_ends};
use services::town::{CHATS, Town, chat};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let [store, settle, town, source] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "4 arguments")?;
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let (bot, client) = bot(&store, &Town::read(&town), Duration::from_secs(settle.parse()?)).await?;
    let source = match &*source {
        // Questions that were asked before the first start are questions too.
        "watch" => client.watch((0..CHATS).map(chat).map(RoomId)).from_window().into(),
        _ => Source::webhooks(),
    };
    bot.shutdown(input_ends()).run(source, answer).await?;
    println!("done");
    Ok(())
}
