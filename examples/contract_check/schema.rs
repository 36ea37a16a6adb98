//! The specifications, and the comparison with responses: a small validator for the part of JSON Schema that `specs/` uses.
//!
//! Its findings do not contain the values, so they can be shared.

use kaiwa::sandbox::Provider;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::OnceLock;

/// The specification of one service.
pub struct Spec {
    document: Value,
}

impl Spec {
    pub fn of(service: Provider) -> &'static Self {
        static SPECS: [OnceLock<Spec>; 3] = [const { OnceLock::new() }; 3];
        let yaml = match service {
            Provider::Chatwork => include_str!("../../specs/chatwork.yaml"),
            Provider::Tascha => include_str!("../../specs/tascha.yaml"),
            Provider::Lancers => include_str!("../../specs/lancers.yaml"),
        };
        SPECS[service as usize].get_or_init(|| {
            let document = serde_saphyr::from_str(yaml).expect("the library was built from it");
            Self { document }
        })
    }

    /// The path templates and their operations.
    pub fn paths(&self) -> &Map<String, Value> {
        self.document["paths"].as_object().expect("a specification has paths")
    }

    /// Follows a `$ref`.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
            Some(pointer) => self.resolve(self.document.pointer(pointer).expect("the build follows it too")),
            None => value,
        }
    }

    /// What an operation may answer with this status, by its number or its range; `default` is for failures.
    pub fn response<'a>(&'a self, operation: &'a Value, status: u16) -> Option<Response<'a>> {
        let responses = &operation["responses"];
        let named =
            responses.get(status.to_string()).or_else(|| responses.get(format!("{}XX", status / 100)));
        let other = || responses.get("default").filter(|_| status >= 400);
        let response = self.resolve(named.or_else(other)?);
        let content = response["content"].as_object().and_then(|content| content.values().next());
        Some(Response { named: named.is_some(), schema: content.map(|media| &media["schema"]), response })
    }

    /// The schema of a header, if the specification has it in any answer.
    pub fn header(&self, name: &str) -> Option<&Value> {
        let methods = self.paths().values().filter_map(Value::as_object).flat_map(Map::values);
        let responses =
            methods.filter_map(|operation| operation["responses"].as_object()).flat_map(Map::values);
        let headers = responses.filter_map(|response| self.resolve(response)["headers"].as_object());
        let mut headers = headers.flatten();
        let (_, header) = headers.find(|(specified, _)| specified.eq_ignore_ascii_case(name))?;
        Some(&self.resolve(header)["schema"])
    }

    /// Compares a value with a schema.
    pub fn compare(&self, schema: &Value, value: &Value) -> Comparison {
        let mut comparison = Comparison::default();
        self.walk(schema, value, "$", &mut comparison);
        comparison
    }

    fn walk(&self, schema: &Value, value: &Value, at: &str, found: &mut Comparison) {
        let schema = self.resolve(schema);
        if value.is_null() && schema["nullable"] == true {
            return;
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.walk(part, value, at, found);
        }
        for keyword in ["oneOf", "anyOf"] {
            if let Some(alternatives) = schema[keyword].as_array() {
                self.alternatives(alternatives, value, at, found);
            }
        }
        if let Some(specified) = schema["type"].as_str()
            && !is_of(specified, value)
        {
            let specified = specified.to_owned();
            found.add(at, What::WrongType { specified, came: kind(value) });
            return;
        }
        if let Some(known) = schema["enum"].as_array()
            && !known.contains(value)
        {
            found.add(at, What::UnknownValue(value.as_str().map_or_else(|| kind(value).to_owned(), word)));
        }
        if let Some(format) = schema["format"].as_str().filter(|format| !is_in(format, value)) {
            found.add(at, What::WrongFormat(format.to_owned()));
        }
        if let (Some(minimum), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
            && number < minimum
        {
            found.add(at, What::Below(minimum.to_string()));
        }
        if let (Some(longest), Some(text)) = (schema["maxLength"].as_u64(), value.as_str())
            && text.chars().count() as u64 > longest
        {
            found.add(at, What::Longer(longest));
        }
        for item in value.as_array().into_iter().flatten() {
            self.walk(&schema["items"], item, &format!("{at}[*]"), found);
        }
        if let Some(fields) = value.as_object() {
            self.object(schema, fields, at, found);
        }
    }

    fn object(&self, schema: &Value, fields: &Map<String, Value>, at: &str, found: &mut Comparison) {
        let required = || schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for required in required().filter(|name| !fields.contains_key(*name)) {
            found.add(&format!("{at}.{required}"), What::Missing);
        }
        let Some(declared) = schema["properties"].as_object() else { return };
        for (name, schema) in declared {
            let seen = found.seen.entry(format!("{at}.{name}")).or_default();
            match fields.get(name) {
                Some(Value::Null) if self.resolve(schema)["nullable"] == true => seen.null += 1,
                Some(_) => seen.there += 1,
                None if required().any(|required| required == name) => seen.missing += 1,
                None => seen.absent += 1,
            }
        }
        let is_declared = fields.keys().any(|name| declared.contains_key(name));
        for (name, value) in fields {
            match declared.get(name) {
                Some(schema) => self.walk(schema, value, &format!("{at}.{name}"), found),
                None if schema.get("additionalProperties").is_some_and(|allowed| allowed != false) => {}
                None => {
                    let name = field(name, is_declared);
                    found.add(&format!("{at}.{name}"), What::UnknownField(kind(value)));
                }
            }
        }
    }

    /// The alternative that a value of its type fits best.
    pub fn best<'a>(&self, alternatives: &'a [Value], value: &Value) -> Option<&'a Value> {
        let (schema, comparison) = self.try_all(alternatives, value, "$")?;
        (!comparison.is_of_another_type("$")).then_some(schema)
    }

    fn try_all<'a>(
        &self,
        alternatives: &'a [Value],
        value: &Value,
        at: &str,
    ) -> Option<(&'a Value, Comparison)> {
        let tried = alternatives.iter().map(|schema| {
            let mut found = Comparison::default();
            self.walk(schema, value, at, &mut found);
            (schema, found)
        });
        tried.min_by_key(|(_, tried)| (tried.is_of_another_type(at), tried.differences.len()))
    }

    /// One alternative must fit. If none fits, but one has the value's type, the differences from that one are
    /// reported.
    fn alternatives(&self, alternatives: &[Value], value: &Value, at: &str, found: &mut Comparison) {
        let Some((_, best)) = self.try_all(alternatives, value, at) else { return };
        if best.is_of_another_type(at) {
            let types =
                alternatives.iter().map(|schema| self.resolve(schema)["type"].as_str().unwrap_or("any"));
            let specified = types.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" or ");
            found.add(at, What::WrongType { specified, came: kind(value) });
        } else {
            found.merge(best);
        }
    }
}

