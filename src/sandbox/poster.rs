//! Posts webhooks to receivers on this machine.

use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, Uri, header};
use futures::future::{Either, select};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::net::TcpStream;

/// A receiver has this long to answer, in real time, as its socket is real.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read.
pub(crate) const MAX_ANSWER: usize = 2048;

/// What a receiver answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    pub(crate) status: StatusCode,
    /// Whether the answer was read to its end: it was not cut off, and no longer than [`MAX_ANSWER`].
    pub(crate) complete: bool,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Posts JSON to `url`, once.
///
/// # Errors
///
/// Why there is no answer, as text. To anything but an `http` URL on loopback nothing is sent.
pub(crate) async fn post(
    url: &str,
    headers: &[(&'static str, &str)],
    body: String,
) -> Result<Receipt, String> {
    match tokio::time::timeout(TIMEOUT, exchange(url, headers, body)).await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in 10 seconds".to_owned()),
    }
}

async fn exchange(url: &str, headers: &[(&'static str, &str)], body: String) -> Result<Receipt, BoxError> {
    let uri: Uri = url.parse()?;
    let authority = uri.authority().ok_or("the URL has no host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if uri.scheme_str() != Some("http") || !loopback {
        return Err("the sandbox posts to http URLs of loopback addresses only".into());
    }
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Not `path_and_query`, which has no path if the URL has a query alone.
    let target = uri.query().map_or_else(|| uri.path().to_owned(), |query| format!("{}?{query}", uri.path()));
    let mut request = Request::post(target)
        .header(header::HOST, authority.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))?;
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::try_from(*value)?);
    }
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let complete = axum::body::to_bytes(Body::new(response.into_body()), MAX_ANSWER).await.is_ok();
        Ok(Receipt { status, complete })
    };
    // The connection moves only while it is polled; it is dropped with the exchange.
    match select(pin!(exchange), pin!(connection)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right((Err(error), _)) => Err(error.into()),
        Either::Right((Ok(()), exchange)) => exchange.await,
    }
}
