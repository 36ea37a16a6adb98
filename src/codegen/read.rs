//! The operations of a document, with their parameters, bodies and answers.

use super::SpecError;
use super::model::{
    Answer, Body, Bounds, Component, Kind, Media, Operation, Parameter, Place, Spec, reference, text,
    unwrap_all_of,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

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

/// What is wrong, and what to write instead.
type Problem = (String, &'static str);

impl Extensions {
    fn check(&self) -> Result<(), Problem> {
        let Self { x_safety, x_page, .. } = self;
        if !SAFETY.contains(&x_safety.as_str()) {
            let remedy = "say safe, idempotent, keyed or unsafe: retries depend on it";
            return Err((format!("x-safety is {x_safety:?}"), remedy));
        }
        if self.x_safe_if.as_ref().is_some_and(|only| only.len() != 1) {
            let remedy = "name one parameter and its value, as specs/README.md has it: retries depend on it";
            return Err(("x-safe-if has not exactly one entry".to_owned(), remedy));
        }
        match x_page.as_deref() {
            Some(page) if !PAGES.contains(&page) => Err((
                format!("x-page is {page:?}"),
                "use one of the kinds that build.rs knows, or leave it out",
            )),
            _ => Ok(()),
        }
    }

    /// Why the operation is not certain, if it is not documented.
    fn inferred(&self) -> Result<Option<String>, Problem> {
        let confidence = self.x_confidence.trim();
        match confidence.split_once(':') {
            Some(("inferred", why)) if !why.trim().is_empty() => Ok(Some(why.trim().to_owned())),
            None if confidence == "documented" => Ok(None),
            _ => {
                Err((format!("x-confidence is {confidence:?}"), "say `documented`, or `inferred: ` and why"))
            }
        }
    }
}

impl Marks {
    pub fn read(spec: &Spec, place: &str, schema: &Value) -> Result<Self, SpecError> {
        spec.extensions(place, schema)
    }
}

const SAFETY: [&str; 4] = ["safe", "idempotent", "keyed", "unsafe"];
const PAGES: [&str; 6] = ["cursor", "modified", "message-id", "file-id", "name", "offset"];

const CODE_PATTERN: &str = "^[A-Za-z0-9_-]+$";

/// A parameter as it stands in the document.
struct Written<'a> {
    name: &'a str,
    place: Place,
    required: bool,
    /// The parameter, or the schema itself if it is a member of a body.
    outer: &'a Value,
    schema: &'a Value,
}

impl Spec {
    pub(super) fn operation(
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
        said.check().map_err(|(problem, remedy)| wrong(&problem, remedy))?;
        let inferred = said.inferred().map_err(|(problem, remedy)| wrong(&problem, remedy))?;
        let parameters = self.parameters(&id, [shared, &operation["parameters"]])?;
        for template in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            if !parameters.iter().any(|p| p.place == Place::Path && p.name == template) {
                let problem = format!("the path names {{{template}}}, which is not a parameter");
                return Err(wrong(&problem, "declare it with in: path"));
            }
        }
        Ok(Operation {
            method: method.to_uppercase(),
            path: path.to_owned(),
            doc,
            safety: said.x_safety,
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

    /// Those of the path come first.
    fn parameters(&self, id: &str, lists: [&Value; 2]) -> Result<Vec<Parameter>, SpecError> {
        let mut parameters = Vec::new();
        for parameter in lists.into_iter().filter_map(Value::as_array).flatten() {
            let parameter = self.parameter_item(parameter);
            let place = match text(parameter, "in") {
                "path" => Place::Path,
                "query" => Place::Query,
                "header" => continue,
                other => {
                    let problem = format!("a parameter is in {other:?}");
                    return Err(self.error(id, problem, "put parameters in path, query or header"));
                }
            };
            let (name, schema) = (text(parameter, "name"), &parameter["schema"]);
            let required = parameter["required"].as_bool().unwrap_or(false);
            parameters.push(self.parameter(id, Written { name, place, required, outer: parameter, schema })?);
        }
        parameters.sort_by_key(|p| p.place != Place::Path);
        Ok(parameters)
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
            let (place, required) = (Place::Body, required.contains(name));
            properties.push(
                self.parameter(id, Written { name, place, required, outer: property, schema: property })?,
            );
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

    fn parameter(&self, id: &str, written: Written<'_>) -> Result<Parameter, SpecError> {
        let Written { name, place, required, outer, schema } = written;
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
}

/// Summary and description as one documentation text.
fn doc(value: &Value) -> String {
    let parts = [text(value, "summary"), text(value, "description")];
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("\n\n")
}

pub fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
