//! What the documentation says of an operation: on its type, on its request, and on the method that makes it.

use super::model::{Answer, Media, Operation, Parameter, Spec};
use super::types::field_name;
use heck::ToUpperCamelCase;

/// On the type with the parameters.
pub fn endpoint(operation: &Operation) -> String {
    let name = operation.id.to_upper_camel_case();
    format!(
        "{}\n\nIts request, with the setters: [`requests::{name}`](super::requests::{name}).",
        text(operation)
    )
}

/// On the request.
pub fn request(spec: &Spec, operation: &Operation) -> String {
    let mut text = format!("{}\n\nReturns {}.", text(operation), answer(spec, operation));
    for (number, parameter) in optional(operation).enumerate() {
        text.push_str(if number == 0 { "\n\n# Optional\n\n" } else { "\n" });
        text.push_str(&format!(
            "* `.{}(…)`: {}",
            field_name(&parameter.name),
            parameter.doc.replace('\n', " ")
        ));
    }
    text
}

/// What setters are for. Those of requests with files are written by hand.
fn optional(operation: &Operation) -> impl Iterator<Item = &Parameter> {
    let body = operation.body.iter().filter(|body| body.media != Media::Multipart);
    let all = operation.parameters.iter().chain(body.flat_map(|body| &body.properties));
    all.filter(|parameter| !parameter.required)
}

/// The last lines on a method that makes the request: what it returns, and what can be set. The links to the setters are
/// addresses, since a path through the alias would lead to the page of all requests of all services.
pub fn method(spec: &Spec, operation: &Operation) -> String {
    let name = operation.id.to_upper_camel_case();
    let setter = |parameter: &Parameter| {
        let setter = field_name(&parameter.name);
        format!("[`.{setter}(…)`](requests/type.{name}.html#method.{setter})")
    };
    let setters: Vec<String> = optional(operation).map(setter).collect();
    let mut text = format!("\n\nReturns {}.", answer(spec, operation));
    if !setters.is_empty() {
        text.push_str(&format!(" Optional: {}.", setters.join(", ")));
    }
    text
}

fn answer(spec: &Spec, operation: &Operation) -> String {
    let link = |name: &str| format!("[`{name}`](crate::{}::{name})", spec.service);
    let paged = operation.page.is_some();
    match &operation.answer {
        Answer::Nothing => "nothing".to_owned(),
        Answer::List(item) if paged => format!("a list of {}, and its pages as a stream", link(item)),
        Answer::List(item) => format!("a list of {}", link(item)),
        Answer::Object(name) if paged => format!("{}, or all pages as a stream", link(name)),
        Answer::Object(name) => link(name),
    }
}

fn text(operation: &Operation) -> String {
    let Operation { doc, method, path, safety, .. } = operation;
    let mut text = format!("{doc}\n\n`{method} {path}`, {safety} to repeat");
    text.push_str(match safety.as_str() {
        "safe" => ": it only reads.",
        "idempotent" => ": doing it twice is doing it once.",
        "keyed" => " under its idempotency key.",
        _ => ": it is not sent again once it may have been applied.",
    });
    if let Some(units) = operation.units {
        text.push_str(&format!(" Costs {units} unit(s)."));
    }
    if !operation.scopes.is_empty() {
        text.push_str(&format!(" OAuth scope, any of: `{}`.", operation.scopes.join("`, `")));
    }
    if let Some(why) = &operation.inferred {
        text.push_str(&format!("\n\n**Inferred**: {why}"));
    }
    text
}
