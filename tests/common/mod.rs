//! Shared by the integration tests: a server on loopback, and clients that ignore the environment's proxies.

use kaiwa::{RetryPolicy, chatwork, lancers, tascha};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

pub const CHATWORK_TOKEN: &str = "cw-token-7f3a";
pub const TASCHA_KEY: &str = "tcha_test_4b1d";
pub const LANCERS_COOKIE: &str = "session=9c2e; theme=dark";

/// A server that answers everything with `answer`.
pub async fn server(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

/// A server that answers everything with status 200 and this JSON text.
pub async fn json_server(body: &str) -> MockServer {
    server(json(200, body)).await
}

pub fn json(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body, "application/json; charset=utf-8")
}

pub fn chatwork(base: &str) -> chatwork::Builder {
    plain(chatwork::Client::builder().api_token(CHATWORK_TOKEN).base_url(base))
}

pub fn tascha(base: &str) -> tascha::Builder {
    plain(tascha::Client::builder().api_key(TASCHA_KEY).base_url(base))
}

pub fn lancers(base: &str) -> lancers::Builder {
    plain(lancers::Client::builder().cookie(LANCERS_COOKIE).base_url(base))
}

/// One attempt, directly to the server.
pub fn plain<S: kaiwa::Service>(builder: kaiwa::ClientBuilder<S>) -> kaiwa::ClientBuilder<S> {
    builder.retry(RetryPolicy::none()).http_client(reqwest::Client::builder().no_proxy())
}

/// The received requests, in order.
pub async fn received(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.expect("the server records requests")
}
