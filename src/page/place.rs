//! Where a page begins, and where an item stands.

use crate::call::text as digits_or_text;
use crate::digest::digest;
use crate::input::InvalidInput;
use crate::wire;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

/// What distinguishes an item from the others of its list. It is hashed once, and compared several times.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    text: Text,
    hash: u64,
}

/// Nearly all ids are short: they take no memory of their own.
#[derive(Clone, Debug)]
enum Text {
    Short { length: u8, bytes: [u8; Text::SHORT] },
    Long(Arc<str>),
}

impl Text {
    /// As many bytes as keep a text at four words. Ids fit; a long name takes memory of its own.
    const SHORT: usize = 30;
}

impl Key {
    pub(crate) fn new(text: &str) -> Self {
        static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let hash = STATE.hash_one(text);
        let mut bytes = [0; Text::SHORT];
        let text = match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(start), Ok(length)) => {
                start.copy_from_slice(text.as_bytes());
                Text::Short { length, bytes }
            }
            _ => Text::Long(text.into()),
        };
        Self { text, hash }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("the bytes are those of a text")
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.text {
            Text::Short { length, bytes } => &bytes[..usize::from(*length)],
            Text::Long(text) => text.as_bytes(),
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Hands on the hash that a key has already.
#[derive(Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

pub(crate) type KeySet<K = Key> = HashSet<K, BuildHasherDefault<Hashed>>;

/// How a list goes on from one page to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PagingMode {
    /// The service hands out a cursor.
    Cursor,
    /// Strictly before a time that has the precision of a second, newest first.
    Modified,
    /// The same where a row is of a group, and the group has the time.
    Grouped,
    /// From an id on, that id included, whatever way the page is sorted.
    Upwards,
    /// From an id down, that id included, whatever way the page is sorted.
    Downwards,
    /// After a name, in the service's own order.
    Name,
    /// From a position on.
    Offset,
}

impl PagingMode {
    /// Whether a list can be entered at any item, and not only where a page began.
    pub(crate) fn enters_anywhere(self) -> bool {
        !matches!(self, Self::Cursor | Self::Grouped)
    }

    /// How many items a list may have gained or lost unnoticed, at the least.
    pub(crate) fn slack(self) -> usize {
        match self {
            // What is written on a board that was yielded moves the board to the front, with all that is unread on it,
            // and the items that come in front are met. A page has any number of rows, so that pages are no measure.
            Self::Grouped => 4096,
            _ => 64,
        }
    }
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageStart {
    /// Where the request says.
    Start,
    /// At a cursor.
    Cursor(String),
    /// Before this Unix second.
    Before(i64),
    /// At an id.
    Id(u64),
    /// After a name.
    Name(String),
    /// At a position.
    Offset(u64),
}

/// Where an item stands.
#[derive(Clone, Debug)]
pub struct ItemPosition {
    pub(crate) key: Option<Key>,
    /// Where a page begins that has all that follow the item. It may have the item and some before it as well.
    pub(crate) after: Option<PageStart>,
    /// What `limit` counts, where that is not the item itself.
    pub(crate) group: Option<u64>,
}

impl ItemPosition {
    pub(crate) fn new(key: Option<impl AsRef<str>>, after: Option<PageStart>) -> Self {
        Self { key: key.map(|key| Key::new(key.as_ref())), after, group: None }
    }

    pub(crate) fn in_group(mut self, group: Option<u64>) -> Self {
        self.group = group;
        self
    }

    /// Whether the list can go on from the item.
    pub(crate) fn is_placed(&self) -> bool {
        self.after.is_some() || self.group.is_some()
    }

    /// The position of an item that did not decode, from whatever of it can be read.
    ///
    /// One without an id is known by what it is: were it always new, the page that it is on would never be the last.
    pub(crate) fn of_raw(mode: PagingMode, item: &Value) -> Self {
        let mut position = Self::read_raw(mode, item);
        position.key.get_or_insert_with(|| Key::new(&format!("#{}", digest([item.to_string().as_str()]))));
        position
    }

