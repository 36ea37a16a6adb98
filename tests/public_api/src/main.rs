//! The public API as text: `kaiwa-public-api kaiwa.json` writes it to standard output.
//!
//! The first part has a line for each item, and for each trait of a type without the trait's methods. The second part has
//! what the types lack of the auto traits: a field added deep inside a type can take them away from programs.

mod render;

use rustdoc_types::FORMAT_VERSION;
use serde::Deserialize;
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(Deserialize)]
struct Document {
    format_version: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = PathBuf::from(
        std::env::args_os().nth(1).ok_or("give the path of the JSON that rustdoc has written")?,
    );
    let document: Document = serde_json::from_str(&fs::read_to_string(&path)?)?;
    if document.format_version != FORMAT_VERSION {
        return Err(format!(
            "rustdoc of this Rust writes JSON of format {}, and public-api reads format {FORMAT_VERSION}: nothing is known of \
             the public API. Use the version of Rust that public-api fits, or give tests/public_api/Cargo.toml a public-api and \
             a rustdoc-types for this one",
            document.format_version,
        )
        .into());
    }
    let api = public_api::Builder::from_rustdoc_json(path).omit_blanket_impls(true).build()?;
    io::stdout().write_all(render::text(&api).as_bytes())?;
    Ok(())
}
