//! What a handler wants to be stored, until it returns.

use crate::Error;
use crate::outbox::{NewEntry, Note, Outbox};
use crate::request::{Endpoint, Request};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A request that is posted once the handler has returned without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Queued {
    /// Its key in the [outbox](super::DurableBot::outbox), for [`Outbox::status`].
    pub key: String,
}

/// What one run of a handler has queued and noted.
pub(super) struct Staged {
    outbox: Outbox,
    /// The key of the message.
    key: String,
    /// `None` once the handler has returned.
    what: Mutex<Option<What>>,
}

#[derive(Default)]
pub(super) struct What {
    pub(super) entries: Vec<NewEntry>,
    pub(super) notes: BTreeMap<String, Note>,
}

impl Staged {
    pub(super) fn new(outbox: Outbox, key: String) -> Self {
        Self { outbox, key, what: Mutex::new(Some(What::default())) }
    }

    pub(super) fn queue<E: Endpoint>(&self, request: &Request<E>) -> Result<Queued, Error> {
        let mut what = self.lock();
        let what = what.as_mut().ok_or_else(too_late)?;
        // Another run of the handler may queue something else under this key, but only one run is stored.
        let key = format!("{}/{}", self.key, what.entries.len() + 1);
        what.entries.push(self.outbox.prepare(key.clone(), request)?.0);
        Ok(Queued { key })
    }

    pub(super) fn note(&self, note: Note) -> Result<(), Error> {
        let mut what = self.lock();
        what.as_mut().ok_or_else(too_late)?.notes.insert(note.key.clone(), note);
        Ok(())
    }

    /// The text of a note: what this run has noted, or else what is stored.
    pub(super) async fn read(&self, key: &str) -> Result<Option<String>, Error> {
        let noted = self.lock().as_ref().and_then(|what| what.notes.get(key).map(|note| note.text.clone()));
        match noted {
            Some(text) => Ok(text),
            None => self.outbox.store().note(key).await.map_err(Error::store),
        }
    }

    /// What there is to be stored. From now on nothing more is taken.
    pub(super) fn close(&self) -> What {
        self.lock().take().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<What>> {
        self.what.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_late() -> Error {
    Error::config(
        "the handler of this message has returned, and what it queues or notes afterwards is not stored: await the work in the handler",
    )
}