    fn read_raw(mode: PagingMode, item: &Value) -> Self {
        let text = |name: &str| digits_or_text(&item[name]);
        let number = |name: &str| text(name)?.parse().ok();
        match mode {
            PagingMode::Cursor => Self::new(text("id").or_else(|| text("userId")), None),
            PagingMode::Modified => {
                let modified = wire::local_time::deserialize(&item["modified"]).ok().flatten();
                Self::new(text("id"), modified.map(PageStart::up_to))
            }
            PagingMode::Grouped => Self::new(text("id"), None).in_group(number("board_id")),
            PagingMode::Upwards | PagingMode::Downwards => {
                Self::new(text("id"), number("id").map(PageStart::Id))
            }
            PagingMode::Name => Self::new(text("name"), text("name").map(PageStart::Name)),
            PagingMode::Offset => Self::new(text("id"), None),
        }
    }
}

/// What a page was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageRequest {
    /// How many rows, if it was said.
    pub(crate) rows: Option<u64>,
    /// The position of the first row, for lists that go by it.
    pub(crate) offset: u64,
}

impl PageStart {
    /// All that is not after `time`: the bound is exclusive and times have the precision of a second, so that asking
    /// for a second later is what brings those with the same time as well.
    pub(crate) fn up_to(time: jiff::Timestamp) -> Self {
        Self::Before(time.as_second().saturating_add(1))
    }

    /// Sets the parameter of a list with cursors, whose pages are as large as the request says or the service likes.
    pub(crate) fn cursor(&self, parameter: &mut Option<String>) -> Result<PageRequest, InvalidInput> {
        match self {
            Self::Start => {}
            Self::Cursor(cursor) => *parameter = Some(cursor.clone()),
            _ => return Err(Self::foreign()),
        }
        Ok(PageRequest::default())
    }

    /// A place of another kind than the list's can only come from a checkpoint that was tampered with.
    pub(crate) fn foreign() -> InvalidInput {
        InvalidInput::new("checkpoint", "names a place that the list cannot have")
    }

    /// The place just past the row, or the rows of one second, that the page has again: there a page of a single row
    /// brings something new.
    pub(crate) fn step(&self, mode: PagingMode) -> Option<Self> {
        match self {
            Self::Before(second) => Some(Self::Before(second.saturating_sub(1))),
            Self::Id(id) if mode == PagingMode::Downwards => {
                id.checked_sub(1).filter(|id| *id > 0).map(Self::Id)
            }
            Self::Id(id) => id.checked_add(1).map(Self::Id),
            _ => None,
        }
    }
}

/// The keys of the items met last.
///
/// It is what makes pages that overlap harmless: an item whose key is in here is not new.
///
/// Those that a checkpoint names are remembered as long as the stream that it resumes: what has come among them is yielded,
/// and must not crowd them out before they are met.
#[derive(Debug)]
pub(crate) struct Window {
    resumed: Vec<Key>,
    order: VecDeque<Key>,
    known: KeySet,
    size: usize,
    slack: usize,
}

impl Window {
    pub(crate) fn new(keys: impl IntoIterator<Item = Key>, slack: usize) -> Self {
        let resumed: Vec<Key> = keys.into_iter().collect();
        let known = resumed.iter().cloned().collect();
        Self { resumed, order: VecDeque::new(), known, size: slack, slack }
    }

