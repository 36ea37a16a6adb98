//! The document as the generator needs it: read once, checked once.

use super::{SpecError, yaml};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

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

/// What the document says of an operation beyond OpenAPI; `specs/README.md` has the meanings.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Extensions {
    #[serde(default)]
    x_safety: String,
    x_safe_if: Option<BTreeMap<String, u64>>,
    x_empty: Option<Empty>,
    #[serde(default)]
    x_needs_change: bool,
    #[serde(default)]
    x_room_limit: bool,
    x_units: Option<u32>,
    #[serde(default)]
    x_scope: Vec<String>,
    x_page: Option<String>,
    #[serde(default)]
    x_confidence: String,
}

/// What an empty answer stands for.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Empty {
    Array,
}

/// What the document says of a value beyond OpenAPI.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Marks {
    #[serde(rename = "x-zero")]
    pub zero: Option<Zero>,
    #[serde(rename = "x-list")]
    pub list: Option<String>,
    #[serde(rename = "x-user-text", default)]
    pub user_text: bool,
    #[serde(rename = "x-secret", default)]
    pub secret: bool,
    #[serde(rename = "x-max-bytes")]
    pub max_bytes: Option<u64>,
}

/// What the number 0 stands for in a time.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Zero {
    None,
}

impl Marks {
    pub fn read(spec: &Spec, place: &str, schema: &Value) -> Result<Self, SpecError> {
        spec.extensions(place, schema)
    }
}

const SAFETY: [&str; 4] = ["safe", "idempotent", "keyed", "unsafe"];
const PAGES: [&str; 6] = ["cursor", "modified", "message-id", "file-id", "name", "offset"];
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// The pattern of ids that are numbers held in a text.
pub const DIGITS_PATTERN: &str = "^[0-9]{1,19}$";

