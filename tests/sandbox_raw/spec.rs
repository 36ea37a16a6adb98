//! Checks answers against the specifications.

use bytes::Bytes;
use jsonschema::Validator;
use kaiwa::sandbox::Provider;
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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
    async fn send_to(self, service: Provider) -> reqwest::Result<Checked>;
}

impl SendTo for RequestBuilder {
    async fn send_to(self, service: Provider) -> reqwest::Result<Checked> {
        let (http, request) = self.build_split();
        let request = request?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = http.execute(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await?;
        check(service, method.as_str(), &path, status.as_u16(), &body);
        check_headers(service, method.as_str(), &path, status.as_u16(), &headers);
        Ok(Checked { status, headers, body })
    }
}

struct Spec {
    base: &'static str,
    document: Value,
    /// The schemas of `components`, as JSON Schema.
    schemas: Value,
    /// Keyed by the schema as it is in the document.
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
}

fn spec(service: Provider) -> &'static Spec {
    static SPECS: [OnceLock<Spec>; 3] = [const { OnceLock::new() }; 3];
    SPECS[service as usize].get_or_init(|| {
        let (base, file) = match service {
            Provider::Chatwork => ("/v2", "chatwork"),
            Provider::Tascha => ("/v1", "tascha"),
            Provider::Lancers => ("/message_api/v2", "lancers"),
        };
        let path = format!("{}/specs/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
        let yaml = std::fs::read_to_string(path).expect("the specification is there");
        let document: Value = serde_saphyr::from_str(&yaml).expect("it is YAML");
        let schemas = each(&document["components"]["schemas"], json_schema);
        Spec { base, document, schemas, validators: Mutex::default() }
    })
}

impl Spec {
    fn validator(&self, schema: &Value) -> Arc<Validator> {
        // An answer that does not fit panics elsewhere, and leaves the map intact.
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = validators.entry(schema.to_string()).or_insert_with(|| {
            let root = json!({ "allOf": [json_schema(schema)], "components": { "schemas": self.schemas } });
            let options = jsonschema::draft202012::options().should_validate_formats(true);
            Arc::new(options.build(&root).expect("the schema is one"))
        });
        Arc::clone(validator)
    }

