//! The arguments of the program.

use super::ids::Binding;
use super::operation::Operation;
use super::schema::Spec;
use super::{SERVICES, Service};

pub const USAGE: &str = "\
Usage: cargo run --example contract_check -- [chatwork|tascha|lancers]... [NAME=VALUE]... [--record FILE]
       cargo run --example contract_check -- [chatwork|tascha|lancers]... --read FILE
The head of examples/contract_check/main.rs says what it does, and which variables it reads.";

#[derive(Default)]
pub struct Arguments {
    /// The names of services; all if there is none.
    pub chosen: Vec<String>,
    pub given: Binding,
    pub record: Option<String>,
    pub read: Option<String>,
    pub help: bool,
}

impl Arguments {
    /// # Errors
    ///
    /// An argument that cannot be understood: a report of the wrong calls, or no recording, would be noticed late.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self::default();
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let file = match name {
                "--help" | "-h" => {
                    parsed.help = true;
                    continue;
                }
                "--record" => &mut parsed.record,
                "--read" => &mut parsed.read,
                _ if name.starts_with('-') => return Err(format!("{name} is not an option\n{USAGE}")),
                _ => {
                    match value {
                        Some(value) => drop(parsed.given.insert(name.to_owned(), value)),
                        None if is_service(name) => parsed.chosen.push(argument),
                        None => {
                            return Err(format!("{name} is not one of chatwork, tascha, lancers\n{USAGE}"));
                        }
                    }
                    continue;
                }
            };
            if file.is_some() {
                return Err(format!("{name} is there twice"));
            }
            let path = value.or_else(|| arguments.next()).filter(|path| !path.is_empty());
            let path = path.ok_or_else(|| format!("{name} needs the name of a file"))?;
            if is_service(&path) || path.starts_with('-') {
                return Err(format!(
                    "{name} needs the name of a file, and {path} follows it; for a file of this name, write ./{path}"
                ));
            }
            *file = Some(path);
        }
        if parsed.read.is_some() && (parsed.record.is_some() || !parsed.given.is_empty()) {
            return Err("--read calls no service: leave out --record, and parameters".to_owned());
        }
        Ok(parsed)
    }
}

fn is_service(name: &str) -> bool {
    SERVICES.iter().any(|(service, ..)| *service == name)
}

/// Checks that the services have the parameters that are given.
///
/// # Errors
///
/// A parameter that no call would have, and those that there are.
pub fn require_known(given: &Binding, services: &[Service]) -> Result<(), String> {
    let specs = services.iter().map(|(_, service, ..)| Spec::of(*service));
    let operations =
        specs.flat_map(|spec| Operation::all(spec).into_iter().map(move |operation| (spec, operation)));
    let mut known: Vec<&str> = operations.flat_map(|(spec, operation)| operation.parameters(spec)).collect();
    known.sort_unstable();
    known.dedup();
    match given.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("no call has the parameter {name}; there are {}", known.join(", "))),
        None => Ok(()),
    }
}
