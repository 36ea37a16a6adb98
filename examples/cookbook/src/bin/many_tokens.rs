//! Prints what is unread in several Chatwork accounts at once: `many_tokens`. Reads `CHATWORK_API_TOKENS`, separated by blanks.
use anyhow::{Context, Result, ensure};
use kaiwa::chatwork::{Client, MyStatus};
use std::env;
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<()> {
    let tokens = env::var("CHATWORK_API_TOKENS").context("CHATWORK_API_TOKENS is not set")?;
    let url = env::var("CHATWORK_BASE_URL").ok();
    let mut accounts = JoinSet::new();
    for (number, token) in tokens.split_whitespace().enumerate() {
        // A client for each token, made once and cloned: the service counts the calls of each account, and so does its client.
        let builder = Client::builder().api_token(token);
        let client = url.iter().fold(builder, |builder, url| builder.base_url(url)).build()?;
        accounts.spawn(async move {
            unread(&client).await.map_err(|error| format!("account {}: {error}", number + 1))
        });
    }
    // An account that fails does not hold up the others. An error has no token in it.
    let (all, mut failed) = (accounts.len(), 0);
    while let Some(account) = accounts.join_next().await {
        match account? {
            Ok((name, status)) => {
                println!("{name}: {} unread, {} to me", status.unread_num, status.mention_num)
            }
            Err(error) => {
                failed += 1;
                eprintln!("{error}");
            }
        }
    }
    ensure!(all > 0 && failed == 0, "{failed} of {all} accounts in CHATWORK_API_TOKENS failed");
    Ok(())
}

async fn unread(client: &Client) -> Result<(String, MyStatus), kaiwa::Error> {
    let name = client.me().await?.into_inner().name;
    Ok((name, client.my_status().await?.into_inner()))
}
