//! Asks a proxy for a connection, and reads the status of its answer, which the HTTP client does not report.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kaiwa::Proxy;
use reqwest::Url;
use std::env;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The first line of the answer to a `CONNECT` to the URL's host; `None` if that cannot be known.
pub async fn answer(proxy: &Proxy, base_url: &str) -> Option<String> {
    if proxy.scheme() != "http" {
        return None;
    }
    let url = Url::parse(base_url).ok()?;
    let host = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
    let mut request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n");
    let user = proxy.variable().and_then(user);
    if let Some(user) = &user {
        request += &format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(user));
    }
    request += "\r\n";
    let asked = async {
        let mut stream = TcpStream::connect(proxy.address()).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        while !answer.contains(&b'\n') && answer.len() < 200 {
            if stream.read_buf(&mut answer).await.ok()? == 0 {
                break;
            }
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        let line: String = text.lines().next()?.chars().filter(|character| !character.is_control()).collect();
        // The line could repeat the password.
        Some(match user {
            Some(_) => line.split(' ').take(2).collect::<Vec<_>>().join(" "),
            None => line,
        })
    };
    tokio::time::timeout(TIMEOUT, asked).await.ok()?
}

/// User name and password, as they are sent.
fn user(variable: &str) -> Option<String> {
    let value = env::var(variable).ok()?;
    let value = if value.contains("://") { value } else { format!("http://{value}") };
    let url = Url::parse(&value).ok()?;
    let plain = |text: &str| percent_decoded(text);
    let has_user = !url.username().is_empty() || url.password().is_some();
    has_user.then(|| format!("{}:{}", plain(url.username()), plain(url.password().unwrap_or_default())))
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let coded = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match coded.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                plain.push(decoded);
                at += 3;
            }
            None => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}
