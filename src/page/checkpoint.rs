//! What to keep of a stream to go on with it later.

use super::place::{Key, PageStart};
use crate::digest::digest;
use crate::error::Error;
use crate::input::InvalidInput;
use crate::request::{Endpoint, Request};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::iter;

/// The version of the form that checkpoints are kept in.
const VERSION: u32 = 1;

/// The parameters that say where a list begins, rather than which list it is.
const START: [&str; 6] = ["cursor", "modified", "message_id", "file_id", "user", "offset"];

/// The parameter that says how large its pages are.
const LIMIT: &str = "limit";

/// Names the item that a stream yielded last, so that another stream of the same list goes on with the next one.
///
/// It is kept as text, in any format of serde, by this process or another, as long as it is needed:
/// [`stream_from`](crate::Request::stream_from) takes it. None is lost and none comes twice, also if items, this one
/// included, were added or removed in between; [`guide::paging`](crate::guide::paging) says where a service sets
/// bounds to that. It says which list it is of, but not of whose account. Its fields are not to be relied on; a later version of this crate reads what this one wrote.
///
/// It has ids of items and, with TAS-CHA, a cursor, but no token and nothing that people wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    version: u32,
    /// Method and path template.
    operation: String,
    /// A digest of the ids and filters that make it this list and no other.
    list: String,
    /// A digest of where the request itself begins, empty for the list's own beginning.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    start: String,
    pub(super) place: PageStart,
    /// Where the page before begins, for lists that cannot be entered at any item: what followed the item can have moved
    /// up to there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<PageStart>,
    /// Whether the place is not that of the item, but after it and after pages without anything new.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) passed: bool,
    /// How many items were yielded, on all streams that led here.
    pub(super) count: u64,
    /// The keys of the items yielded last, oldest first.
    pub(super) recent: Vec<String>,
}

impl Checkpoint {
    /// The id of the item yielded last, for a log: of a user, the name; of an item whose id could not be read, a digest.
    /// `None` before the first one.
    pub fn last(&self) -> Option<&str> {
        self.recent.last().map(String::as_str)
    }

    /// How many items were yielded until here, including those of the streams before an earlier checkpoint.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// Which list it is, whatever page of it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    operation: String,
    list: String,
    start: String,
}

impl Identity {
    pub(super) fn of<E: Endpoint>(request: &Request<E>) -> Self {
        let operation = request.endpoint.operation().to_string();
        // A request that cannot be encoded fails before anything is yielded, so that its digest is never compared.
        let payload = request.endpoint.encode(&request.client.transport().encoder());
        let digests = payload.map(|payload| (digest_of_list(payload.url()), digest_of_start(payload.url())));
        let (list, start) = digests.unwrap_or_default();
        Self { operation, list, start }
    }

    pub(super) fn check<E: Endpoint>(
        &self,
        checkpoint: &Checkpoint,
        request: &Request<E>,
    ) -> Result<(), Error> {
        let problem = if checkpoint.version != VERSION {
            format!("is of version {}, and this version of the crate reads {VERSION}", checkpoint.version)
        } else if checkpoint.operation != self.operation {
            format!("is of `{}`, not of `{}`", checkpoint.operation, self.operation)
        } else if checkpoint.list != self.list {
            format!("is of another list of `{}`: another id in the path, or another filter", self.operation)
        } else if checkpoint.start != self.start
            && (!self.start.is_empty() || checkpoint.place == PageStart::Start)
        {
            // Where the request begins counts until the stream has a place of its own.
            let names = START.join("`, `");
            format!("is of a stream that began elsewhere; leave `{names}` of the request as they were then")
        } else {
            return Ok(());
        };
        Err(request.refused(InvalidInput::new("checkpoint", problem)))
    }
}

fn digest_of_list(url: &reqwest::Url) -> String {
    let filters = url.query_pairs().filter(|(name, _)| *name != LIMIT && !START.contains(&&**name));
    digest(iter::once(url.path().into()).chain(filters.flat_map(|(name, value)| [name, value])))
}

fn digest_of_start(url: &reqwest::Url) -> String {
    let mut start = url.query_pairs().filter(|(name, _)| START.contains(&&**name)).peekable();
    match start.peek() {
        Some(_) => digest(start.flat_map(|(name, value)| [name, value])),
        None => String::new(),
    }
}

/// How far a stream has come, as its caller sees it.
#[derive(Debug)]
pub(super) struct Progress {
    identity: Identity,
    place: PageStart,
    before: Option<PageStart>,
    passed: bool,
    count: u64,
    recent: VecDeque<Key>,
}

