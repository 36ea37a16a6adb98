//! What a server really did, beside what the client says of it.

use kaiwa::{Error, Outcome};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The ids of what was made, by the text that was written.
#[derive(Clone, Default)]
pub struct Effects(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

/// A text that no other write has.
pub fn text(number: usize) -> String {
    format!("write-{number}-")
}

impl Effects {
    /// Does what the body of a request asks for, and returns the id of it.
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

    /// Whether it was done at most once, and what the client says of it is so.
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
