//! Answers against the specifications, by the validator that `examples/contract_check` has for the services.

use super::schema::{Spec, What};
use bytes::Bytes;
use kaiwa::sandbox::Service;
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use std::collections::BTreeMap;

/// An answer that the specification allows.
#[derive(Debug)]
pub struct Checked {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Checked {
    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("it is JSON")
    }
}

/// Sends a request, and checks the answer against the specification.
pub trait SendTo {
    async fn send_to(self, service: Service) -> reqwest::Result<Checked>;
}

impl SendTo for RequestBuilder {
    async fn send_to(self, service: Service) -> reqwest::Result<Checked> {
        let (http, request) = self.build_split();
        let request = request?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = http.execute(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await?;
        check(service, method.as_str(), &path, status.as_u16(), &body);
        Ok(Checked { status, headers, body })
    }
}

/// Panics unless the answer is one that the specification has for the request.
pub fn check(service: Service, method: &str, path: &str, status: u16, body: &[u8]) {
    let spec = Spec::of(service);
    let Some(operation) = operation(service, spec, method, path) else { return };
    let name = operation["operationId"].as_str().unwrap_or_default();
    let response = spec.response(operation, status);
    let response = response.unwrap_or_else(|| panic!("{name}: a {status} is not in the specification"));
    match response.schema {
        Some(schema) => {
            let value: Value = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{name}: {error}"));
            // What the sandbox answers beyond its specification, no client is tested with.
            let differences = spec.compare(schema, &value).differences;
            assert!(differences.is_empty(), "{name} {status}: {}\n{value:#}", told(&differences));
        }
        None => assert!(body.is_empty(), "{name}: a {status} has no body"),
    }
}

fn told(differences: &BTreeMap<(String, What), usize>) -> String {
    differences.keys().map(|(path, what)| format!("{path}: {what}\n")).collect()
}

fn operation(service: Service, spec: &'static Spec, method: &str, path: &str) -> Option<&'static Value> {
    let base = match service {
        Service::Chatwork => "/v2",
        Service::Tascha => "/v1",
        Service::Lancers => "/message_api/v2",
    };
    let path = path.split('?').next().unwrap_or(path).strip_prefix(base)?;
    let segments: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let template: Vec<&str> = template.split('/').collect();
        template.len() == segments.len()
            && template
                .iter()
                .zip(&segments)
                .all(|(expected, given)| expected.starts_with('{') || expected == given)
    };
    spec.paths()
        .iter()
        .filter(|(template, _)| fits(template))
        .min_by_key(|(template, _)| template.matches('{').count())
        .and_then(|(_, item)| item.get(method.to_ascii_lowercase()))
}

#[test]
#[should_panic(expected = "$.message_id: missing")]
fn an_answer_that_lacks_a_field_is_found() {
    check(Service::Chatwork, "POST", "/v2/rooms/1/messages", 200, b"{}");
}

#[test]
#[should_panic(expected = "$.message_id: integer, where the specification has string")]
fn an_answer_of_another_type_is_found() {
    check(Service::Chatwork, "POST", "/v2/rooms/1/messages", 200, br#"{"message_id":1}"#);
}

#[test]
#[should_panic(expected = "id: missing")]
fn tascha_is_checked() {
    check(Service::Tascha, "POST", "/v1/rooms/1/messages", 201, b"{}");
}

#[test]
#[should_panic(expected = "id: missing")]
fn lancers_is_checked() {
    check(Service::Lancers, "POST", "/message_api/v2/boards/1/messages", 200, b"{}");
}
