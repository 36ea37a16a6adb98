//! Answers against the specifications: a small validator for as much of JSON Schema as `specs/` uses.

use bytes::Bytes;
use kaiwa::sandbox::Service;
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use std::sync::OnceLock;

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

struct Spec {
    base: &'static str,
    document: Value,
}

fn spec(service: Service) -> &'static Spec {
    static SPECS: [OnceLock<Spec>; 3] = [const { OnceLock::new() }; 3];
    SPECS[service as usize].get_or_init(|| {
        let (base, file) = match service {
            Service::Chatwork => ("/v2", "chatwork"),
            Service::Tascha => ("/v1", "tascha"),
            Service::Lancers => ("/message_api/v2", "lancers"),
        };
        let path = format!("{}/specs/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
        let yaml = std::fs::read_to_string(path).expect("the specification is there");
        Spec { base, document: serde_saphyr::from_str(&yaml).expect("it is YAML") }
    })
}

/// Panics unless the answer is one that the specification has for the request.
pub fn check(service: Service, method: &str, path: &str, status: u16, body: &[u8]) {
    let spec = spec(service);
    let Some(operation) = operation(spec, method, path) else { return };
    let name = operation["operationId"].as_str().unwrap_or_default();
    let responses = &operation["responses"];
    let range = format!("{}XX", status / 100);
    let response = [status.to_string(), range, "default".to_owned()]
        .iter()
        .find_map(|key| responses.get(key))
        .unwrap_or_else(|| panic!("{name}: a {status} is not in the specification"));
    let response = resolve(spec, response);
    if (200..300).contains(&status) {
        assert!(
            responses.get(status.to_string()).is_some() || responses.get("2XX").is_some(),
            "{name}: {status}"
        );
    }
    match response["content"].as_object().and_then(|content| content.values().next()) {
        Some(media) => {
            let value: Value = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut errors = Vec::new();
            validate(spec, &media["schema"], &value, "$", &mut errors);
            assert!(errors.is_empty(), "{name} {status}: {errors:#?}\n{value:#}");
        }
        None => assert!(body.is_empty(), "{name}: a {status} has no body"),
    }
}

fn operation<'a>(spec: &'a Spec, method: &str, path: &str) -> Option<&'a Value> {
    let path = path.split('?').next().unwrap_or(path).strip_prefix(spec.base)?;
    let segments: Vec<&str> = path.split('/').collect();
    let paths = spec.document["paths"].as_object().expect("there are paths");
    let fits = |template: &str| {
        let template: Vec<&str> = template.split('/').collect();
        template.len() == segments.len()
            && template
                .iter()
                .zip(&segments)
                .all(|(expected, given)| expected.starts_with('{') || expected == given)
    };
    paths
        .iter()
        .filter(|(template, _)| fits(template))
        .min_by_key(|(template, _)| template.matches('{').count())
        .and_then(|(_, item)| item.get(method.to_ascii_lowercase()))
}

fn resolve<'a>(spec: &'a Spec, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => {
            resolve(spec, spec.document.pointer(pointer).expect("the reference leads somewhere"))
        }
        None => value,
    }
}

fn validate(spec: &Spec, schema: &Value, value: &Value, at: &str, errors: &mut Vec<String>) {
    let schema = resolve(spec, schema);
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        validate(spec, part, value, at, errors);
    }
    for keyword in ["oneOf", "anyOf"] {
        let Some(alternatives) = schema[keyword].as_array() else { continue };
        let fits = alternatives.iter().filter(|alternative| {
            let mut errors = Vec::new();
            validate(spec, alternative, value, at, &mut errors);
            errors.is_empty()
        });
        let fitting = fits.count();
        if fitting == 0 || (keyword == "oneOf" && fitting > 1) {
            errors.push(format!("{at}: {fitting} alternatives of {keyword} fit"));
        }
    }
    let fits = match schema["type"].as_str() {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some(other) => panic!("{other} is no type"),
    };
    if !fits {
        errors.push(format!("{at}: {value} is not of type {}", schema["type"]));
        return;
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        errors.push(format!("{at}: {value} is not in {}", schema["enum"]));
    }
    if let (Some(minimum), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < minimum
    {
        errors.push(format!("{at}: {number} is below {minimum}"));
    }
    if let (Some(longest), Some(text)) = (schema["maxLength"].as_u64(), value.as_str())
        && text.chars().count() as u64 > longest
    {
        errors.push(format!("{at}: longer than {longest}"));
    }
    if let Some(items) = value.as_array() {
        for (index, item) in items.iter().enumerate() {
            validate(spec, &schema["items"], item, &format!("{at}[{index}]"), errors);
        }
    }
    if let Some(fields) = value.as_object() {
        object(spec, schema, fields, at, errors);
    }
}

/// Fields must be declared: what the sandbox answers beyond its specification, no client is tested with.
fn object(
    spec: &Spec,
    schema: &Value,
    fields: &serde_json::Map<String, Value>,
    at: &str,
    errors: &mut Vec<String>,
) {
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(required) {
            errors.push(format!("{at}: {required} is missing"));
        }
    }
    let Some(declared) = schema["properties"].as_object() else { return };
    for (name, value) in fields {
        match declared.get(name) {
            Some(schema) => validate(spec, schema, value, &format!("{at}.{name}"), errors),
            None if schema.get("additionalProperties").is_some_and(|allowed| allowed != false) => {}
            None => errors.push(format!("{at}: {name} is not declared")),
        }
    }
}

#[test]
#[should_panic(expected = "message_id is missing")]
fn an_answer_that_lacks_a_field_is_found() {
    check(Service::Chatwork, "POST", "/v2/rooms/1/messages", 200, b"{}");
}

#[test]
#[should_panic(expected = "is not of type")]
fn an_answer_of_another_type_is_found() {
    check(Service::Chatwork, "POST", "/v2/rooms/1/messages", 200, br#"{"message_id":1}"#);
}

#[test]
#[should_panic(expected = "id is missing")]
fn tascha_is_checked() {
    check(Service::Tascha, "POST", "/v1/rooms/1/messages", 201, b"{}");
}

#[test]
#[should_panic(expected = "id is missing")]
fn lancers_is_checked() {
    check(Service::Lancers, "POST", "/message_api/v2/boards/1/messages", 200, b"{}");
}
