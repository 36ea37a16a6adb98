//! Reaches Chatwork through a company's proxy, with its certificate: `custom_http_client`. Reads `CHATWORK_API_TOKEN`, `PROXY_URL`,
//! `PROXY_USER` and `PROXY_PASSWORD` if it asks for them, and `PROXY_CA` (a PEM file) if it decrypts TLS.
use anyhow::{Context, Result, ensure};
use kaiwa::chatwork::Client;
use std::{env, fs, time::Duration};

#[tokio::main]
async fn main() -> Result<()> {
    let url = env::var("PROXY_URL").context("PROXY_URL is not set")?;
    let mut proxy = reqwest::Proxy::all(url).context("PROXY_URL is not a URL")?;
    if let (Ok(user), Ok(password)) = (env::var("PROXY_USER"), env::var("PROXY_PASSWORD")) {
        proxy = proxy.basic_auth(&user, &password);
    }
    let mut http = reqwest::Client::builder().proxy(proxy).tcp_keepalive(Duration::from_secs(60));
    if let Ok(path) = env::var("PROXY_CA") {
        let pem = fs::read(&path).with_context(|| path.clone())?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)?;
        ensure!(!certificates.is_empty(), "{path} has no certificate");
        http = certificates.into_iter().fold(http, reqwest::ClientBuilder::add_root_certificate);
    }
    // The client takes a builder: it follows no redirect, which could carry the token elsewhere.
    let chatwork = Client::builder_from_env()?.http_client(http).build()?;
    let me = chatwork.me().await?;
    println!("{} (account {}), status {}", me.name, me.account_id, me.status());
    Ok(())
}
