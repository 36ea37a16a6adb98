//! Prepares the document for progenitor, and finishes what progenitor writes.
//!
//! progenitor refuses or mistreats much of what an honest document says: two success bodies, multipart, bounds,
//! `0` for "no time", an empty array for "no object". The document keeps saying it; what is given to progenitor is
//! the part that it can generate, and the rest is put back into the fields afterwards.

use super::SpecError;
use super::model::{
    Answer, Component, Kind, Marks, Media, Operation, Parameter, Place, Spec, reference, text, unwrap_all_of,
};
use heck::{ToSnakeCase, ToUpperCamelCase};
use proc_macro2::TokenStream;
use quote::quote;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use syn::{
    Attribute, Expr, Field, FnArg, ImplItem, ImplItemFn, Item, ItemImpl, ItemMod, ItemStruct, Pat, Stmt,
    UseTree, parse_quote,
};

/// What progenitor wrote for one service.
pub struct Client {
    file: syn::File,
    /// The names of each generated method's arguments, in order.
    pub arguments: HashMap<String, Vec<String>>,
    /// The answer types that users see.
    pub answers: Vec<String>,
}

impl Client {
    pub fn tokens(&self) -> TokenStream {
        let items = &self.file.items;
        quote! {
            /// The request encoder, as progenitor writes it, and the answer types.
            #[allow(missing_docs, clippy::all, clippy::pedantic, unused)]
            pub(crate) mod client { #(#items)* }
        }
    }
}

/// The name of an operation's body type.
pub fn body_type(operation: &Operation) -> String {
    format!("{}Body", operation.id.to_upper_camel_case())
}

/// A field or argument name: snake case, and no keyword.
pub fn field_name(wire: &str) -> String {
    let name = wire.to_snake_case();
    match syn::parse_str::<syn::Ident>(&name) {
        Ok(_) => name,
        Err(_) => format!("{name}_"),
    }
}

pub fn client(spec: &Spec) -> Result<Client, SpecError> {
    let document = serde_json::from_value(simplified(spec)?).map_err(|error| {
        spec.error("document", error, "correct the part that the message names; it is not OpenAPI 3.0")
    })?;
    let mut settings = progenitor::GenerationSettings::new();
    settings.with_interface(progenitor::InterfaceStyle::Positional).with_derive("PartialEq");
    for name in spec.schemas().keys() {
        let path = match spec.component(name) {
            Component::Id { .. } | Component::Enum => format!("crate::{}::{name}", spec.service),
            Component::Flag => "crate::wire::Flag".to_owned(),
            Component::Other => continue,
        };
        settings.with_replacement(name, path, [progenitor::TypeImpl::Display].into_iter());
    }
    let tokens = progenitor::Generator::new(&settings).generate_tokens(&document).map_err(|error| {
        spec.error("document", error, "write it within what progenitor can generate (specs/README.md)")
    })?;
    let file = syn::parse2(tokens).map_err(|error| {
        spec.error("document", error, "report this: progenitor wrote Rust that does not parse")
    })?;
    finish(spec, file)
}

/// The document reduced to what progenitor generates well: one success per operation, no bounds, no unions.
fn simplified(spec: &Spec) -> Result<Value, SpecError> {
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

fn finish(spec: &Spec, mut file: syn::File) -> Result<Client, SpecError> {
    let mut arguments = HashMap::new();
    let mut answers = Vec::new();
    file.attrs.clear();
    // The client is built, asked for its hooks and sent by nothing here: what encodes a request is all of it that stays.
    file.items.retain(|item| match item {
        Item::Mod(module) => module.ident != "prelude",
        Item::Impl(item) => item.trait_.is_none(),
        Item::Const(_) => false,
        _ => true,
    });
    for item in &mut file.items {
        match item {
            Item::Use(import) => {
                // Our own encoder leaves no character that the URL parser would take for a separator.
                for name in [
                    "encode_path",
                    "ByteStream",
                    "ClientHooks",
                    "ClientInfo",
                    "OperationInfo",
                    "ResponseValue",
                ] {
                    remove_import(&mut import.tree, name);
                }
            }
            Item::Mod(module) if module.ident == "types" => answers = finish_types(spec, module)?,
            Item::Struct(client) if client.ident == "Client" => {
                // It lives for one call, and borrows from it.
                *client = parse_quote! {
                    pub struct Client<'c> {
                        pub(crate) baseurl: &'c str,
                        pub(crate) client: &'c reqwest::Client,
                    }
                };
            }
            Item::Impl(item) => finish_client(spec, item, &mut arguments)?,
            _ => {}
        }
    }
    file.items.retain(|item| !matches!(item, Item::Impl(item) if item.items.is_empty()));
    file.items.push(parse_quote! { use crate::wire::encode_path; });
    Ok(Client { file, arguments, answers })
}

/// Makes each method of the client one that hands out the request that it has written.
fn finish_client(
    spec: &Spec,
    client: &mut ItemImpl,
    arguments: &mut HashMap<String, Vec<String>>,
) -> Result<(), SpecError> {
    client.self_ty = parse_quote!(Client<'_>);
    client.items.retain(|item| matches!(item, ImplItem::Fn(method) if method.sig.asyncness.is_some()));
    for item in &mut client.items {
        let ImplItem::Fn(method) = item else { continue };
        let id = method.sig.ident.to_string();
        arguments.insert(id.clone(), argument_names(&method.sig.inputs));
        let doc = format!("Writes the request of `{id}`.");
        method.attrs = vec![parse_quote!(#[doc = #doc])];
        if !keep_encoding(method) {
            return Err(spec.error(
                &id,
                "the method that progenitor wrote does not build a request first",
                "teach finish_client in src/codegen the form of this release of progenitor",
            ));
        }
    }
    Ok(())
}

/// Drops what a method does once it has built the request, and the header that names the document's version, which is
/// for a server that knows it. Returns whether the method is of the form known.
fn keep_encoding(method: &mut ImplItemFn) -> bool {
    let statements = &mut method.block.stmts;
    let Some(built) =
        statements.iter().position(|statement| binding(statement) == Some("request".to_owned()))
    else {
        return false;
    };
    statements.truncate(built + 1);
    let Some(Stmt::Local(request)) = statements.pop() else { return false };
    let Some(mut value) = request.init.map(|init| init.expr) else { return false };
    let Expr::Try(build) = &mut *value else { return false };
    let Expr::MethodCall(build) = &mut *build.expr else { return false };
    if build.method != "build" {
        return false;
    }
    if !drop_headers(&mut build.receiver) {
        return false;
    }
    statements.retain(|statement| match statement {
        Stmt::Expr(Expr::MethodCall(call), _) => !is_path(&call.receiver, "header_map"),
        statement => binding(statement) != Some("header_map".to_owned()),
    });
    method.block.stmts.push(Stmt::Expr(parse_quote!(Ok(#value)), None));
    method.sig.asyncness = None;
    method.sig.output = parse_quote!(-> Result<::reqwest::Request, Error<()>>);
    true
}

/// The name that a `let` gives.
fn binding(statement: &Stmt) -> Option<String> {
    match statement {
        Stmt::Local(local) => match &local.pat {
            Pat::Ident(pattern) => Some(pattern.ident.to_string()),
            _ => None,
        },
        _ => None,
    }
}

fn is_path(expression: &Expr, name: &str) -> bool {
    matches!(expression, Expr::Path(path) if path.path.is_ident(name))
}

/// Takes `.headers(header_map)` out of a chain of calls, and says whether it was there.
fn drop_headers(chain: &mut Expr) -> bool {
    let call = match chain {
        Expr::MethodCall(call) => call,
        Expr::Try(inner) => return drop_headers(&mut inner.expr),
        _ => return false,
    };
    if call.method == "headers" && call.args.iter().any(|argument| is_path(argument, "header_map")) {
        *chain = (*call.receiver).clone();
        return true;
    }
    drop_headers(&mut call.receiver)
}

fn argument_names<'a>(inputs: impl IntoIterator<Item = &'a FnArg>) -> Vec<String> {
    let names = inputs.into_iter().filter_map(|input| match input {
        FnArg::Typed(argument) => match &*argument.pat {
            Pat::Ident(pattern) => Some(pattern.ident.to_string()),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    names.collect()
}

fn remove_import(tree: &mut UseTree, name: &str) {
    match tree {
        UseTree::Path(path) => remove_import(&mut path.tree, name),
        UseTree::Group(group) => {
            let kept = std::mem::take(&mut group.items).into_iter();
            group.items =
                kept.filter(|tree| !matches!(tree, UseTree::Name(import) if import.ident == name)).collect();
        }
        _ => {}
    }
}

/// Gives each type its documentation and each field its leniency; returns the names of the answer types.
fn finish_types(spec: &Spec, module: &mut ItemMod) -> Result<Vec<String>, SpecError> {
    let bodies: HashMap<String, &Operation> = spec
        .operations
        .iter()
        .filter(|operation| operation.body.is_some())
        .map(|operation| (body_type(operation), operation))
        .collect();
    let (_, items) = module.content.as_mut().expect("progenitor writes the module inline");
    items.retain(|item| matches!(item, Item::Struct(_)));
    let mut answers = Vec::new();
    for item in items {
        let Item::Struct(item) = item else { continue };
        let name = item.ident.to_string();
        match bodies.get(&name) {
            Some(operation) => {
                let source = &spec.document["paths"][&operation.path][operation.method.to_lowercase()];
                let content = source["requestBody"]["content"]
                    .as_object()
                    .and_then(|content| content.values().next())
                    .expect("the model read it");
                finish_struct(spec, item, &content["schema"], true)?;
                // It is written and never read.
                let doc = format!("The body of `{}`.", operation.id);
                item.attrs = vec![
                    parse_quote!(#[doc = #doc]),
                    parse_quote!(#[derive(Clone, Debug, ::serde::Serialize)]),
                ];
            }
            None => {
                item.attrs.push(parse_quote!(#[non_exhaustive]));
                finish_struct(spec, item, spec.schema(&name), false)?;
                answers.push(name);
            }
        }
    }
    Ok(answers)
}

fn finish_struct(spec: &Spec, item: &mut ItemStruct, schema: &Value, request: bool) -> Result<(), SpecError> {
    item.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
    let doc = text(schema, "description");
    item.attrs.insert(0, parse_quote!(#[doc = #doc]));
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for field in &mut item.fields {
        let ident = field.ident.clone().expect("typify writes structs with named fields");
        let wire = wire_name(field).unwrap_or_else(|| ident.to_string().trim_start_matches("r#").to_owned());
        finish_field(
            spec,
            field,
            &schema["properties"][&wire],
            &wire,
            required.contains(&wire.as_str()),
            request,
        )?;
    }
    Ok(())
}

fn wire_name(field: &Field) -> Option<String> {
    let mut name = None;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        // Other keys of the attribute are rewritten by `finish_field`; they only have to be stepped over here.
        let _ = attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") {
                name = Some(meta.value()?.parse::<syn::LitStr>()?.value());
            } else if meta.input.peek(syn::Token![=]) {
                meta.value()?.parse::<syn::Lit>()?;
            }
            Ok(())
        });
    }
    name
}

fn finish_field(
    spec: &Spec,
    field: &mut Field,
    outer: &Value,
    wire: &str,
    required: bool,
    request: bool,
) -> Result<(), SpecError> {
    let marks = Marks::read(spec, wire, outer)?;
    let schema = unwrap_all_of(outer);
    let optional = !required && (request || outer.get("default").is_none());
    let nullable = outer["nullable"] == true && outer.get("default").is_none();
    let optional_time = optional || marks.zero.is_some() || nullable;
    let mut serde: Vec<TokenStream> = Vec::new();
    let format = text(schema, "format");
    // Nothing is sure of a wall-clock time, not even that it is there.
    let optional_time = optional_time || format == "local-date-time";
    let is_time = ["unix-time", "local-date-time", "date-time"].contains(&format);
    if is_time {
        let time: syn::Type = parse_quote!(::jiff::Timestamp);
        field.ty = match (request && outer["nullable"] == true, optional_time) {
            (true, _) => parse_quote!(::std::option::Option<crate::Nullable<#time>>),
            (false, true) => parse_quote!(::std::option::Option<#time>),
            (false, false) => time,
        };
        let with = match format {
            "unix-time" => Some("crate::wire::unix_time"),
            "local-date-time" => Some("crate::wire::local_time"),
            _ => None,
        };
        if format == "date-time" && optional_time && !request {
            serde.push(quote!(deserialize_with = "crate::wire::date_time"));
        }
        if let Some(with) = with {
            let unix_option = optional_time && format == "unix-time";
            let with = if unix_option { format!("{with}::option") } else { with.to_owned() };
            serde.push(quote!(with = #with));
        }
    } else if marks.secret {
        let secret: syn::Type = parse_quote!(crate::Secret);
        field.ty = if optional { parse_quote!(::std::option::Option<#secret>) } else { secret };
    } else if !request {
        serde.extend(leniency(spec, outer, optional));
    }
    let name = field.ident.as_ref().expect("typify writes structs with named fields").to_string();
    if name.trim_start_matches("r#") != wire {
        serde.push(quote!(rename = #wire));
    }
    if optional || (is_time && optional_time) {
        let default = (!request).then(|| quote!(default,));
        serde.push(quote!(#default skip_serializing_if = "::std::option::Option::is_none"));
    } else if !required && !request && is_open_enum(spec, schema) {
        serde.push(quote!(default = "crate::wire::unknown"));
    } else if !required && !request {
        serde.push(quote!(default));
    }
    let doc = match text(outer, "description") {
        "" => text(reference(schema).map_or(schema, |to| spec.schema(to)), "description"),
        doc => doc,
    };
    let attributes: Vec<Attribute> = if serde.is_empty() {
        vec![parse_quote!(#[doc = #doc])]
    } else {
        vec![parse_quote!(#[doc = #doc]), parse_quote!(#[serde(#(#serde),*)])]
    };
    field.attrs = attributes;
    Ok(())
}

fn is_open_enum(spec: &Spec, schema: &Value) -> bool {
    reference(schema).is_some_and(|to| matches!(spec.component(to), Component::Enum))
}

/// How a field of an answer is read that is neither a time nor a secret, if serde's own way is too strict.
fn leniency(spec: &Spec, outer: &Value, optional: bool) -> Option<TokenStream> {
    let schema = unwrap_all_of(outer);
    let first = schema["oneOf"].as_array().and_then(|union| union.first());
    let falls_back = !optional && outer.get("default").is_some();
    let with = match text(first.unwrap_or(schema), "type") {
        "array" if first.is_some() => "crate::wire::empty_array_as_none",
        "string" if first.is_some() && optional => "crate::wire::text_or_number::option",
        "string" if first.is_some() => "crate::wire::text_or_number",
        "integer" if optional => "crate::wire::lenient_integer::option",
        "integer" if falls_back => "crate::wire::lenient_integer::or_zero",
        "integer" => "crate::wire::lenient_integer",
        "boolean" if optional => "crate::wire::lenient_boolean::option",
        "boolean" => "crate::wire::lenient_boolean",
        _ if falls_back && is_open_enum(spec, schema) => "crate::wire::null_as_unknown",
        _ if falls_back => "crate::wire::null_as_default",
        _ => return None,
    };
    Some(quote!(deserialize_with = #with))
}