/// The specification of a status.
pub struct Response<'a> {
    /// Whether the status or its range is named; if not, it falls under `default`.
    pub named: bool,
    /// The schema of the body, if it has one.
    pub schema: Option<&'a Value>,
    response: &'a Value,
}

impl Response<'_> {
    /// Its headers.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.response["headers"].as_object().into_iter().flat_map(Map::keys).map(String::as_str)
    }
}

/// The differences between a response and its schema.
#[derive(Default)]
pub struct Comparison {
    /// The differences by place, and how often each occurred.
    pub differences: BTreeMap<(String, What), usize>,
    /// For each declared field, how many of the objects had it.
    seen: BTreeMap<String, Seen>,
}

/// The number of objects in which a field had a value, was null, or was absent.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    there: usize,
    /// The specification allows it.
    null: usize,
    /// The specification allows it.
    absent: usize,
    missing: usize,
}

impl Seen {
    fn all(self) -> usize {
        self.there + self.null + self.absent + self.missing
    }
}

impl Comparison {
    pub fn add(&mut self, at: &str, what: What) {
        *self.differences.entry((at.to_owned(), what)).or_default() += 1;
    }

    pub fn merge(&mut self, other: Self) {
        for (difference, times) in other.differences {
            *self.differences.entry(difference).or_default() += times;
        }
        for (field, more) in other.seen {
            let seen = self.seen.entry(field).or_default();
            seen.there += more.there;
            seen.null += more.null;
            seen.absent += more.absent;
            seen.missing += more.missing;
        }
    }

    /// The same comparison for a part of a response, with its place put in front of the places in it.
    pub fn within(self, part: &str) -> Self {
        let differences = self.differences.into_iter();
        let place = |path: String| format!("{part}: {path}");
        Self {
            differences: differences.map(|((path, what), times)| ((place(path), what), times)).collect(),
            seen: BTreeMap::new(),
        }
    }

