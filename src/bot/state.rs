//! What a bot knows of a conversation.

use super::staged::Staged;
use crate::Error;
use crate::outbox::Note;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// The state of a conversation; from [`DurableContext::state`](super::DurableContext::state).
///
/// It is stored as JSON. What is set becomes true for other messages when the handler returns without an error, together with the
/// replies; within the handler it is read back at once.
#[must_use = "it reads and writes nothing by itself"]
pub struct State<'a, T> {
    staged: &'a Staged,
    key: String,
    keep: Option<Duration>,
    value: PhantomData<fn() -> T>,
}

impl<'a, T> State<'a, T> {
    pub(super) fn new(staged: &'a Staged, key: String) -> Self {
        Self { staged, key, keep: None, value: PhantomData }
    }

    /// A state of its own with this name, beside the one without a name.
    pub fn named(mut self, name: &str) -> Self {
        self.key = format!("{}/{name}", self.key);
        self
    }

    /// Forgets what is set from here on after this time, by the store's clock: whoever answers later begins anew. Default: it is kept.
    pub fn keep(mut self, time: Duration) -> Self {
        self.keep = Some(time);
        self
    }

    /// Removes the state when the handler returns.
    ///
    /// # Errors
    /// The handler has returned.
    pub fn clear(&self) -> Result<(), Error> {
        self.staged.note(Note::new(self.key.clone(), None))
    }
}

impl<T: Serialize + DeserializeOwned> State<'_, T> {
    /// Sets the state when the handler returns.
    ///
    /// # Errors
    /// The value cannot be written as JSON or read from it again, such as a number that is not finite; or the handler has
    /// returned.
    pub fn set(&self, value: &T) -> Result<(), Error> {
        let name = type_name::<T>();
        let text = serde_json::to_string(value)
            .map_err(|error| Error::config(format!("the state {name} cannot be written as JSON: {error}")))?;
        if let Err(error) = serde_json::from_str::<T>(&text) {
            // The error of serde may quote the state.
            let (line, column) = (error.line(), error.column());
            return Err(Error::config(format!(
                "the state {name} cannot be read from its JSON again (line {line}, column {column}), and is not set: JSON has no NaN and no infinity"
            )));
        }
        self.staged.note(Note::new(self.key.clone(), text).keep(self.keep))
    }
}

impl<T: DeserializeOwned> State<'_, T> {
    /// The state. `None` if it was never set, was cleared, or its time is over.
    ///
    /// # Errors
    /// The store failed; or what is stored does not read as `T`, such as after the type has changed: give new fields a
    /// `#[serde(default)]`, or [clear](Self::clear) the state.
    pub async fn get(&self) -> Result<Option<T>, Error> {
        let Some(text) = self.staged.read(&self.key).await? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            // The error of serde may quote what is stored.
            let (line, column) = (error.line(), error.column());
            let problem = format!(
                "the stored state does not read as {} (line {line}, column {column}): let the type read what an earlier version wrote, or clear the state",
                type_name::<T>()
            );
            Error::config(problem)
        })
    }
}

/// Its value is left out.
impl<T> fmt::Debug for State<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("key", &self.key).field("keep", &self.keep).finish_non_exhaustive()
    }
}
