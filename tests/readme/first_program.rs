use kaiwa::chatwork;

#[tokio::main]
async fn main() -> Result<(), kaiwa::Error> {
    let chatwork = chatwork::Client::from_env()?; // CHATWORK_API_TOKEN
    let me = chatwork.me().await?;
    let sent = chatwork.room(me.room_id).post("こんにちは、ボットです").await?;
    println!("{} posted message {}", me.name, sent.message_id);
    Ok(())
}