    /// Declared fields that were in no object.
    pub fn never_seen(&self) -> impl Iterator<Item = &str> {
        self.seen.iter().filter(|(_, seen)| seen.there + seen.null == 0).map(|(field, _)| field.as_str())
    }

    /// Fields that were null, or absent in some of the objects, as the specification allows, with their numbers.
    pub fn optional(&self) -> impl Iterator<Item = String> {
        let partly = |seen: &Seen| seen.null > 0 || seen.absent > 0 && seen.there > 0;
        self.seen.iter().filter(move |(_, seen)| partly(seen)).map(|(field, seen)| {
            let counts = [("null", seen.null), ("absent", seen.absent)];
            let counts = counts.iter().filter(|(_, count)| *count > 0);
            let counts: Vec<String> =
                counts.map(|(how, count)| format!("{how} in {count} of {}", seen.all())).collect();
            format!("{field}: {}", counts.join(", "))
        })
    }

    /// What differs, without the values.
    pub fn kinds(self) -> Vec<(String, What, usize)> {
        let kind = |what| match what {
            What::UnknownValue(_) => What::UnknownValue(String::new()),
            what => what,
        };
        self.differences.into_iter().map(|((at, what), times)| (at, kind(what), times)).collect()
    }

    fn is_of_another_type(&self, at: &str) -> bool {
        self.differences.keys().any(|(place, what)| place == at && matches!(what, What::WrongType { .. }))
    }
}

/// A difference, without the value that shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    UnknownField(&'static str),
    Missing,
    WrongType { specified: String, came: &'static str },
    UnknownValue(String),
    WrongFormat(String),
    Below(String),
    Longer(u64),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField(came) => write!(f, "unknown field, of type {came}"),
            Self::Missing => f.write_str("missing, and required by the specification"),
            Self::WrongType { specified, came } => {
                write!(f, "{came}, where the specification has {specified}")
            }
            Self::UnknownValue(value) => write!(f, "a value that is not in the specification: {value}"),
            Self::WrongFormat(format) => write!(f, "not in the format {format}"),
            Self::Below(minimum) => write!(f, "below the minimum of {minimum}"),
            Self::Longer(longest) => write!(f, "longer than {longest} characters"),
        }
    }
}

/// The text if it looks like an identifier; any other text may be personal data, as may many digits.
pub fn word(text: &str) -> String {
    let named = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.len() <= 40
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte))
        && has_few_digits(text);
    // A recording has such a text in the place of a private one.
    let is_shape = text.bytes().all(|byte| byte == b'x');
    if named && !is_shape { text.to_owned() } else { unnamed(text) }
}

/// The name of a field that the specification does not have, if it is a name: in an object with none of its declared fields,
/// the names can be data.
pub fn field(name: &str, is_declared: bool) -> String {
    if is_declared && is_field_name(name) {
        return name.to_owned();
    }
    recorded(name).unwrap_or_else(|| unnamed(name))
}

/// Whether it is as short and plain as names of fields are. An id or a telephone number has more digits.
pub fn is_field_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.len() <= 32
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && has_few_digits(name)
}

fn has_few_digits(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_digit).count() <= 3
}

const UNNAMED: (&str, &str) = ("(text of ", " characters)");

fn unnamed(text: &str) -> String {
    format!("{}{}{}", UNNAMED.0, text.chars().count(), UNNAMED.1)
}

/// What a recording has in the place of a name, without the number that makes it unique.
fn recorded(name: &str) -> Option<String> {
    let is_number = |text: &str| text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (length, number) = name.strip_prefix(UNNAMED.0)?.split_once(UNNAMED.1)?;
    let is_recorded =
        is_number(length) && (number.is_empty() || number.strip_prefix(' ').is_some_and(is_number));
    is_recorded.then(|| format!("{}{length}{}", UNNAMED.0, UNNAMED.1))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

pub fn is_of(specified: &str, value: &Value) -> bool {
    specified == kind(value) || (specified == "number" && value.is_number())
}

/// Whether a text has the format, as far as the library uses it.
fn is_in(format: &str, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return true };
    match format {
        "date-time" => text.parse::<kaiwa::jiff::Timestamp>().is_ok(),
        "local-date-time" => text.parse::<kaiwa::jiff::civil::DateTime>().is_ok(),
        _ => true,
    }
}
