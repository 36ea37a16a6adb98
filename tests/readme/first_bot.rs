use kaiwa::chatwork::bot::{Bot, Context};
use kaiwa::sandbox::Sandbox;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::builder().window(true).start().await?;
    println!("Open {}", sandbox.window_url().unwrap_or_default());
    let chatwork = sandbox.clients().chatwork;

    // Without `max_interval`, quiet rooms are polled only once a minute.
    let messages = chatwork.watch_all().max_interval(Duration::from_secs(2)).stream();
    let bot = Bot::new(chatwork)
        .on_notice(|notice| eprintln!("{notice}"))
        .shutdown(async { drop(tokio::signal::ctrl_c().await) });
    let summary = bot
        .run(messages, async |context: Context| {
            if context.mentions_me() {
                // `reply` escapes its text: what a user wrote does not become a tag.
                context.reply(format!("「{}」ですね", context.own_text())).await?;
            }
            Ok::<_, kaiwa::Error>(())
        })
        .await?;
    println!("{summary:?}");
    Ok(())
}
