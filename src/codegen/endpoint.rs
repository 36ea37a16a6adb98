//! Emits the type of an operation: its parameters, their checks and setters, how it is written and read, and how its list
//! goes on.

use super::docs;
use super::model::{Answer, Bounds, DIGITS_PATTERN, Kind, Operation, Parameter, Place, Spec, text};
use super::simplify::body_type;
use super::types::{Client, field_name};
use heck::{ToShoutySnakeCase, ToUpperCamelCase};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

pub fn operation_name(operation: &Operation) -> proc_macro2::Ident {
    format_ident!("{}", operation.id.to_upper_camel_case())
}

/// A parameter of an operation with everything needed to declare, set, check and send it.
struct Field<'a> {
    parameter: &'a Parameter,
    ident: proc_macro2::Ident,
    /// How the rest of the operation reaches the value: a field of its own, or of the body.
    access: TokenStream,
}

impl Field<'_> {
    fn service_type(spec: &Spec, name: &str) -> TokenStream {
        let service = format_ident!("{}", spec.service);
        let name = format_ident!("{name}");
        quote!(crate::#service::#name)
    }

    /// The type of a setter's argument, and how it becomes the stored value.
    fn argument(&self, spec: &Spec) -> (TokenStream, TokenStream) {
        let ident = &self.ident;
        match &self.parameter.kind {
            Kind::Text | Kind::UserText => (quote!(impl Into<String>), quote!(#ident.into())),
            Kind::Secret => (quote!(impl Into<String>), quote!(crate::Secret::new(#ident))),
            Kind::Integer => (quote!(i64), quote!(#ident)),
            Kind::Flag => (quote!(bool), quote!(crate::wire::Flag(#ident))),
            Kind::TextId(name) => {
                let name = Self::service_type(spec, name);
                (quote!(impl Into<#name>), quote!(#ident.into()))
            }
            Kind::IntegerId(name) | Kind::Enum(name) => (Self::service_type(spec, name), quote!(#ident)),
            Kind::IdList(name) => {
                let name = Self::service_type(spec, name);
                (quote!(impl IntoIterator<Item = #name>), quote!(crate::wire::comma_list(#ident)))
            }
            Kind::UnixTime | Kind::DateTime => (quote!(::jiff::Timestamp), quote!(#ident)),
            Kind::LocalTime => (quote!(::jiff::Timestamp), quote!(self.client.state().format(#ident))),
            Kind::Texts => (
                quote!(impl IntoIterator<Item = impl Into<String>>),
                quote!(#ident.into_iter().map(Into::into).collect()),
            ),
            Kind::Binary => (quote!(::bytes::Bytes), quote!(#ident)),
        }
    }

    /// The type of the stored value, for path and query parameters; body values live in progenitor's body type.
    fn stored(&self, spec: &Spec) -> TokenStream {
        let stored = match &self.parameter.kind {
            Kind::Integer => quote!(i64),
            Kind::Flag => quote!(crate::wire::Flag),
            Kind::TextId(name) | Kind::IntegerId(name) | Kind::Enum(name) => Self::service_type(spec, name),
            _ => quote!(String),
        };
        if self.parameter.required { stored } else { quote!(Option<#stored>) }
    }

    fn check(&self, spec: &Spec, operation: &Operation) -> Option<TokenStream> {
        let name = &self.parameter.name;
        let siblings = || spec.siblings(&operation.path, name);
        let Bounds { min, max, code, .. } = &self.parameter.bounds;
        let (low, high) = (min.unwrap_or(0), max.unwrap_or(i64::MAX));
        let bounded = min.is_some() || max.is_some();
        let checks: Vec<TokenStream> = match &self.parameter.kind {
            Kind::TextId(id) if text(spec.schema(id), "pattern") == DIGITS_PATTERN => {
                vec![quote!(input::digits(#name, value.as_str())?;)]
            }
            Kind::TextId(_) if self.parameter.place == Place::Path => {
                let siblings = siblings();
                vec![quote!(input::id(#name, value.as_str(), &[#(#siblings),*])?;)]
            }
            Kind::TextId(_) => vec![quote!(input::length(#name, value.as_str(), 1, i64::MAX)?;)],
            Kind::IntegerId(_) => vec![quote!(input::positive(#name, value.0)?;)],
            Kind::UserText => {
                let siblings = siblings();
                vec![quote!(input::segment(#name, value, &[#(#siblings),*])?;)]
            }
            Kind::Text if *code => vec![quote!(input::code(#name, value, #low, #high)?;)],
            Kind::Text if bounded => vec![quote!(input::length(#name, value, #low, #high)?;)],
            Kind::Secret if *code => vec![quote!(input::code(#name, value.expose(), #low, #high)?;)],
            Kind::Secret if bounded => vec![quote!(input::length(#name, value.expose(), #low, #high)?;)],
            Kind::IdList(_) => vec![quote!(input::ids(#name, value)?;)],
            Kind::Texts => vec![
                quote!(input::not_empty(#name, value.is_empty() || value.iter().any(String::is_empty))?;),
            ],
            Kind::UnixTime => vec![quote!(input::unix_time(#name, value)?;)],
            Kind::Integer if bounded => vec![quote!(input::range(#name, *value, #low, #high)?;)],
            _ => Vec::new(),
        };
        if checks.is_empty() {
            return None;
        }
        let access = &self.access;
        Some(if self.parameter.required {
            quote!({ let value = &self.#access; #(#checks)* })
        } else {
            quote!(if let Some(value) = &self.#access { #(#checks)* })
        })
    }

    fn setter(&self, spec: &Spec) -> TokenStream {
        let Field { ident, access, parameter } = self;
        let (argument, value) = self.argument(spec);
        let doc = &parameter.doc;
        let clearable = parameter.nullable && parameter.place == Place::Body;
        let stored = if clearable { quote!(crate::Nullable::Value(#value)) } else { value };
        let set = match parameter.kind {
            // No ids are said by leaving the parameter out: a roster can become empty.
            Kind::IdList(_) => quote!(Some(value).filter(|list: &String| !list.is_empty())),
            _ => quote!(Some(value)),
        };
        let clear = clearable.then(|| {
            let name = format_ident!("clear_{}", ident);
            let doc = format!(
                "Clears `{}` at the service: `null` is sent, where leaving the setter out keeps the value.",
                parameter.name
            );
            quote! {
                #[doc = #doc]
                pub fn #name(mut self) -> Self {
                    self.endpoint.#access = Some(crate::Nullable::Null);
                    self
                }
            }
        });
        quote! {
            #[doc = #doc]
            pub fn #ident(mut self, #ident: #argument) -> Self {
                let value = #stored;
                self.endpoint.#access = #set;
                self
            }
            #clear
        }
    }
}

/// An operation on its way to a type of its own.
struct Endpoint<'a> {
    spec: &'a Spec,
    operation: &'a Operation,
    fields: Vec<Field<'a>>,
    name: proc_macro2::Ident,
    entry: proc_macro2::Ident,
}

pub fn endpoint(spec: &Spec, client: &Client, operation: &Operation) -> TokenStream {
    let endpoint = Endpoint::new(spec, operation);
    let declaration = endpoint.declaration();
    let implementation = endpoint.implementation(client);
    let setters = endpoint.setters();
    let list = list(spec, operation, &endpoint.name);
    quote!(#declaration #implementation #setters #list)
}

impl<'a> Endpoint<'a> {
    fn new(spec: &'a Spec, operation: &'a Operation) -> Self {
        let own = operation.parameters.iter().map(|parameter| {
            let ident = format_ident!("{}", field_name(&parameter.name));
            Field { parameter, access: quote!(#ident), ident }
        });
        let body = operation.body.iter().flat_map(|body| &body.properties).map(|parameter| {
            let ident = format_ident!("{}", field_name(&parameter.name));
            Field { parameter, access: quote!(body.#ident), ident }
        });
        let entry = format_ident!("{}", operation.id.to_shouty_snake_case());
        Self { spec, operation, fields: own.chain(body).collect(), name: operation_name(operation), entry }
    }

    /// The fields in the body, or those outside it.
    fn fields(&self, in_body: bool) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(move |field| (field.parameter.place == Place::Body) == in_body)
    }

    /// The type, and how it is made of what is required.
    fn declaration(&self) -> TokenStream {
        let Self { spec, operation, name, .. } = self;
        let declarations = self.fields(false).map(|field| {
            let (ident, stored) = (&field.ident, field.stored(spec));
            quote!(pub(crate) #ident: #stored)
        });
        let body_name = operation.body.as_ref().map(|_| format_ident!("{}", body_type(operation)));
        let body_declaration = body_name.iter().map(|name| quote!(pub(crate) body: client::types::#name));
        let arguments = self.fields.iter().filter(|field| field.parameter.required).map(|field| {
            let (ident, (argument, _)) = (&field.ident, field.argument(spec));
            quote!(#ident: #argument)
        });
        let initial = |field: &Field| {
            let ident = &field.ident;
            let (_, value) = field.argument(spec);
            if field.parameter.required { quote!(#ident: #value) } else { quote!(#ident: None) }
        };
        let own_values = self.fields(false).map(initial);
        let body_values: Vec<TokenStream> = self.fields(true).map(initial).collect();
        let body_value =
            body_name.iter().map(|name| quote!(body: client::types::#name { #(#body_values),* }));
        let doc = docs::endpoint(operation);
        quote! {
            #[doc = #doc]
            #[derive(Clone, Debug)]
            pub struct #name { #(#declarations,)* #(#body_declaration,)* }

            impl #name {
                pub(crate) fn new(#(#arguments),*) -> Self {
                    Self { #(#own_values,)* #(#body_value,)* }
                }
            }
        }
    }

    fn implementation(&self, client: &Client) -> TokenStream {
        let Self { spec, operation, name, entry, .. } = self;
        let service = format_ident!("{}", spec.service);
        let marker = format_ident!("{}", spec.service.to_upper_camel_case());
        let (safety, room, answer) = (self.safety(), self.room(), self.answer());
        let (checks, method) = (self.checks(), format_ident!("{}", operation.id));
        let passed = client.arguments[&operation.id].iter().map(|argument| self.passed(argument));
        quote! {
            impl crate::Endpoint for #name {
                type Service = crate::#service::#marker;
                #answer

                fn operation(&self) -> &'static crate::Operation { &table::#entry }

                #safety
                #room

                fn check(&self) -> Result<(), crate::InvalidInput> {
                    #[allow(unused_imports)]
                    use crate::input;
                    #checks
                    Ok(())
                }

                fn encode(&self, to: &crate::transport::Encoder<'_>) -> Result<crate::transport::Payload, crate::InvalidInput> {
                    let client = client::Client { to, client: to.http() };
                    crate::transport::Payload::encoded(client.#method(#(#passed),*))
                }
            }
        }
    }

    /// Whether it may be repeated, if that depends on a parameter.
    fn safety(&self) -> Option<TokenStream> {
        let entry = &self.entry;
        let (parameter, value) = self.operation.safe_if.as_ref()?;
        let (ident, value) = (format_ident!("{}", field_name(parameter)), *value != 0);
        Some(quote! {
            fn safety(&self) -> crate::Safety {
                if self.#ident == Some(crate::wire::Flag(#value)) { crate::Safety::Safe } else { table::#entry.safety }
            }
        })
    }

    fn room(&self) -> Option<TokenStream> {
        self.operation.room_limit.then(|| {
            quote!(
                fn room(&self) -> Option<u64> {
                    Some(self.room_id.0)
                }
            )
        })
    }

    /// What the service answers with, and how it is read.
    fn answer(&self) -> TokenStream {
        let Self { spec, operation, .. } = self;
        let (output, body, decode) = match &operation.answer {
            // What stands in the body is judged before it is decoded: nothing of it is wanted.
            Answer::Nothing => (quote!(()), quote!(_), quote!(Ok(()))),
            Answer::Object(answer) => {
                (Field::service_type(spec, answer), quote!(body), quote!(crate::wire::decode_object(body)))
            }
            Answer::List(answer) => {
                let answer = Field::service_type(spec, answer);
                (quote!(Vec<#answer>), quote!(body), quote!(crate::wire::decode(body)))
            }
        };
        quote! {
            type Output = #output;

            fn decode(&self, #body: &[u8]) -> Result<Self::Output, crate::wire::DecodeFailure> { #decode }
        }
    }

    fn checks(&self) -> TokenStream {
        let checks = self.fields.iter().filter_map(|field| field.check(self.spec, self.operation));
        let change = self.operation.needs_change.then(|| {
            let changing = self
                .fields(true)
                .filter(|field| !field.parameter.required && field.parameter.name != "version");
            let (names, values): (Vec<_>, Vec<_>) =
                changing.map(|field| (field.parameter.name.as_str(), &field.access)).unzip();
            quote!(input::any_change(&[#(#names),*], &[#(self.#values.is_some()),*])?;)
        });
        quote!(#(#checks)* #change)
    }

    /// An argument of the generated method.
    fn passed(&self, argument: &str) -> TokenStream {
        let Some(field) = self.fields(false).find(|field| field.ident == argument) else {
            return quote!(&self.body);
        };
        let ident = &field.ident;
        match (&field.parameter.kind, field.parameter.required) {
            (Kind::Integer, _) => quote!(self.#ident),
            (Kind::Text | Kind::UserText | Kind::LocalTime | Kind::IdList(_), false) => {
                quote!(self.#ident.as_deref())
            }
            (_, false) => quote!(self.#ident.as_ref()),
            (_, true) => quote!(&self.#ident),
        }
    }

    fn setters(&self) -> Option<TokenStream> {
        let name = &self.name;
        let optional = self.fields.iter().filter(|field| !field.parameter.required);
        let setters: Vec<TokenStream> = optional.map(|field| field.setter(self.spec)).collect();
        (!setters.is_empty()).then(|| quote!(impl crate::Request<#name> { #(#setters)* }))
    }
}

/// Operations that answer with a list, whether as such or as a page with a cursor.
fn list(spec: &Spec, operation: &Operation, name: &proc_macro2::Ident) -> Option<TokenStream> {
    let (item, rows) = match &operation.answer {
        Answer::Nothing => return None,
        Answer::List(item) => (item.as_str(), quote!((output, None))),
        Answer::Object(page) => {
            let properties = &spec.schema(page)["properties"];
            let item = super::model::reference(&properties["data"]["items"])?;
            let cursor = match properties.get("nextCursor") {
                Some(_) => quote!(output.next_cursor),
                None => quote!(None),
            };
            (item, quote!((output.data, #cursor)))
        }
    };
    let item_type = Field::service_type(spec, item);
    let paged = paged(spec, operation, name, item);
    Some(quote! {
        impl crate::List for #name {
            type Item = #item_type;

            fn rows(output: Self::Output) -> crate::page::Rows<Self::Item> { #rows }
        }
        #paged
    })
}

/// Lists that hand out a cursor; the other kinds of paging follow from the items and are written by hand.
fn paged(spec: &Spec, operation: &Operation, name: &proc_macro2::Ident, item: &str) -> Option<TokenStream> {
    if operation.page.as_deref() != Some("cursor") {
        return None;
    }
    let schema = spec.schema(item);
    let required =
        |field: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|name| name == field));
    let key = if required("id") {
        quote!(Some(item.id.as_str()))
    } else {
        // A membership is named by its member.
        quote!(item.user_id.as_ref().map(|id| id.as_str()))
    };
    Some(quote! {
        impl crate::Paged for #name {
            fn mode(&self) -> crate::page::PagingMode { crate::page::PagingMode::Cursor }

            fn position(&self, item: &Self::Item) -> crate::page::ItemPosition { crate::page::ItemPosition::new(#key, None) }

            fn seek(
                &mut self,
                place: &crate::page::PageStart,
                _: u32,
                _: &crate::request::State<Self>,
            ) -> Result<crate::page::PageRequest, crate::InvalidInput> {
                place.cursor(&mut self.cursor)
            }
        }
    })
}
