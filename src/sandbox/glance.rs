//! What a service lets the window see and do, in one form for all three.

use bytes::Bytes;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

/// How many messages, tasks and files of a room are shown each, the newest.
pub(crate) const MAX_ITEMS: usize = 100;

/// How many bytes of text their messages have, and their tasks, and the names of their files, unless a single text is longer.
pub(crate) const MAX_TEXT: usize = 1 << 20;

/// How many deliveries of webhooks are shown, the newest.
pub(crate) const MAX_DELIVERIES: usize = 30;

/// Why something was not done: a word that the page has a sentence for.
pub(crate) type Refused = &'static str;

/// A service as the window sees it. Ids are texts, since some are too large for a number in JavaScript.
pub(crate) trait Glance: fmt::Debug + Send + Sync {
    /// Reports each time that the data may have changed.
    fn touched(&self) -> watch::Receiver<()>;

    /// People, rooms, limits and deliveries of webhooks; no credential.
    fn overview(&self) -> Value;

    /// A room with its newest messages, tasks and files; `None` if there is none of this id. The texts are as they were
    /// written, and the window depicts them once the service's data is free again.
    fn room(&self, id: &str) -> Option<Value>;

    /// Whether its texts are in Chatwork's notation.
    fn has_notation(&self) -> bool {
        false
    }

    /// Writes a message as a person who may do so.
    fn post(self: Arc<Self>, room: &str, by: &str, body: &str) -> Result<(), Refused>;

    /// Adds a file to a room, with a message.
    fn upload(&self, _room: &str, _by: &str, _file: NewFile, _message: &str) -> Result<(), Refused> {
        Err("not_here")
    }

    /// Finishes a task, as its assignee.
    fn finish(&self, _room: &str, _task: &str) -> Result<(), Refused> {
        Err("not_here")
    }

    /// Name and content of a file.
    fn file(&self, _room: &str, _id: &str) -> Option<(String, Bytes)> {
        None
    }

    /// Posts a webhook again, by the id of its delivery.
    fn resend(self: Arc<Self>, _delivery: &str) -> Result<(), Refused> {
        Err("not_here")
    }

    /// All credentials that programs have, so that none is shown where a program has put it by mistake.
    fn secrets(&self) -> Vec<String>;
}

/// A file that a person uploads.
#[derive(Debug)]
pub(crate) struct NewFile {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) content: Bytes,
}

/// The newest of these, in the order in which they come, as long as their texts are within the bounds.
pub(crate) fn newest<T>(items: impl DoubleEndedIterator<Item = T>, length: impl Fn(&T) -> usize) -> Vec<T> {
    let mut text = 0;
    let mut kept: Vec<T> = items
        .rev()
        .take(MAX_ITEMS)
        .take_while(|item| {
            let first = text == 0;
            text += length(item);
            first || text <= MAX_TEXT
        })
        .collect();
    kept.reverse();
    kept
}

/// Where a webhook goes, without what may be a credential: user, query and fragment.
pub(crate) fn place_of(url: &str) -> String {
    let Ok(mut url) = url::Url::parse(url) else { return "***".to_owned() };
    // Only a URL without a host refuses these.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_within_the_bounds() {
        let all = newest(0..1000, |_| 1);
        assert_eq!((all.len(), all[0], all[99]), (100, 900, 999));
        assert_eq!(newest(0..1000, |_| MAX_TEXT / 2), [998, 999]);
        assert_eq!(newest(0..1000, |_| 2 * MAX_TEXT), [999], "one is shown however long it is");
    }

    #[test]
    fn the_place_of_a_webhook_has_no_credential() {
        assert_eq!(
            place_of("http://user:pass@127.0.0.1:3000/hook?key=secret#x"),
            "http://127.0.0.1:3000/hook"
        );
        assert_eq!(place_of("a secret"), "***");
    }
}
