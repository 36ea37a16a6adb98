//! Reaches Chatwork through a company's proxy, with its certificate: `custom_http_client`. Reads `CHATWORK_API_TOKEN`, `PROXY_URL`,
//! `PROXY_USER` and `PROXY_PASSWORD` if it asks for them, and `PROXY_CA` (a PEM file) if it decrypts TLS.
use anyhow::{Context, Result};
use kaiwa::chatwork::Client;
use std::{env, fs, time::Duration};

#[tokio::main]
async fn main() -> Result<()> {
    let mut proxy = reqwest::Proxy::all(env::var("PROXY_URL").context("PROXY_URL is not set")?)?;
    if let (Ok(user), Ok(password)) = (env::var("PROXY_USER"), env::var("PROXY_PASSWORD")) {
        proxy = proxy.basic_auth(&user, &password);
    }
    let mut http = reqwest::Client::builder().proxy(proxy).tcp_keepalive(Duration::from_secs(60));
    if let Ok(path) = env::var("PROXY_CA") {
        let certificate = fs::read(&path).context(path)?;
        http = http.add_root_certificate(reqwest::Certificate::from_pem(&certificate)?);
    }
    // The client takes a builder: it follows no redirect, which could carry the token elsewhere.
    let chatwork = Client::builder_from_env()?.http_client(http).build()?;
    let me = chatwork.me().await?;
    println!("{} (account {}), status {}", me.name, me.account_id, me.status());
    Ok(())
}