    fn validate(&self, schema: &Value, value: &Value, what: &str) {
        let validator = self.validator(schema);
        let errors = validator.iter_errors(value);
        let errors: Vec<String> =
            errors.map(|error| format!("{error} at {:?}", error.instance_path().as_str())).collect();
        assert!(errors.is_empty(), "{what}: {errors:#?}\n{value:#}");
    }
}

/// A schema of OpenAPI 3.0 as one of JSON Schema.
///
/// Fields must be declared, since no client is tested with fields beyond the specification.
fn json_schema(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else { return schema.clone() };
    let mut converted = serde_json::Map::new();
    for (keyword, value) in schema {
        let value = match keyword.as_str() {
            "properties" => each(value, json_schema),
            "items" | "additionalProperties" => json_schema(value),
            "allOf" | "oneOf" | "anyOf" => value.as_array().into_iter().flatten().map(json_schema).collect(),
            "nullable" => continue,
            _ => value.clone(),
        };
        converted.insert(keyword.clone(), value);
    }
    if schema.contains_key("properties") && !schema.contains_key("additionalProperties") {
        converted.insert("additionalProperties".to_owned(), false.into());
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("int32") => bound(&mut converted, i32::MIN.into(), i32::MAX.into()),
        Some("int64" | "unix-time") => bound(&mut converted, i64::MIN, i64::MAX),
        _ => {}
    }
    if schema.get("nullable") == Some(&Value::Bool(true)) {
        return json!({ "anyOf": [{ "type": "null" }, converted] });
    }
    Value::Object(converted)
}

/// JSON Schema has no formats for numbers.
fn bound(schema: &mut serde_json::Map<String, Value>, least: i64, most: i64) {
    schema.entry("minimum").or_insert(least.into());
    schema.entry("maximum").or_insert(most.into());
}

fn each(schemas: &Value, convert: fn(&Value) -> Value) -> Value {
    let schemas = schemas.as_object().into_iter().flatten();
    Value::Object(schemas.map(|(name, schema)| (name.clone(), convert(schema))).collect())
}

/// The response that the specification has for an answer; panics if it has none.
fn response<'a>(spec: &'a Spec, operation: &'a Value, status: u16) -> &'a Value {
    let name = operation["operationId"].as_str().unwrap_or_default();
    let responses = &operation["responses"];
    let range = format!("{}XX", status / 100);
    // A success must be listed by its status; failures may fall under `default`.
    let default = if (200..300).contains(&status) { None } else { responses.get("default") };
    let response = responses.get(status.to_string()).or(responses.get(range)).or(default);
    resolve(spec, response.unwrap_or_else(|| panic!("{name}: a {status} is not in the specification")))
}

/// Panics unless the specification allows the answer to the request.
pub fn check(service: Provider, method: &str, path: &str, status: u16, body: &[u8]) {
    let spec = spec(service);
    let Some(operation) = operation(spec, method, path) else { return };
    let name = operation["operationId"].as_str().unwrap_or_default();
    match response(spec, operation, status)["content"].as_object().and_then(|content| content.values().next())
    {
        Some(media) => {
            let value: Value = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{name}: {error}"));
            spec.validate(&media["schema"], &value, &format!("{name} {status}"));
        }
        None => assert!(body.is_empty(), "{name}: a {status} has no body"),
    }
}

/// Panics unless the media type and the headers of the answer are those of the specification.
pub fn check_headers(service: Provider, method: &str, path: &str, status: u16, headers: &HeaderMap) {
    let spec = spec(service);
    let Some(operation) = operation(spec, method, path) else { return };
    let name = operation["operationId"].as_str().unwrap_or_default();
    let response = response(spec, operation, status);
    let text = |name: &str| headers.get(name).map(|value| value.to_str().expect("it is text"));
    let media_type = text("content-type").map(|value| value.split(';').next().unwrap_or_default());
    let expected = response["content"].as_object().and_then(|content| content.keys().next());
    assert_eq!(media_type, expected.map(String::as_str), "{name} {status}");
    for (header, declared) in response["headers"].as_object().into_iter().flatten() {
        let declared = resolve(spec, declared);
        let Some(value) = text(header) else {
            assert_ne!(declared["required"], true, "{name} {status}: {header} is missing");
            continue;
        };
        let schema = &declared["schema"];
        let value = match resolve(spec, schema)["type"].as_str() {
            Some("integer") => serde_json::from_str(value).unwrap_or(Value::Null),
            _ => value.into(),
        };
        spec.validate(schema, &value, &format!("{name} {status}: {header}"));
    }
}

/// The operation that a request calls.
pub fn name(service: Provider, method: &str, path: &str) -> Option<&'static str> {
    operation(spec(service), method, path)?["operationId"].as_str()
}

/// All operations.
pub fn names(service: Provider) -> BTreeSet<&'static str> {
    let paths = spec(service).document["paths"].as_object().expect("there are paths");
    let operations = paths.values().flat_map(|item| item.as_object().into_iter().flatten());
    operations.filter_map(|(_, operation)| operation["operationId"].as_str()).collect()
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

#[test]
#[should_panic(expected = "is a required property")]
fn an_answer_that_lacks_a_field_is_found() {
    check(Provider::Chatwork, "POST", "/v2/rooms/1/messages", 200, b"{}");
}

#[test]
#[should_panic(expected = "is not of type")]
fn an_answer_of_another_type_is_found() {
    check(Provider::Chatwork, "POST", "/v2/rooms/1/messages", 200, br#"{"message_id":1}"#);
}

#[test]
#[should_panic(expected = "is a required property")]
fn tascha_is_checked() {
    check(Provider::Tascha, "POST", "/v1/rooms/1/messages", 201, b"{}");
}

#[test]
#[should_panic(expected = "is a required property")]
fn lancers_is_checked() {
    check(Provider::Lancers, "POST", "/message_api/v2/boards/1/messages", 200, b"{}");
}

#[test]
#[should_panic(expected = "was unexpected")]
fn a_field_that_is_not_declared_is_found() {
    let body = br#"{"message_id":"1","more":1}"#;
    check(Provider::Chatwork, "POST", "/v2/rooms/1/messages", 200, body);
}

#[test]
#[should_panic(expected = "is not valid under any of the schemas")]
fn an_invalid_time_is_found() {
    let body = br#"{"id":"a","roomId":"b","createdAt":"yesterday"}"#;
    check(Provider::Tascha, "POST", "/v1/rooms/1/messages", 201, body);
}

#[test]
#[should_panic(expected = "text/html")]
fn an_answer_of_another_media_type_is_found() {
    let headers = HeaderMap::from_iter([(reqwest::header::CONTENT_TYPE, "text/html".parse().unwrap())]);
    check_headers(Provider::Chatwork, "GET", "/v2/me", 200, &headers);
}
