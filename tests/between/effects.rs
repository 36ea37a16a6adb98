//! Compares what a server did with what the client reports.

use kaiwa::{Error, Outcome};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The ids of the created objects, by their text.
#[derive(Clone, Default)]
pub struct Effects(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

/// A unique text for a write.
pub fn text(number: usize) -> String {
    format!("write-{number}-")
}

impl Effects {
    /// Executes the write in the body of a request, and returns the new id.
    pub fn apply(&self, body: &str) -> String {
        let start = body.find("write-").expect("the body has the text of a write");
        let length = body[start + 6..].find('-').expect("it ends with a dash");
        let mut effects = self.0.lock().expect("not poisoned");
        let id = (1000 + effects.values().map(Vec::len).sum::<usize>()).to_string();
        effects.entry(body[start..=start + 6 + length].to_owned()).or_default().push(id.clone());
        id
    }

    pub fn of(&self, text: &str) -> Vec<String> {
        self.0.lock().expect("not poisoned").get(text).cloned().unwrap_or_default()
    }

    pub fn total(&self) -> usize {
        self.0.lock().expect("not poisoned").values().map(Vec::len).sum()
    }

    /// Whether the write was done at most once, and the client's result is true.
    pub fn bear_out(&self, text: &str, result: &Result<String, Error>) -> bool {
        let there = self.of(text);
        match result {
            Ok(id) => there == std::slice::from_ref(id),
            Err(error) => match error.outcome() {
                Outcome::NotSent | Outcome::Rejected => there.is_empty(),
                Outcome::Applied => there.len() == 1,
                Outcome::Unknown => there.len() <= 1,
            },
        }
    }
}

/// The answer to a post of Chatwork.
pub fn posted(id: &str) -> String {
    format!(r#"{{"message_id":"{id}"}}"#)
}