    fn place(&self, key: &Key) -> Option<usize> {
        self.resumed.iter().chain(&self.order).position(|known| known == key)
    }

    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.known.contains(key)
    }

    /// Whether `second` was met right after `first`.
    pub(crate) fn adjacent(&self, first: &Key, second: &Key) -> bool {
        self.place(first).zip(self.place(second)).is_some_and(|(first, second)| first + 1 == second)
    }

    /// Whether both were met, `first` before `second`.
    pub(crate) fn precedes(&self, first: &Key, second: &Key) -> bool {
        self.place(first).zip(self.place(second)).is_some_and(|(first, second)| first < second)
    }

    /// The first row of a page that was met before, if the page joins on to what was met: if that is its very first row,
    /// or the first of two in the order in which they were met. A single one further down could have moved there.
    pub(crate) fn joins<'a>(&self, rows: impl Iterator<Item = Option<&'a Key>>) -> Option<usize> {
        let mut before: Option<(usize, &Key)> = None;
        for (row, key) in rows.enumerate() {
            let Some(key) = key.filter(|key| self.contains(key)) else { continue };
            match before {
                _ if row == 0 => return Some(0),
                Some((first, before)) if self.precedes(before, key) => return Some(first),
                _ => before = Some((row, key)),
            }
        }
        None
    }

    pub(crate) fn insert(&mut self, key: &Key) {
        if self.known.insert(key.clone()) {
            self.order.push_back(key.clone());
        }
        while self.order.len() > self.size
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Makes room for a page of `rows`: two of the largest, since a page can come again as the next one is asked for.
    pub(crate) fn fit(&mut self, rows: usize) -> usize {
        self.size = self.size.max(rows.saturating_mul(2).saturating_add(self.slack));
        self.size
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_window_forgets_the_oldest_and_remembers_two_pages() {
        let mut window = Window::new([], 64);
        window.fit(100);
        let keys: Vec<Key> = (0..1000).map(|number: u32| Key::new(&number.to_string())).collect();
        keys.iter().for_each(|key| window.insert(key));
        assert!(
            !window.contains(&Key::new("735"))
                && window.contains(&Key::new("736"))
                && window.contains(&Key::new("999"))
        );
        let precedes = |first: &str, second: &str| window.precedes(&Key::new(first), &Key::new(second));
        let adjacent = |first: &str, second: &str| window.adjacent(&Key::new(first), &Key::new(second));
        assert!(adjacent("800", "801") && !adjacent("801", "800"));
        assert!(precedes("800", "900") && !precedes("900", "800"));
        assert!(!precedes("7", "900"), "it is forgotten");
        assert_eq!(window.len(), 264);
        let mut resumed = Window::new(keys[..100].iter().cloned(), 64);
        keys[100..].iter().for_each(|key| resumed.insert(key));
        assert!(
            resumed.contains(&Key::new("0"))
                && resumed.contains(&Key::new("99"))
                && !resumed.contains(&Key::new("100"))
        );
        assert!(resumed.precedes(&Key::new("99"), &Key::new("999")));
    }

    #[test]
    fn a_key_is_its_text_whatever_its_length() {
        for length in 0..100 {
            let text = "あid-".chars().cycle().take(length).collect::<String>();
            let key = Key::new(&text);
            assert_eq!(key.as_str(), text);
            assert!(key == Key::new(&text) && key != Key::new(&format!("{text}x")), "{text}");
        }
    }

    #[test]
    fn an_undecodable_item_still_has_a_position() {
        let board = ItemPosition::of_raw(
            PagingMode::Modified,
            &json!({ "id": "7", "modified": "2019-05-17 15:28:12", "users": 3 }),
        );
        assert_eq!(board.key.as_ref().map(Key::as_str), Some("7"));
        assert_eq!(board.after, Some(PageStart::Before(1_558_074_493)));
        let message =
            ItemPosition::of_raw(PagingMode::Upwards, &json!({ "id": 21_995_615, "description": [] }));
        assert_eq!(message.after, Some(PageStart::Id(21_995_615)));
        let nothing = ItemPosition::of_raw(PagingMode::Upwards, &json!(null));
        assert_eq!((nothing.key.as_ref().map(Key::as_str), nothing.after), (Some("#2ab7639a3140c5e1"), None));
        let other = ItemPosition::of_raw(PagingMode::Upwards, &json!({ "description": "" }));
        assert_ne!(other.key, nothing.key);
    }

    #[test]
    fn a_place_is_plain_json() {
        let written = |place: &PageStart| serde_json::to_string(place).expect("it serialises");
        assert_eq!(written(&PageStart::Start), r#""start""#);
        assert_eq!(written(&PageStart::Cursor("abc".to_owned())), r#"{"cursor":"abc"}"#);
        assert_eq!(written(&PageStart::Before(-1)), r#"{"before":-1}"#);
    }
}
