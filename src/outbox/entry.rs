//! What a store keeps of an entry, and what it is asked for.

use jiff::Timestamp;
use std::fmt;
use std::time::Duration;

/// The queue of the requests that an [`Outbox`](super::Outbox) sends.
pub const OUTBOX: &str = "outbox";

/// An entry to add.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewEntry {
    /// Its queue: what claims from there works on it.
    pub queue: String,
    /// Unique among all entries.
    pub key: String,
    /// Entries of one lane are sent in order.
    pub lane: String,
    /// The request, as the outbox writes it.
    pub request: String,
    /// When it may be sent at the earliest, by the store's clock; `None` for at once.
    pub not_before: Option<Timestamp>,
}

impl NewEntry {
    /// An entry of the queue [`OUTBOX`] that may be sent at once.
    pub fn new(key: impl Into<String>, lane: impl Into<String>, request: impl Into<String>) -> Self {
        let (key, lane, request) = (key.into(), lane.into(), request.into());
        Self { queue: OUTBOX.to_owned(), key, lane, request, not_before: None }
    }

    /// The same in this queue.
    #[must_use]
    pub fn queue(self, queue: impl Into<String>) -> Self {
        Self { queue: queue.into(), ..self }
    }

    /// The same, to be sent at this time at the earliest.
    #[must_use]
    pub fn not_before(self, time: Timestamp) -> Self {
        Self { not_before: Some(time), ..self }
    }
}

/// What became of an entry that was to be added.
#[derive(Clone, Debug)]
pub enum Enqueued {
    /// It is stored.
    New(Box<StoredEntry>),
    /// Its key was there before.
    Known(Box<StoredEntry>),
}

/// An entry, as it is stored.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct StoredEntry {
    /// Its queue.
    pub queue: String,
    /// Ascending in the order in which entries were added.
    pub id: i64,
    /// The key; in a listing it may be empty once the entry is [blanked](super::OutboxStore::blank).
    pub key: String,
    /// The lane.
    pub lane: String,
    /// The request, as the outbox wrote it; empty once it is [blanked](super::OutboxStore::blank).
    pub request: String,
    /// Where it stands.
    pub phase: Phase,
    /// The outbox's notes; empty before the first change.
    pub progress: String,
    /// When it may be handed out at the earliest.
    pub not_before: Option<Timestamp>,
}

impl StoredEntry {
    /// An entry as it was added.
    pub fn new(id: i64, entry: NewEntry) -> Self {
        let NewEntry { queue, key, lane, request, not_before } = entry;
        Self { queue, id, key, lane, request, phase: Phase::Waiting, progress: String::new(), not_before }
    }
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Open: it was not sent, or is certainly not done.
    Waiting,
    /// Open: its bytes may have left. Only an answer, its key or a look shows whether it is done.
    Sending,
    /// Closed: it is done.
    Sent,
    /// Closed: it is done, and was done twice. The service carried out an earlier request after it had been looked for.
    Doubled,
    /// Closed: the service refused it.
    Rejected,
    /// Closed: it may be done, and nothing can tell any more. A person decides.
    Uncertain,
    /// Closed: a person gave it up.
    Discarded,
    /// Closed: a bot's handler failed with it too often. A person decides.
    Failed,
}

impl Phase {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Waiting,
        Self::Sending,
        Self::Sent,
        Self::Doubled,
        Self::Rejected,
        Self::Uncertain,
        Self::Discarded,
        Self::Failed,
    ];

    /// Whether there is more to do.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Sending)
    }

    /// Whether a person has to look: the entry and its texts are kept until then.
    pub fn needs_decision(self) -> bool {
        matches!(self, Self::Uncertain | Self::Doubled | Self::Failed)
    }

    /// Its name, as a store may write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Doubled => "doubled",
            Self::Rejected => "rejected",
            Self::Uncertain => "uncertain",
            Self::Discarded => "discarded",
            Self::Failed => "failed",
        }
    }

    /// The phase with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|phase| phase.name() == name)
    }
}

/// The right to change an entry, until its lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The entry.
    pub id: i64,
    /// Higher than that of any earlier claim of the entry.
    pub fence: i64,
}

/// What there is to do.
#[derive(Clone, Debug)]
pub enum Next {
    /// This entry, which is claimed now.
    Entry(Box<StoredEntry>, Claim),
    /// Nothing at present. After this time a lease ends or an entry is due; `None` if there is nothing left to do.
    Wait(Option<Duration>),
}

