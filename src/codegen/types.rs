//! Has progenitor write a service's client, and finishes what it writes: documentation and leniency of each field, and methods
//! that only write requests.

use super::SpecError;
use super::model::{Component, Operation, Spec, reference, text, unwrap_all_of};
use super::read::Marks;
use super::simplify::{body_type, simplified};
use heck::ToSnakeCase;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use serde_json::Value;
use std::collections::HashMap;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Expr, Field, FnArg, ImplItem, ImplItemFn, Item, ItemImpl, ItemMod, ItemStruct, Lit, Pat, Stmt,
    Token, UseTree, parse_quote,
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
                        pub(crate) to: &'c crate::transport::Encoder<'c>,
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
    if !drop_headers(&mut build.receiver)
        || !statements.iter_mut().any(|statement| join_base(statement).is_some())
    {
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

/// Makes `let url = format!("{}/rooms/{}", self.baseurl, encode_path(&id.to_string()))` one that parses only the path, and
/// encodes an id as it is written. `None` if the statement is of another form.
fn join_base(statement: &mut Stmt) -> Option<()> {
    binding(statement).filter(|name| name == "url")?;
    let Stmt::Local(url) = statement else { return None };
    let value = &mut url.init.as_mut()?.expr;
    let Expr::Macro(format) = &**value else { return None };
    let arguments = Punctuated::<Expr, Token![,]>::parse_terminated;
    let mut arguments = format.mac.parse_body_with(arguments).ok()?.into_iter();
    let Some(Expr::Lit(template)) = arguments.next() else { return None };
    let Lit::Str(template) = template.lit else { return None };
    let template = template.value().strip_prefix("{}")?.to_owned();
    arguments.next().filter(|base| base.to_token_stream().to_string() == "self . baseurl")?;
    let parameters = arguments.map(|encoded| {
        let Expr::Call(call) = encoded else { return None };
        let Some(Expr::Reference(text)) = call.args.into_iter().next() else {
            return None;
        };
        let Expr::MethodCall(text) = *text.expr else { return None };
        (is_path(&call.func, "encode_path") && text.method == "to_string").then_some(text.receiver)
    });
    let parameters = parameters.collect::<Option<Vec<_>>>()?;
    **value = parse_quote!(self.to.join(format_args!(#template #(, encode_path(#parameters))*)));
    Some(())
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
