//! What a recording keeps of an answer: what the specification has, and of all else its shape.

use super::operation::Operation;
use super::schema::{Spec, field, is_of};
use super::shape;
use kaiwa::sandbox::Provider;
use serde_json::{Map, Value};

/// The codes of errors that this library knows. The services document few; the others are those of its sandbox.
const CODES: [&str; 17] = [
    "bad_request",
    "board_not_found",
    "forbidden",
    "idempotency_key_reused",
    "insufficient_scope",
    "invalid_cursor",
    "not_found",
    "payload_too_large",
    "rate_limit_exceeded",
    "record_archived",
    "record_locked",
    "too_many_requests",
    "unauthorized",
    "units_exhausted",
    "user_actor_required",
    "validation_error",
    "version_conflict",
];

/// Lancers' users have no id but their name: the schemas, and the fields in them that hold one.
const NAMES: [(&str, &str); 2] = [("User", "name"), ("Message", "read_users")];

/// Masks values, and gives each id to a function that replaces it.
pub struct Mask<F> {
    spec: &'static Spec,
    service: Provider,
    id: F,
}

/// What the specification says of a place.
#[derive(Clone, Default)]
struct Place<'a> {
    /// All schemas that apply.
    schemas: Vec<&'a Value>,
    /// The last schema that was referred to by its name.
    component: &'a str,
    is_id: bool,
    is_code: bool,
    /// Where a list goes on: nothing of it is kept, whatever the specification says of its type.
    is_cursor: bool,
}

impl<F: FnMut(&Value) -> Value> Mask<F> {
    pub fn new(service: Provider, id: F) -> Self {
        Self { spec: Spec::of(service), service, id }
    }

    /// An answer. Without a schema only its shape is kept.
    pub fn body(&mut self, schema: Option<&Value>, body: &Value) -> Value {
        let mut place = Place::default();
        if let Some(schema) = schema {
            self.enter(schema, body, &mut place);
        }
        self.value(schema.unwrap_or(&Value::Null), body, &place)
    }

    /// The value of a parameter.
    pub fn parameter(&mut self, operation: &Operation<'_>, name: &str, value: &str) -> String {
        let parameter = operation.parameter(self.spec, name);
        let schema = parameter.map_or(&Value::Null, |parameter| &parameter["schema"]);
        // The text of a number is a number where the specification has one.
        let number = value.parse::<i64>().ok().filter(|number| number.to_string() == value).map(Value::from);
        for value in number.into_iter().chain([Value::from(value)]) {
            let mut place = Place::default();
            self.enter(schema, &value, &mut place);
            if place.is_id
                || place
                    .schemas
                    .iter()
                    .any(|schema| is_of(schema["type"].as_str().unwrap_or_default(), &value))
            {
                let masked = self.value(schema, &value, &place);
                return masked.as_str().map_or_else(|| masked.to_string(), str::to_owned);
            }
        }
        shape::of_text(value)
    }

    /// Collects what applies to a value; of alternatives, the one that the value fits best.
    fn enter<'a>(&self, schema: &'a Value, value: &Value, place: &mut Place<'a>)
    where
        Self: 'a,
    {
        if let Some(component) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
            place.component = component;
            place.is_id |= component.ends_with("Id");
        }
        let schema = self.spec.resolve(schema);
        place.schemas.push(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.enter(part, value, place);
        }
        for alternatives in ["oneOf", "anyOf"].iter().filter_map(|keyword| schema[*keyword].as_array()) {
            if let Some(best) = self.spec.best(alternatives, value) {
                self.enter(best, value, place);
            }
        }
    }

    fn value(&mut self, schema: &Value, value: &Value, place: &Place<'_>) -> Value {
        match value {
            Value::Array(items) => {
                let schemas: Vec<&Value> =
                    place.schemas.iter().filter_map(|schema| schema.get("items")).collect();
                let first = schemas.first().copied().unwrap_or(&Value::Null);
                let mut masked = Vec::with_capacity(items.len());
                for item in items {
                    let mut inner = Place { is_id: place.is_id, ..Place::default() };
                    schemas.iter().for_each(|schema| self.enter(schema, item, &mut inner));
                    masked.push(self.value(first, item, &inner));
                }
                Value::Array(masked)
            }
            Value::Object(fields) => Value::Object(self.object(fields, place)),
            Value::String(_) | Value::Number(_) if place.is_id && !value.is_f64() => (self.id)(value),
            scalar if !place.is_cursor && place.schemas.iter().any(|schema| is_harmless(schema, scalar)) => {
                scalar.clone()
            }
            Value::String(code) if place.is_code && CODES.contains(&&**code) => value.clone(),
            scalar => self.shape(schema, scalar, place),
        }
    }

    fn object(&mut self, fields: &Map<String, Value>, place: &Place<'_>) -> Map<String, Value> {
        let declared = |name: &str| place.schemas.iter().find_map(|schema| schema["properties"].get(name));
        let is_declared = fields.keys().any(|name| declared(name).is_some());
        let mut masked = Map::new();
        for (name, value) in fields {
            let Some(schema) = declared(name) else {
                let value = self.body(None, value);
                add(&mut masked, &field(name, is_declared), value);
                continue;
            };
            let is_name = self.service == Provider::Lancers && NAMES.contains(&(place.component, name));
            let is_error = ["Error", "ErrorDetail"].contains(&place.component);
            let mut inner = Place {
                is_id: is_name,
                is_code: is_error && ["code", "type"].contains(&&**name),
                is_cursor: name == "nextCursor",
                ..Place::default()
            };
            self.enter(schema, value, &mut inner);
            let value = self.value(schema, value, &inner);
            masked.insert(name.clone(), value);
        }
        masked
    }

    /// The first shape that differs from the specification as the original does.
    fn shape(&self, schema: &Value, value: &Value, place: &Place<'_>) -> Value {
        let candidates = if place.schemas.iter().any(|schema| schema["enum"].is_array()) && value.is_string()
        {
            vec![shape::of_length(value.as_str().unwrap_or_default()).into()]
        } else {
            shape::candidates(value)
        };
        let wanted = self.spec.compare(schema, value).kinds();
        let fits =
            candidates.iter().position(|candidate| self.spec.compare(schema, candidate).kinds() == wanted);
        candidates.into_iter().nth(fits.unwrap_or_default()).unwrap_or_default()
    }
}

/// Whether the schema has just such a value, so that it says nothing that people wrote: a number, a boolean, a time, one of its
/// own words.
fn is_harmless(schema: &Value, value: &Value) -> bool {
    let specified = schema["type"].as_str().unwrap_or_default();
    if !is_of(specified, value) {
        return false;
    }
    if let Some(known) = schema["enum"].as_array() {
        return known.contains(value);
    }
    match value {
        Value::Bool(_) => true,
        Value::Number(_) => shape::is_plain_number(value),
        Value::String(text) => match schema["format"].as_str() {
            Some("date-time" | "local-date-time") => shape::time(text).is_some(),
            _ => {
                schema["pattern"] == r"^\d+$"
                    && text.len() <= 15
                    && text.bytes().all(|byte| byte.is_ascii_digit())
            }
        },
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Adds a field whose name another field may have got too.
fn add(fields: &mut Map<String, Value>, name: &str, value: Value) {
    let mut free = name.to_owned();
    for number in 2.. {
        if !fields.contains_key(&free) {
            break;
        }
        free = format!("{name} {number}");
    }
    fields.insert(free, value);
}
