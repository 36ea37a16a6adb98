//! The document as the generator needs it: read once, checked once. Its operations are read by `read.rs`.

use super::{SpecError, yaml};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One service's document.
pub struct Spec {
    pub file: String,
    /// The module under `crate` that the service's types are exported from.
    pub service: String,
    pub document: Value,
    pub operations: Vec<Operation>,
}

pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    pub doc: String,
    pub safety: String,
    /// A query parameter and its value that make the operation safe.
    pub safe_if: Option<(String, u64)>,
    pub empty_list: bool,
    pub room_limit: bool,
    /// Whether it is refused with nothing to change.
    pub needs_change: bool,
    pub units: Option<u32>,
    pub scopes: Vec<String>,
    pub page: Option<String>,
    /// Why the operation is not certain, if it is not documented.
    pub inferred: Option<String>,
    pub parameters: Vec<Parameter>,
    pub body: Option<Body>,
    pub answer: Answer,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Media {
    Form,
    Json,
    Multipart,
}

pub struct Body {
    pub media: Media,
    pub properties: Vec<Parameter>,
}

/// What a success carries.
pub enum Answer {
    Nothing,
    Object(String),
    List(String),
}

#[derive(Clone, Copy, PartialEq)]
pub enum Place {
    Path,
    Query,
    Body,
}

pub struct Parameter {
    pub name: String,
    pub place: Place,
    pub required: bool,
    pub nullable: bool,
    pub doc: String,
    pub kind: Kind,
    pub bounds: Bounds,
}

#[derive(Clone, PartialEq)]
pub enum Kind {
    Text,
    /// In a body: what grants access to anyone who has it.
    Secret,
    /// Text in a path that people choose, such as a user's name.
    UserText,
    Integer,
    Flag,
    IntegerId(String),
    TextId(String),
    IdList(String),
    Enum(String),
    UnixTime,
    DateTime,
    LocalTime,
    Texts,
    Binary,
}

#[derive(Default)]
pub struct Bounds {
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub code: bool,
    pub max_bytes: Option<u64>,
}

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// The pattern of ids that are numbers held in a text.
pub const DIGITS_PATTERN: &str = "^[0-9]{1,19}$";

/// The one member of a single `allOf`, with the wrapper's own words kept beside it.
pub fn unwrap_all_of(schema: &Value) -> &Value {
    match schema["allOf"].as_array().map(Vec::as_slice) {
        Some([only]) => only,
        _ => schema,
    }
}

/// The component that a schema refers to.
pub fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/components/schemas/")
}

pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default().trim()
}

impl Spec {
    pub fn read(file: &str, yaml: &str) -> Result<Self, SpecError> {
        let at = |place: &str, problem: &dyn std::fmt::Display, remedy: &str| {
            SpecError::new(file, place, problem, remedy)
        };
        let document = yaml::read(yaml)
            .map_err(|error| at("document", &error, "write valid YAML at the place named"))?;
        let version = text(&document, "openapi");
        if !version.starts_with("3.0.") {
            let found = format!("openapi is {version:?}");
            return Err(at(
                "document",
                &found,
                "write the document as OpenAPI 3.0.x; progenitor reads no other",
            ));
        }
        let service = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".yaml").to_owned();
        let mut spec = Self { file: file.to_owned(), service, document, operations: Vec::new() };
        let Some(paths) = spec.document["paths"].as_object() else {
            return Err(at(
                "document",
                &"there is no paths object",
                "describe at least one operation under paths",
            ));
        };
        let mut operations: Vec<Operation> = Vec::new();
        for (path, item) in paths {
            for method in METHODS {
                let Some(operation) = item.get(method) else { continue };
                let operation = spec.operation(path, method, &item["parameters"], operation)?;
                if operations.iter().any(|other| other.id == operation.id) {
                    return Err(at(
                        &operation.id,
                        &"the operationId is used twice",
                        "give each operation a name of its own",
                    ));
                }
                operations.push(operation);
            }
        }
        // Whether the map keeps the document's order depends on what else is built with serde_json.
        operations.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
        spec.operations = operations;
        Ok(spec)
    }

    pub fn schemas(&self) -> &Map<String, Value> {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        self.document["components"]["schemas"].as_object().unwrap_or(&EMPTY)
    }

    /// A component by name; `Null` where there is none, which every reader then refuses.
    pub fn schema(&self, name: &str) -> &Value {
        &self.document["components"]["schemas"][name]
    }

    /// The names of all members that are wall-clock times, in any answer.
    pub fn local_times(&self) -> BTreeSet<&str> {
        let schemas = self.schemas().values().filter_map(|schema| schema["properties"].as_object()).flatten();
        schemas
            .filter(|(_, schema)| text(unwrap_all_of(schema), "format") == "local-date-time")
            .map(|(name, _)| name.as_str())
            .collect()
    }

    pub fn error(&self, place: &str, problem: impl std::fmt::Display, remedy: &str) -> SpecError {
        SpecError::new(&self.file, place, problem, remedy)
    }

    /// The words that stand in other paths where this one has a parameter.
    pub fn siblings(&self, path: &str, parameter: &str) -> Vec<String> {
        let is_parameter = |part: &str| part.starts_with('{');
        let own: Vec<&str> = path.split('/').collect();
        let Some(place) = own.iter().position(|part| *part == format!("{{{parameter}}}")) else {
            return Vec::new();
        };
        let mut words: Vec<String> = Vec::new();
        for other in self.document["paths"].as_object().into_iter().flat_map(|paths| paths.keys()) {
            let parts: Vec<&str> = other.split('/').collect();
            let meets = |one: &str, two: &str| one == two || is_parameter(one) && is_parameter(two);
            let same = own.iter().zip(&parts).take(place).all(|(one, two)| meets(one, two));
            if let Some(word) = parts.get(place).filter(|word| same && !is_parameter(word)) {
                words.push((*word).to_owned());
            }
        }
        words.sort();
        words.dedup();
        words
    }

    /// How a component schema is generated.
    pub fn component(&self, name: &str) -> Component {
        let schema = self.schema(name);
        match text(schema, "type") {
            kind @ ("integer" | "string") if name.ends_with("Id") => Component::Id { text: kind == "string" },
            "string" if schema["enum"].is_array() => Component::Enum,
            "integer" if name == "Flag" => Component::Flag,
            _ => Component::Other,
        }
    }
}

pub enum Component {
    /// A newtype: an id in its own type cannot stand where another belongs.
    Id {
        text: bool,
    },
    /// An open enum.
    Enum,
    /// A boolean that travels as 0 or 1.
    Flag,
    Other,
}