const CODE_PATTERN: &str = "^[A-Za-z0-9_-]+$";

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

    fn operation(
        &self,
        path: &str,
        method: &str,
        shared: &Value,
        operation: &Value,
    ) -> Result<Operation, SpecError> {
        let id = text(operation, "operationId").to_owned();
        if id.is_empty() {
            return Err(self.error(
                &format!("{method} {path}"),
                "there is no operationId",
                "name it in snake_case",
            ));
        }
        let wrong = |problem: &dyn std::fmt::Display, remedy: &str| self.error(&id, problem, remedy);
        let doc = doc(operation);
        if doc.is_empty() {
            return Err(wrong(
                &"there is neither summary nor description",
                "describe it: the text becomes its documentation",
            ));
        }
        let said: Extensions = self.extensions(&id, operation)?;
        let safety = said.x_safety;
        if !SAFETY.contains(&safety.as_str()) {
            let problem = format!("x-safety is {safety:?}");
            return Err(wrong(&problem, "say safe, idempotent, keyed or unsafe: retries depend on it"));
        }
        if let Some(page) = said.x_page.as_deref().filter(|page| !PAGES.contains(page)) {
            return Err(wrong(
                &format!("x-page is {page:?}"),
                "use one of the kinds that build.rs knows, or leave it out",
            ));
        }
        let confidence = said.x_confidence.trim();
        let inferred = match confidence.split_once(':') {
            Some(("inferred", why)) if !why.trim().is_empty() => Some(why.trim().to_owned()),
            None if confidence == "documented" => None,
            _ => {
                let problem = format!("x-confidence is {confidence:?}");
                return Err(wrong(&problem, "say `documented`, or `inferred: ` and why"));
            }
        };
        let mut parameters = Vec::new();
        for list in [shared, &operation["parameters"]] {
            for parameter in list.as_array().into_iter().flatten() {
                let parameter = self.parameter_item(parameter);
                let place = match text(parameter, "in") {
                    "path" => Place::Path,
                    "query" => Place::Query,
                    "header" => continue,
                    other => {
                        let problem = format!("a parameter is in {other:?}");
                        return Err(wrong(&problem, "put parameters in path, query or header"));
                    }
                };
                let name = text(parameter, "name");
                let required = parameter["required"].as_bool().unwrap_or(false);
                parameters.push(self.parameter(
                    &id,
                    name,
                    place,
                    required,
                    parameter,
                    &parameter["schema"],
                )?);
            }
        }
        for template in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            if !parameters.iter().any(|p| p.place == Place::Path && p.name == template) {
                let problem = format!("the path names {{{template}}}, which is not a parameter");
                return Err(wrong(&problem, "declare it with in: path"));
            }
        }
        parameters.sort_by_key(|p| p.place != Place::Path);
        Ok(Operation {
            method: method.to_uppercase(),
            path: path.to_owned(),
            doc,
            safety,
            safe_if: said.x_safe_if.and_then(|only| only.into_iter().next()),
            empty_list: matches!(said.x_empty, Some(Empty::Array)),
            room_limit: said.x_room_limit,
            needs_change: said.x_needs_change,
            units: said.x_units,
            scopes: said.x_scope,
            page: said.x_page,
            inferred,
            body: self.body(&id, &operation["requestBody"])?,
            answer: self.answer(&id, &operation["responses"])?,
            parameters,
            id,
        })
    }

    /// The members of an object that OpenAPI does not know.
    fn extensions<T: DeserializeOwned>(&self, place: &str, object: &Value) -> Result<T, SpecError> {
        let members = object.as_object().into_iter().flatten();
        let own = members
            .filter(|(name, _)| name.starts_with("x-"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        serde_json::from_value(Value::Object(own)).map_err(|error| {
            self.error(place, error, "write the extension as specs/README.md has it, or leave it out")
        })
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

    fn parameter_item<'a>(&'a self, parameter: &'a Value) -> &'a Value {
        match parameter["$ref"].as_str().and_then(|to| to.strip_prefix("#/components/parameters/")) {
            Some(name) => &self.document["components"]["parameters"][name],
            None => parameter,
        }
    }

    fn body(&self, id: &str, body: &Value) -> Result<Option<Body>, SpecError> {
        let Some(content) = body["content"].as_object() else { return Ok(None) };
        let mut media = content.iter();
        let (Some((name, entry)), None) = (media.next(), media.next()) else {
            return Err(self.error(
                id,
                "the request body has not exactly one media type",
                "keep the one that the service takes",
            ));
        };
        let media = match name.as_str() {
            "application/x-www-form-urlencoded" => Media::Form,
            "application/json" => Media::Json,
            "multipart/form-data" => Media::Multipart,
            other => {
                return Err(self.error(
                    id,
                    format!("the request body is {other}"),
                    "use a form, JSON or multipart body",
                ));
            }
        };
        let schema = &entry["schema"];
        let required = strings(&schema["required"]);
        let mut properties = Vec::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            properties.push(self.parameter(
                id,
                name,
                Place::Body,
                required.contains(name),
                property,
                property,
            )?);
        }
        if properties.is_empty() {
            return Ok(None);
        }
        properties.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(Body { media, properties }))
    }

    fn answer(&self, id: &str, responses: &Value) -> Result<Answer, SpecError> {
        let remedy =
            "give it one success with an object or list of a component schema, or one without a body";
        let mut success = responses
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(status, _)| status.starts_with('2'))
            .peekable();
        if success.peek().is_none() {
            return Err(self.error(id, "there is no success response", remedy));
        }
        let mut bodies = success.filter_map(|(_, response)| {
            let response =
                match response["$ref"].as_str().and_then(|to| to.strip_prefix("#/components/responses/")) {
                    Some(name) => &self.document["components"]["responses"][name],
                    None => response,
                };
            response["content"]["application/json"].get("schema")
        });
        let Some(schema) = bodies.next() else { return Ok(Answer::Nothing) };
        if bodies.next().is_some() {
            return Err(self.error(id, "two success responses have a body", remedy));
        }
        let list = schema["type"] == "array";
        let Some(name) = reference(if list { &schema["items"] } else { schema }) else {
            return Err(self.error(id, "the success schema is not a component", remedy));
        };
        if self.schema(name).is_null() {
            return Err(self.error(
                id,
                format!("there is no schema {name}"),
                "add it under components/schemas",
            ));
        }
        let name = name.to_owned();
        Ok(if list { Answer::List(name) } else { Answer::Object(name) })
    }

    fn parameter(
        &self,
        id: &str,
        name: &str,
        place: Place,
        required: bool,
        outer: &Value,
        schema: &Value,
    ) -> Result<Parameter, SpecError> {
        let inner = unwrap_all_of(schema);
        let marks = Marks::read(self, id, schema)?;
        let user_text = marks.user_text || Marks::read(self, id, outer)?.user_text;
        let kind = self.kind(inner).ok_or_else(|| {
            self.error(
                id,
                format!("parameter {name} has a schema that build.rs does not know: {schema}"),
                "use one of the forms in specs/README.md",
            )
        })?;
        let doc = [outer, schema].iter().map(|value| text(value, "description")).find(|doc| !doc.is_empty());
        let Some(doc) = doc
            .or_else(|| reference(inner).map(|to| text(self.schema(to), "description")))
            .filter(|doc| !doc.is_empty())
        else {
            return Err(self.error(
                id,
                format!("parameter {name} has no description"),
                "describe it: the text becomes its documentation",
            ));
        };
        let kind = if user_text { Kind::UserText } else { kind };
        let secret = marks.secret && kind == Kind::Text && place == Place::Body;
        let kind = if secret { Kind::Secret } else { kind };
        let pattern = text(schema, "pattern");
        let code = pattern == CODE_PATTERN;
        if !(pattern.is_empty()
            || code
            || matches!(kind, Kind::IdList(_) | Kind::LocalTime | Kind::TextId(_)))
        {
            let remedy =
                format!("only {CODE_PATTERN} is checked before sending: write that, or teach build.rs");
            return Err(self.error(id, format!("parameter {name} has the pattern {pattern}"), &remedy));
        }
        let number = |keys: [&str; 3]| keys.iter().find_map(|key| schema[*key].as_i64());
        Ok(Parameter {
            name: name.to_owned(),
            place,
            required,
            nullable: schema["nullable"].as_bool().unwrap_or(false),
            doc: doc.to_owned(),
            kind,
            bounds: Bounds {
                min: number(["minLength", "minimum", "minItems"]),
                max: number(["maxLength", "maximum", "maxItems"]),
                code,
                max_bytes: marks.max_bytes,
            },
        })
    }

    fn kind(&self, schema: &Value) -> Option<Kind> {
        if let Some(name) = reference(schema) {
            let target = self.schema(name);
            return match self.component(name) {
                Component::Id { text: true } => Some(Kind::TextId(name.to_owned())),
                Component::Id { text: false } => Some(Kind::IntegerId(name.to_owned())),
                Component::Enum => Some(Kind::Enum(name.to_owned())),
                Component::Flag => Some(Kind::Flag),
                Component::Other => self.kind(target),
            };
        }
        match (text(schema, "type"), text(schema, "format")) {
            ("string", "date-time") => Some(Kind::DateTime),
            ("string", "local-date-time") => Some(Kind::LocalTime),
            ("string", "binary") => Some(Kind::Binary),
            ("string", _) => Some(match Marks::read(self, "", schema).ok()?.list {
                Some(of) => Kind::IdList(of),
                None => Kind::Text,
            }),
            ("integer", "unix-time") => Some(Kind::UnixTime),
            ("integer", _) => Some(Kind::Integer),
            ("array", _) => match self.kind(&schema["items"])? {
                Kind::Text => Some(Kind::Texts),
                Kind::Binary => Some(Kind::Binary),
                _ => None,
            },
            _ => None,
        }
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

/// Summary and description as one documentation text.
fn doc(value: &Value) -> String {
    let parts = [text(value, "summary"), text(value, "description")];
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("\n\n")
}

pub fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
