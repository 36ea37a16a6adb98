//! Chatwork, from a program that does not use kaiwa's client.

mod clients;
mod files;
mod limits;
mod messages;
mod rooms;
mod tasks;
mod view;

use super::spec;
use kaiwa::VirtualClock;
use kaiwa::sandbox::chatwork::Seed;
use kaiwa::sandbox::{Provider, Sandbox};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

pub const BOT: &str = "sandbox-chatwork-token";
pub const ALICE: &str = "sandbox-chatwork-token-2";
pub const BOB: &str = "sandbox-chatwork-token-3";

/// An answer that the specification allows.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn error(&self) -> &str {
        self.body["errors"][0].as_str().unwrap()
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.body
    }

    #[track_caller]
    pub fn refused(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

pub struct Api {
    pub http: reqwest::Client,
    pub base: String,
    pub token: &'static str,
}

impl Api {
    pub fn new(sandbox: &Sandbox, token: &'static str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, base: sandbox.chatwork_url(), token }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).header("x-chatworktoken", self.token)
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = self.http.execute(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap();
        spec::check(Provider::Chatwork, method.as_str(), &path, status, &body);
        spec::check_headers(Provider::Chatwork, method.as_str(), &path, status, &headers);
        assert!(body.is_ascii(), "text outside ASCII is escaped");
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Answer { status, headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn form(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send(self.request(method, path).form(form)).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.form(Method::POST, path, form).await
    }

    pub async fn put(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.form(Method::PUT, path, form).await
    }

    pub async fn delete(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.form(Method::DELETE, path, form).await
    }
}

pub async fn start(seed: Seed) -> (Sandbox, VirtualClock) {
    let clock = VirtualClock::new();
    let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(seed).start().await.unwrap();
    (sandbox, clock)
}

/// The default data without limits, and the bot.
pub async fn bot() -> (Sandbox, VirtualClock, Api) {
    let (sandbox, clock) = start(Seed::default().unlimited()).await;
    let api = Api::new(&sandbox, BOT);
    (sandbox, clock, api)
}
