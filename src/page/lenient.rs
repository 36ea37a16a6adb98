//! Lists of which one item may be of another shape than all the others.

use super::list::Rows;
use crate::digest::{FNV1A, fnv1a};
use crate::wire::{self, Budget, DecodeFailure};
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;
use std::marker::PhantomData;

/// A list with the items that decode, and those that do not.
///
/// It decodes from a JSON array, or from an object with the array in `data`, as TAS-CHA's pages are; so
/// [`Response::json`](crate::Response::json) takes it as well.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lenient<T> {
    /// The items that decode, in the order of the answer.
    pub items: Vec<T>,
    /// Those that do not, in the order of the answer.
    pub undecodable: Vec<UndecodableItem>,
    pub(super) cursor: Option<String>,
}

/// An item that does not decode.
///
/// What is kept of such items has a bound for the list as a whole: 32,768 JSON values, and two megabytes of text. What
/// comes after it was reached has neither `problem` nor `value`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UndecodableItem {
    /// Its place in the answer, counted from 0.
    pub index: usize,
    /// The JSON path of what does not fit, from the root of the answer, such as `[3].account.name`.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
    /// The item as it came, as far as it can be read. It may hold what people wrote, so it is not in `Display`.
    pub value: Value,
    /// How many items right behind this one do not decode either, and have no entry of their own: 0, unless the bound
    /// was reached.
    pub more: usize,
    /// Of the item's JSON, and that of the `more` after it.
    pub(super) digest: u64,
}

impl fmt::Display for UndecodableItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.more, self.problem.is_empty()) {
            (0, false) => {
                write!(f, "item {} does not decode at `{}`: {}", self.index, self.path, self.problem)
            }
            (0, true) => write!(f, "item {} does not decode, as many before it", self.index),
            (more, _) => {
                let last = self.index.saturating_add(more);
                write!(f, "items {} to {last} do not decode, as many before them", self.index)
            }
        }
    }
}

impl std::error::Error for UndecodableItem {}

/// What is kept of the items of one list that do not decode.
const KEPT: Budget = Budget { values: 32 << 10, text: 2 << 20 };

/// What an item takes of that besides its values: its path, its problem, and its entry.
const OF_ENTRY: Budget = Budget { values: 4, text: 256 };

/// A list that is being read.
struct Reading<T> {
    list: Lenient<T>,
    count: usize,
    kept: Budget,
}

impl<T: DeserializeOwned> Reading<T> {
    fn new() -> Self {
        let list = Lenient { items: Vec::new(), undecodable: Vec::new(), cursor: None };
        Self { list, count: 0, kept: KEPT }
    }

    fn take(&mut self, prefix: &str, json: &RawValue) {
        let index = self.count;
        self.count += 1;
        match wire::read(json.get().as_bytes()) {
            Ok(item) => self.list.items.push(item),
            Err(failure) => self.reject(prefix, index, failure, json),
        }
    }

    fn reject(&mut self, prefix: &str, index: usize, failure: DecodeFailure, json: &RawValue) {
        let digest = |start| fnv1a(start, json.get().bytes());
        if self.kept.spend(OF_ENTRY) {
            let DecodeFailure { path, problem } = failure;
            let joint = if path.is_empty() || path.starts_with('[') { "" } else { "." };
            let path = format!("{prefix}[{index}]{joint}{path}");
            let value = wire::outline(json.get().as_bytes(), &mut self.kept);
            return self.list.undecodable.push(UndecodableItem {
                index,
                path,
                problem,
                value,
                more: 0,
                digest: digest(FNV1A),
            });
        }
        match self.list.undecodable.last_mut() {
            // Two that follow each other, and of neither is there anything to say.
            Some(last) if last.problem.is_empty() && last.index + last.more + 1 == index => {
                (last.more, last.digest) = (last.more + 1, digest(last.digest));
            }
            _ => {
                let (path, problem) = (String::new(), String::new());
                self.list.undecodable.push(UndecodableItem {
                    index,
                    path,
                    problem,
                    value: Value::Null,
                    more: 0,
                    digest: digest(FNV1A),
                });
            }
        }
    }
}