/// How a claimed entry changes.
#[derive(Clone)]
#[non_exhaustive]
pub struct Change {
    /// Where it stands now.
    pub phase: Phase,
    /// The outbox's notes.
    pub progress: String,
    /// How long, by the store's clock, until it may be handed out again; `None` for at once, or for never if it is closed.
    pub wait: Option<Duration>,
}

impl Change {
    /// A change after which an open entry may be handed out at once.
    pub fn new(phase: Phase, progress: impl Into<String>) -> Self {
        Self { phase, progress: progress.into(), wait: None }
    }

    /// The same, and the entry is handed out again after this time.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self { wait: Some(wait), ..self }
    }
}

/// What is stored at once.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Commit {
    /// How a claimed entry changes; its claim ends.
    pub change: Option<(Claim, Change)>,
    /// What is noted. Each key is there once.
    pub notes: Vec<Note>,
    /// What is added, in this order.
    pub entries: Vec<NewEntry>,
}

impl Commit {
    /// Adds these entries and writes these notes.
    pub fn new(notes: Vec<Note>, entries: Vec<NewEntry>) -> Self {
        Self { change: None, notes, entries }
    }

    /// The same if this claim holds, and changes its entry.
    #[must_use]
    pub fn change(self, claim: Claim, change: Change) -> Self {
        Self { change: Some((claim, change)), ..self }
    }
}

/// A note: a text under a key.
#[derive(Clone)]
#[non_exhaustive]
pub struct Note {
    /// The key. It replaces an earlier note with it.
    pub key: String,
    /// The text; `None` removes the note.
    pub text: Option<String>,
    /// How long it is kept, by the store's clock; `None` for as long as nothing replaces it.
    pub keep: Option<Duration>,
}

impl Note {
    /// A note that is kept until it is replaced.
    pub fn new(key: impl Into<String>, text: impl Into<Option<String>>) -> Self {
        Self { key: key.into(), text: text.into(), keep: None }
    }

    /// The same, to be kept for this time.
    #[must_use]
    pub fn keep(self, time: impl Into<Option<Duration>>) -> Self {
        Self { keep: time.into(), ..self }
    }
}

/// Which entries are listed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Filter<'a> {
    /// Those of this queue.
    pub queue: &'a str,
    /// Those of this lane.
    pub lane: Option<&'a str>,
    /// Those in this phase.
    pub phase: Option<Phase>,
    /// Those with a higher id; with `newest`, those with a lower one, unless it is 0.
    pub after: i64,
    /// The newest first, by descending id.
    pub newest: bool,
    /// At most so many.
    pub limit: usize,
}

impl<'a> Filter<'a> {
    /// The oldest entries of this queue, at most so many.
    pub fn new(queue: &'a str, limit: usize) -> Self {
        Self { queue, lane: None, phase: None, after: 0, newest: false, limit }
    }

    /// Those of this lane.
    #[must_use]
    pub fn lane(self, lane: &'a str) -> Self {
        Self { lane: Some(lane), ..self }
    }

    /// Those in this phase.
    #[must_use]
    pub fn phase(self, phase: impl Into<Option<Phase>>) -> Self {
        Self { phase: phase.into(), ..self }
    }

    /// Those beyond this id.
    #[must_use]
    pub fn after(self, id: i64) -> Self {
        Self { after: id, ..self }
    }

    /// The newest first.
    #[must_use]
    pub fn newest(self) -> Self {
        Self { newest: true, ..self }
    }
}

// What people wrote, and what a service answered, is left out.

impl fmt::Debug for NewEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, lane, not_before, .. } = self;
        f.debug_struct("NewEntry")
            .field("queue", queue)
            .field("lane", lane)
            .field("not_before", not_before)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StoredEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, id, lane, phase, not_before, .. } = self;
        let mut debug = f.debug_struct("StoredEntry");
        debug
            .field("queue", queue)
            .field("id", id)
            .field("lane", lane)
            .field("phase", phase)
            .field("not_before", not_before);
        debug.finish_non_exhaustive()
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, wait, .. } = self;
        f.debug_struct("Change").field("phase", phase).field("wait", wait).finish_non_exhaustive()
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Note").field("keep", &self.keep).finish_non_exhaustive()
    }
}
