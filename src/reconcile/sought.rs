//! What a message is looked for by, in a form that can be stored.

use super::search::{comparable, near};
use super::{Fresh, Rows};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A message that is to be posted, and all that a later run of the program needs to look for it.
///
/// `before_post` of a room or a board makes it. Store it, then post with `post_once`. If the program is killed at any moment,
/// its next run reads it and calls `post_once` again. [`chatwork::Sought`](crate::chatwork::Sought) and
/// [`lancers::Sought`](crate::lancers::Sought) are this type, with the ids and the authors of the service.
///
/// # What a look sees
///
/// The message is found by its author and its text, among the messages that were posted after the one named
/// [`after`](Self::after) or, without it, from [`since`](Self::since) on, less two seconds in both cases: servers need not
/// agree on the second. White space at the ends and the kind of line breaks are ignored. If several messages fit, the oldest
/// that is not [`taken`](Self::taken) is the one.
///
/// * **Equal texts** in one room are told apart only by `taken`: call `before_post` for the second message once the first is
///   there, or add its id. A text that names what it is about, such as an order's number, is easier.
/// * **Changed messages** cannot be recognised. If a message of the author was changed or deleted since, it may be the sought
///   one, so it is [`Unsure::Changed`](crate::Unsure::Changed). If the service stores a different text at once, the message
///   is not found and is posted again.
/// * **Out of reach**: Chatwork shows the newest 100 messages of a room, and one of them must be from before. If too many are
///   new, or the plan of the account hides the old ones, it cannot be said whether the message is there:
///   [`Unsure`](crate::Unsure).
///
/// # How it is stored
///
/// With serde; the names of the fields stay as they are. Keep it as you keep the message, since it has the text in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "Id: Deserialize<'de> + Ord, Author: Deserialize<'de>"))]
#[non_exhaustive]
pub struct Sought<Id, Author> {
    /// The text of the message.
    pub text: String,
    /// Who posts it.
    pub author: Author,
    /// When the search began, by the service's clock. It must be before the first post.
    pub since: Timestamp,
    /// The newest message when the search began, if there was one.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub after: Option<Id>,
    /// Messages that belong to other posts.
    #[serde(default = "BTreeSet::new", skip_serializing_if = "BTreeSet::is_empty")]
    pub taken: BTreeSet<Id>,
    #[serde(skip)]
    pub(crate) fresh: Fresh,
}

/// The attribute `default` alone would ask for a default of ids.
fn none<Id>() -> Option<Id> {
    None
}

impl<Id: Ord, Author> Sought<Id, Author> {
    /// A message of this author that is posted from `since` on, by the service's clock, such as the time in the `Date` of an
    /// earlier response.
    ///
    /// With [`after`](Self::after) a look also holds if that clock was wrong.
    pub fn new(text: impl Into<String>, author: Author, since: Timestamp) -> Self {
        let (after, taken, fresh) = (None, BTreeSet::new(), Fresh::default());
        Self { text: text.into(), author, since, after, taken, fresh }
    }

    /// The newest message before the first post.
    pub fn after(mut self, newest: impl Into<Id>) -> Self {
        self.after = Some(newest.into());
        self
    }

    /// Adds messages that belong to other posts.
    pub fn taken(mut self, ids: impl IntoIterator<Item = impl Into<Id>>) -> Self {
        self.taken.extend(ids.into_iter().map(Into::into));
        self
    }

    /// The same, with the messages before the first post.
    pub(crate) fn before(mut self, rows: &Rows<'_, Id>) -> Self
    where
        Id: Clone,
    {
        let text = comparable(&self.text);
        let newest = rows.rows.iter().max_by_key(|row| (row.sent, row.id));
        let recent = newest.and_then(|row| row.sent).map(near);
        self.after = newest.map(|row| row.id.clone());
        let known = rows.rows.iter().filter(|row| {
            row.is_own && (comparable(row.text) == text || recent.is_none_or(|near| row.sent >= Some(near)))
        });
        self.taken = known.map(|row| row.id.clone()).collect();
        self.fresh = Fresh::new();
        self
    }
}
