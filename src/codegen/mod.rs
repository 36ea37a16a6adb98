//! Build-time only: an OpenAPI document of `specs/` becomes the Rust of one service.
//!
//! [`model`] reads and checks the document, [`types`] prepares it for progenitor and finishes what progenitor
//! writes, [`operations`] emits what progenitor has no word for.

mod docs;
mod model;
mod operations;
mod types;

use std::fmt;

/// What is wrong with a document, where, and what to do about it.
#[derive(Debug)]
pub struct SpecError {
    file: String,
    place: String,
    problem: String,
    remedy: String,
}

impl SpecError {
    fn new(file: &str, place: &str, problem: impl fmt::Display, remedy: &str) -> Self {
        Self {
            file: file.to_owned(),
            place: place.to_owned(),
            problem: problem.to_string(),
            remedy: remedy.to_owned(),
        }
    }

    pub fn unreadable(file: &str, error: &std::io::Error) -> Self {
        Self::new(
            file,
            "document",
            error,
            "put the file back: every enabled service feature needs its document",
        )
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, problem, remedy } = self;
        write!(f, "{file}: {place}: {problem}. Fix: {remedy}.")
    }
}

impl std::error::Error for SpecError {}

/// The Rust of one service, from the YAML text of its document.
pub fn generate(file: &str, yaml: &str) -> Result<String, SpecError> {
    let spec = model::Spec::read(file, yaml)?;
    let client = types::client(&spec)?;
    let operations = operations::emit(&spec, &client);
    let client = client.tokens();
    Ok(quote::quote! { #operations #client }.to_string())
}
