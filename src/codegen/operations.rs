//! Emits what progenitor has no word for: the operation table, ids, open enums, and the modules that hold each operation's type
//! and request.

use super::docs;
use super::endpoint::{endpoint, operation_name};
use super::model::{Answer, Bounds, Component, Kind, Media, Operation, Spec, text};
use super::read::strings;
use super::types::Client;
use heck::{ToShoutySnakeCase, ToUpperCamelCase};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

pub fn emit(spec: &Spec, client: &Client) -> TokenStream {
    let named = spec.schemas().keys().filter_map(|name| named_type(spec, name));
    let answers = client.answers.iter().map(|name| format_ident!("{name}"));
    let table = spec.operations.iter().map(|operation| table_entry(spec, operation));
    let entries =
        spec.operations.iter().map(|operation| format_ident!("{}", operation.id.to_shouty_snake_case()));
    let endpoints = spec
        .operations
        .iter()
        .filter(|operation| !is_multipart(operation))
        .map(|operation| endpoint(spec, client, operation));
    let requests = spec.operations.iter().map(|operation| request(spec, operation));
    let returns = spec.operations.iter().map(|operation| {
        let (name, doc) = (operation_name(operation), docs::method(spec, operation));
        quote!((#name) => { #doc };)
    });
    let bounds = spec.operations.iter().filter(|operation| is_multipart(operation)).flat_map(part_bounds);
    let max_message = max_message(spec);
    let table_doc = format!(
        "What {} offers: one [`crate::Operation`] for each operation of its specification.",
        spec.service
    );
    let times = spec.local_times();
    let local_times = (!times.is_empty()).then(|| {
        quote! {
            /// The names of the members that are times without an offset, in any answer.
            pub(crate) const LOCAL_TIMES: &[&str] = &[#(#times),*];
        }
    });
    quote! {
        #local_times
        #max_message
        pub use client::types::{#(#answers),*};
        #(#named)*
        #[doc = #table_doc]
        pub mod table {
            #(#table)*
            /// Every operation of the service, by path.
            pub static ALL: &[&crate::Operation] = &[#(&#entries),*];
        }
        /// The bounds of multipart parts, which the operations written by hand check.
        #[allow(unused)]
        pub(crate) mod bounds {
            #(#bounds)*
        }
        /// One type for each operation: its parameters, which [`crate::Request`] sends.
        pub mod operations {
            #[allow(unused_imports)]
            use super::{client, table};
            #(#endpoints)*
        }
        /// The request of each operation: how it is awaited, its setters, its options.
        pub mod requests {
            #(#requests)*
        }
        /// What the documentation of a method says of what it returns.
        macro_rules! returns { #(#returns)* }
        pub(crate) use returns;
    }
}

/// The name under which an operation's request has a page of its own.
fn request(spec: &Spec, operation: &Operation) -> TokenStream {
    let (name, doc) = (operation_name(operation), docs::request(spec, operation));
    let service = format_ident!("{}", spec.service);
    // Those with files are written by hand.
    let endpoint = if is_multipart(operation) {
        quote!(crate::#service::#name)
    } else {
        quote!(super::operations::#name)
    };
    quote! {
        #[doc = #doc]
        pub type #name = crate::Request<#endpoint>;
    }
}

fn is_multipart(operation: &Operation) -> bool {
    operation.body.as_ref().is_some_and(|body| body.media == Media::Multipart)
}

fn part_bounds(operation: &Operation) -> Vec<TokenStream> {
    let prefix = operation.id.to_shouty_snake_case();
    let parts = operation.body.iter().flat_map(|body| &body.properties).filter_map(|part| {
        let name = format_ident!("{prefix}_{}", part.name.to_shouty_snake_case());
        match (&part.bounds, &part.kind) {
            (Bounds { max_bytes: Some(max), .. }, _) => Some(quote!(pub(crate) const #name: u64 = #max;)),
            (Bounds { min: Some(min), max: Some(max), .. }, Kind::Text) => {
                Some(quote!(pub(crate) const #name: (i64, i64) = (#min, #max);))
            }
            _ => None,
        }
    });
    parts.collect()
}

/// The operations that post a message, with its text as `body`.
const POSTS: [&str; 2] = ["post_message", "create_message"];

/// The longest text of a message, if the service has one.
fn max_message(spec: &Spec) -> Option<TokenStream> {
    let post = spec.operations.iter().find(|operation| POSTS.contains(&operation.id.as_str()))?;
    let body = post.body.iter().flat_map(|body| &body.properties).find(|property| property.name == "body")?;
    let max = usize::try_from(body.bounds.max?).ok().map(proc_macro2::Literal::usize_unsuffixed)?;
    Some(quote! {
        /// The longest text of a message, in characters (Unicode scalar values).
        pub const MAX_MESSAGE: usize = #max;
    })
}

fn named_type(spec: &Spec, name: &str) -> Option<TokenStream> {
    let schema = spec.schema(name);
    let doc = text(schema, "description");
    let ident = format_ident!("{name}");
    match spec.component(name) {
        Component::Id { text: true } => Some(quote!(crate::wire::text_id! { #[doc = #doc] #ident })),
        Component::Id { text: false } => Some(quote!(crate::wire::integer_id! { #[doc = #doc] #ident })),
        Component::Enum => {
            let values: Vec<&str> =
                schema["enum"].as_array().into_iter().flatten().filter_map(|value| value.as_str()).collect();
            let variants = values.iter().map(|value| format_ident!("{}", value.to_upper_camel_case()));
            let docs = values.iter().map(|value| format!("`{value}` on the wire."));
            Some(quote!(
                crate::wire::open_enum! { #[doc = #doc] #ident { #(#[doc = #docs] #variants = #values),* } }
            ))
        }
        Component::Flag | Component::Other => None,
    }
}

fn table_entry(spec: &Spec, operation: &Operation) -> TokenStream {
    let Operation { id, method, path, empty_list, room_limit, scopes, .. } = operation;
    let ident = format_ident!("{}", id.to_shouty_snake_case());
    let doc = format!("`{method} {path}`");
    let safety = format_ident!("{}", operation.safety.to_upper_camel_case());
    let method = format_ident!("{method}");
    let units = operation.units.unwrap_or(0);
    let versioned =
        operation.body.iter().flat_map(|body| &body.properties).any(|field| field.name == "version");
    let option = |value: &Option<String>| match value {
        Some(value) => quote!(Some(#value)),
        None => quote!(None),
    };
    let (page, inferred) = (option(&operation.page), option(&operation.inferred));
    let answer = match &operation.answer {
        Answer::Nothing => quote!(Nothing),
        Answer::List(_) => quote!(List),
        Answer::Object(name) => {
            let required = strings(&spec.schema(name)["required"]);
            quote!(Object { required: &[#(#required),*] })
        }
    };
    quote! {
        #[doc = #doc]
        pub static #ident: crate::Operation = crate::Operation {
            id: #id,
            method: ::reqwest::Method::#method,
            path: #path,
            safety: crate::Safety::#safety,
            empty_list: #empty_list,
            room_limit: #room_limit,
            versioned: #versioned,
            units: #units,
            scopes: &[#(#scopes),*],
            page: #page,
            inferred: #inferred,
            answer: crate::AnswerShape::#answer,
        };
    }
}