/// A page, as far as progress on it goes.
#[derive(Clone, Debug)]
pub(super) struct PageAt {
    pub(super) place: PageStart,
    /// Where the page before it begins.
    pub(super) before: Option<PageStart>,
    /// How many keys to remember.
    pub(super) window: usize,
    /// Whether it is the last of so many pages without anything new that a stream goes on from it, and not from the last
    /// item, or it would never get past them.
    pub(super) barren: bool,
}

impl Progress {
    pub(super) fn new(identity: Identity, from: Option<&Checkpoint>) -> Self {
        match from {
            Some(from) => Self {
                identity,
                place: from.place.clone(),
                before: from.before.clone(),
                passed: from.passed,
                count: from.count,
                recent: from.recent.iter().map(|key| Key::new(key)).collect(),
            },
            None => {
                let (place, recent) = (PageStart::Start, VecDeque::new());
                Self { identity, place, before: None, passed: false, count: 0, recent }
            }
        }
    }

    /// An item of a page was yielded. `after` is where a page begins that has all that follow it.
    pub(super) fn item(&mut self, page: &PageAt, key: Option<Key>, after: Option<PageStart>) {
        self.count = self.count.saturating_add(1);
        self.passed = false;
        match after {
            Some(after) => (self.place, self.before) = (after, None),
            None => self.reached(page),
        }
        self.recent.extend(key);
        while self.recent.len() > page.window {
            self.recent.pop_front();
        }
    }

    /// A page was yielded that had nothing new.
    pub(super) fn empty_page(&mut self, page: &PageAt) {
        if page.barren {
            self.passed = true;
            self.reached(page);
        }
    }

    fn reached(&mut self, page: &PageAt) {
        // The same for every item of the page.
        if self.place != page.place {
            self.place = page.place.clone();
        }
        if self.before != page.before {
            self.before = page.before.clone();
        }
    }

    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            version: VERSION,
            operation: self.identity.operation.clone(),
            list: self.identity.list.clone(),
            start: self.identity.start.clone(),
            place: self.place.clone(),
            before: self.before.clone(),
            passed: self.passed,
            count: self.count,
            recent: self.recent.iter().map(|key| key.as_str().to_owned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(url: &str) -> String {
        digest_of_list(&url.parse().expect("a URL"))
    }

    #[test]
    fn a_list_is_identified_by_its_path_and_filters_and_not_by_the_page() {
        let list = digest_of("https://a.example/v1/rooms/x/messages");
        assert_eq!(list, digest_of("http://127.0.0.1:9/v1/rooms/x/messages?limit=5&cursor=abc"));
        assert_ne!(list, digest_of("https://a.example/v1/rooms/y/messages"));
        assert_ne!(
            digest_of("https://a.example/boards/search?q=a"),
            digest_of("https://a.example/boards/search?q=b")
        );
    }

    #[test]
    fn the_digest_stays_the_same_from_version_to_version() {
        assert_eq!(digest_of("https://a.example/v1/rooms"), "1a68ab890e361009");
    }

    #[test]
    fn progress_has_the_page_and_the_previous_one_or_the_position_after_an_item() {
        let identity =
            Identity { operation: "GET /rooms".to_owned(), list: String::new(), start: String::new() };
        let mut progress = Progress::new(identity, None);
        assert_eq!(progress.checkpoint().place, PageStart::Start);
        let cursor = |text: &str| PageStart::Cursor(text.to_owned());
        let page = PageAt { place: cursor("b"), before: Some(cursor("a")), window: 2, barren: false };
        progress.item(&page, Some(Key::new("1")), None);
        let checkpoint = progress.checkpoint();
        assert_eq!((checkpoint.place, checkpoint.before), (cursor("b"), Some(cursor("a"))));
        let empty = PageAt { place: cursor("c"), before: Some(cursor("b")), window: 2, barren: false };
        progress.empty_page(&empty);
        assert_eq!(progress.checkpoint().place, cursor("b"));
        progress.empty_page(&PageAt { barren: true, ..empty });
        let checkpoint = progress.checkpoint();
        assert_eq!((checkpoint.place, checkpoint.passed), (cursor("c"), true));
        progress.item(&page, Some(Key::new("2")), None);
        progress.item(&page, Some(Key::new("3")), Some(PageStart::Id(3)));
        let checkpoint = progress.checkpoint();
        assert_eq!((checkpoint.place.clone(), checkpoint.before.clone()), (PageStart::Id(3), None));
        assert_eq!((checkpoint.count(), checkpoint.last()), (3, Some("3")));
        assert_eq!(checkpoint.recent.len(), 2);
    }
}