impl<T> Lenient<T> {
    /// All of them in the order of the answer, and the cursor that came with them.
    pub(super) fn into_rows(self) -> Rows<Result<T, UndecodableItem>> {
        let mut rows = Vec::with_capacity(self.items.len() + self.undecodable.len());
        let mut items = self.items.into_iter();
        let mut passed = 0;
        for item in self.undecodable {
            let between = item.index.saturating_sub(passed);
            passed = item.index.saturating_add(item.more).saturating_add(1);
            rows.extend(items.by_ref().take(between).map(Ok));
            rows.push(Err(item));
        }
        rows.extend(items.map(Ok));
        (rows, self.cursor)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either(PhantomData))
    }
}

struct Either<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for Either<T> {
    type Value = Lenient<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or an object with a list in `data`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Self::Value, A::Error> {
        Rest { prefix: "", of: PhantomData }.visit_seq(values)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let (mut data, mut cursor): (Option<Lenient<T>>, _) = (None, None);
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "data" => data = Some(fields.next_value_seed(Rest { prefix: "data", of: PhantomData })?),
                "nextCursor" => cursor = fields.next_value::<Cursor>()?.0,
                _ => drop(fields.next_value::<serde::de::IgnoredAny>()?),
            }
        }
        let list = data.ok_or_else(|| A::Error::missing_field("data"))?;
        Ok(Lenient { cursor, ..list })
    }
}

#[derive(Deserialize)]
struct Cursor(#[serde(deserialize_with = "wire::text_or_number::option")] Option<String>);

/// The items of a list, one after another: the JSON of no more than one of them is there at once.
struct Rest<T> {
    prefix: &'static str,
    of: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Rest<T> {
    type Value = Lenient<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        let mut reading = Reading::new();
        while let Some(json) = values.next_element::<Box<RawValue>>()? {
            reading.take(self.prefix, &json);
        }
        Ok(reading.list)
    }
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Rest<T> {
    type Value = Lenient<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Deserialize)]
    struct Room {
        id: u32,
        name: String,
    }

    fn room(id: u32) -> Room {
        Room { id, name: "a".to_owned() }
    }

    #[test]
    fn an_undecodable_item_is_reported_with_its_place_and_the_others_are_kept() {
        let json = r#"[{"id":1,"name":"a"},{"id":2,"name":[]},7,{"id":3,"name":"a"}]"#;
        let list: Lenient<Room> = serde_json::from_str(json).expect("it is a list");
        assert_eq!(list.items, [room(1), room(3)]);
        let places: Vec<_> = list.undecodable.iter().map(|item| (item.index, item.path.as_str())).collect();
        assert_eq!(places, [(1, "[1].name"), (2, "[2]")]);
        assert_eq!(list.undecodable[0].value["id"], 2);
        assert!(!list.undecodable[0].to_string().contains("\"id\""));
        let (rows, cursor) = list.into_rows();
        let ids: Vec<Option<u32>> = rows.iter().map(|row| row.as_ref().ok().map(|room| room.id)).collect();
        assert_eq!((ids, cursor), (vec![Some(1), None, None, Some(3)], None));
    }

    #[test]
    fn a_page_keeps_its_cursor() {
        let json = r#"{"future":{},"nextCursor":"next","data":[{"id":"x"},{"id":4,"name":"a"}]}"#;
        let page: Lenient<Room> = serde_json::from_str(json).expect("it is a page");
        assert_eq!((page.items.len(), page.cursor.as_deref()), (1, Some("next")));
        assert_eq!(page.undecodable[0].path, "data[0].id");
    }

    #[test]
    fn an_answer_that_is_not_a_list_is_an_error() {
        for json in ["{}", r#"{"data":{}}"#, "7", r#"{"errors":["Invalid API Token"]}"#] {
            assert!(serde_json::from_str::<Lenient<Room>>(json).is_err(), "{json}");
        }
    }
}
