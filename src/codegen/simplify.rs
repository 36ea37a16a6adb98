//! The document as progenitor is given it.
//!
//! progenitor refuses or mistreats much of what an honest document says: two success bodies, multipart, bounds,
//! `0` for "no time", an empty array for "no object". It gets the part that it can generate; [`types`](super::types) puts the
//! rest back into the fields afterwards.

use super::SpecError;
use super::model::{
    Answer, Component, Kind, Media, Operation, Parameter, Place, Spec, reference, text, unwrap_all_of,
};
use heck::ToUpperCamelCase;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The name of an operation's body type.
pub fn body_type(operation: &Operation) -> String {
    format!("{}Body", operation.id.to_upper_camel_case())
}

/// The document reduced to what progenitor generates well: one success per operation, no bounds, no unions.
pub fn simplified(spec: &Spec) -> Result<Value, SpecError> {
    let mut schemas = Map::new();
    let mut answers = BTreeSet::new();
    for operation in &spec.operations {
        if let Answer::Object(name) | Answer::List(name) = &operation.answer {
            reach(spec, name, &mut answers);
        }
    }
    for (name, schema) in spec.schemas() {
        let simple = match spec.component(name) {
            Component::Id { text } => json!({ "type": if text { "string" } else { "integer" } }),
            Component::Enum => json!({ "type": "string", "enum": schema["enum"] }),
            Component::Flag => json!({ "type": "integer" }),
            Component::Other if answers.contains(name.as_str()) => object(spec, name, schema)?,
            Component::Other => continue,
        };
        schemas.insert(name.clone(), simple);
    }
    let mut paths: Map<String, Value> = Map::new();
    for operation in &spec.operations {
        let source = &spec.document["paths"][&operation.path][operation.method.to_lowercase()];
        let mut simple = json!({ "operationId": operation.id, "parameters": parameters(operation) });
        if let Some(body) = &operation.body {
            if body.media == Media::Multipart {
                continue;
            }
            let (media, content) = source["requestBody"]["content"]
                .as_object()
                .and_then(|content| content.iter().next())
                .expect("the model read it");
            let name = body_type(operation);
            schemas.insert(name.clone(), object(spec, &operation.id, &content["schema"])?);
            simple["requestBody"] =
                json!({ "required": true, "content": { media: { "schema": component(&name) } } });
        }
        let answer = match &operation.answer {
            Answer::Nothing => None,
            Answer::Object(name) => Some(component(name)),
            Answer::List(name) => Some(json!({ "type": "array", "items": component(name) })),
        };
        simple["responses"] = match answer {
            Some(schema) => {
                json!({ "2XX": { "description": "", "content": { "application/json": { "schema": schema } } } })
            }
            None => json!({ "2XX": { "description": "" } }),
        };
        let item = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
        item[operation.method.to_lowercase()] = simple;
    }
    Ok(json!({
        "openapi": "3.0.3",
        "info": { "title": spec.document["info"]["title"], "version": spec.document["info"]["version"] },
        "paths": paths,
        "components": { "schemas": schemas },
    }))
}

/// Collects a component and all that it refers to.
fn reach<'a>(spec: &'a Spec, name: &'a str, reached: &mut BTreeSet<&'a str>) {
    fn references<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
        found.extend(reference(schema));
        match schema {
            Value::Object(members) => members.values().for_each(|member| references(member, found)),
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    if reached.insert(name) {
        let mut found = Vec::new();
        references(spec.schema(name), &mut found);
        found.into_iter().for_each(|name| reach(spec, name, reached));
    }
}

fn component(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let parameters = operation.parameters.iter().map(|parameter| {
        let path = parameter.place == Place::Path;
        json!({
            "name": parameter.name,
            "in": if path { "path" } else { "query" },
            "required": parameter.required,
            "schema": parameter_schema(parameter),
        })
    });
    parameters.collect()
}

fn parameter_schema(parameter: &Parameter) -> Value {
    match &parameter.kind {
        Kind::IntegerId(to) | Kind::TextId(to) | Kind::Enum(to) => component(to),
        Kind::Flag => component("Flag"),
        Kind::Integer => json!({ "type": "integer", "format": "int64" }),
        _ => json!({ "type": "string" }),
    }
}

/// An object schema with plain properties.
fn object(spec: &Spec, place: &str, schema: &Value) -> Result<Value, SpecError> {
    let mut properties = Map::new();
    let mut required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let Some(simple) = property_schema(unwrap_all_of(property)) else {
            let problem = format!("property {name} has a schema that build.rs does not know: {property}");
            return Err(spec.error(place, problem, "use one of the forms in specs/README.md"));
        };
        let silent = text(property, "description").is_empty() && reference(unwrap_all_of(property)).is_none();
        if silent {
            let problem = format!("property {name} has no description");
            return Err(spec.error(place, problem, "describe it: the text becomes its documentation"));
        }
        properties.insert(name.clone(), simple);
        if property.get("default").is_some() && !required.contains(&name.as_str()) {
            required.push(name);
        }
    }
    // A request leaves out what has a default at the service: only an answer is filled in.
    if !spec.schemas().contains_key(place) {
        required.retain(|name| {
            schema["required"].as_array().is_some_and(|listed| listed.iter().any(|item| item == name))
        });
    }
    Ok(json!({ "type": "object", "properties": properties, "required": required }))
}

fn property_schema(schema: &Value) -> Option<Value> {
    if reference(schema).is_some() {
        return Some(json!({ "$ref": schema["$ref"] }));
    }
    if let Some([first, second]) = schema["oneOf"].as_array().map(Vec::as_slice) {
        return property_schema(if first["type"] == "array" { second } else { first });
    }
    match (text(schema, "type"), text(schema, "format")) {
        ("integer", "unix-time") => Some(json!({ "type": "string" })),
        ("integer", "int32") => Some(json!({ "type": "integer", "format": "int32" })),
        ("integer", _) if schema["minimum"].as_i64().is_some_and(|minimum| minimum >= 0) => {
            Some(json!({ "type": "integer", "format": "uint64" }))
        }
        ("integer", _) => Some(json!({ "type": "integer", "format": "int64" })),
        ("string", _) => Some(json!({ "type": "string" })),
        ("boolean", _) => Some(json!({ "type": "boolean" })),
        ("array", _) => {
            Some(json!({ "type": "array", "items": property_schema(unwrap_all_of(&schema["items"]))? }))
        }
        ("object" | "", _)
            if !["properties", "oneOf", "anyOf", "allOf", "not"]
                .iter()
                .any(|key| schema.get(key).is_some()) =>
        {
            Some(json!({}))
        }
        _ => None,
    }
}
