//! Ids for paths: from lists that were read before, or from the command line.

use kaiwa::sandbox::Provider;
use serde_json::Value;
use std::collections::BTreeMap;

/// How many ids of a list are tried while the answers for the first ones are empty.
const TRIED: usize = 5;

/// The parameters of one path.
pub type Binding = BTreeMap<String, String>;

/// The list whose answer has the parameter, and where it is in the answer.
fn sources(service: Provider) -> &'static [(&'static str, &'static str, &'static str)] {
    match service {
        Provider::Chatwork => &[
            ("list_rooms", "room_id", "room_id"),
            ("list_messages", "message_id", "message_id"),
            ("list_tasks", "task_id", "task_id"),
            ("list_files", "file_id", "file_id"),
        ],
        // No operation returns webhooks.
        Provider::Tascha => &[("list_rooms", "roomId", "id")],
        Provider::Lancers => &[("list_boards", "board_id", "id")],
    }
}

/// What is known so far.
pub struct Ids {
    service: Provider,
    given: Binding,
    /// The ids of each parameter. Each id has the ids of the path under which it was found.
    found: BTreeMap<String, Vec<Binding>>,
}

impl Ids {
    pub fn new(service: Provider, given: Binding) -> Self {
        Self { service, given, found: BTreeMap::new() }
    }

    /// A value that was given for a parameter of any kind.
    pub fn given(&self, parameter: &str) -> Option<&str> {
        self.given.get(parameter).map(String::as_str)
    }

    /// The bindings to try, one after the other, for a path with these parameters.
    ///
    /// # Errors
    ///
    /// The parameter for which no id is known.
    pub fn bindings(&self, parameters: &[String]) -> Result<Vec<Binding>, String> {
        let Some((last, before)) = parameters.split_last() else { return Ok(vec![Binding::new()]) };
        if let Some(id) = self.given.get(last) {
            let mut bindings = self.bindings(before)?;
            bindings.truncate(1);
            bindings.iter_mut().for_each(|binding| drop(binding.insert(last.clone(), id.clone())));
            return Ok(bindings);
        }
        self.found.get(last).filter(|bindings| !bindings.is_empty()).cloned().ok_or_else(|| last.clone())
    }

    /// Takes the ids from an answer.
    pub fn learn(&mut self, operation: &str, path: &Binding, answer: &Value) {
        for (_, parameter, field) in sources(self.service).iter().filter(|(source, ..)| *source == operation)
        {
            let items = answer.as_array().or_else(|| answer["data"].as_array());
            for id in items.into_iter().flatten().filter_map(|item| as_segment(&item[field])) {
                let known = self.found.entry((*parameter).to_owned()).or_default();
                let mut binding = path.clone();
                binding.insert((*parameter).to_owned(), id);
                // A list may repeat an item.
                if known.len() < TRIED && !known.contains(&binding) {
                    known.push(binding);
                }
            }
        }
    }
}

/// The id if it is a number, or a text that can be part of a path without encoding.
fn as_segment(id: &Value) -> Option<String> {
    let id = match id {
        Value::Number(number) if !number.is_f64() => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    is_segment(&id).then_some(id)
}

pub fn is_segment(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}
