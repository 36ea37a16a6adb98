//! Made-up ids: the same for the same id, and in the order of the originals.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The number before the first one. It leaves room for what a sandbox adds before and after.
const BEFORE: usize = 1_000_000;

/// The made-up ids by their originals.
pub struct Pseudonyms(BTreeMap<String, String>);

impl Pseudonyms {
    /// Ids stay numbers, texts that can be part of a path, or other texts, since the ids for paths are taken from the answers.
    pub fn new(originals: BTreeSet<String>) -> Self {
        let mut ordered: BTreeMap<Order, Vec<String>> = BTreeMap::new();
        for original in originals {
            ordered.entry(Kind::of(&original).order()).or_default().push(original);
        }
        let mut made_up = BTreeMap::new();
        for (order, mut originals) in ordered {
            if order != Order::Texts {
                originals.sort_by_key(|id| (id.len(), id.clone()));
            }
            let ranked = originals.into_iter().zip(1..);
            made_up.extend(ranked.map(|(id, rank)| {
                let made_up = Kind::of(&id).made_up(rank);
                (id, made_up)
            }));
        }
        Self(made_up)
    }

    /// The made-up id, of the same JSON type.
    pub fn of(&self, id: &Value) -> Value {
        let made_up = original(id).and_then(|id| self.0.get(&id));
        match (id, made_up) {
            (Value::String(_), Some(made_up)) => Value::from(made_up.as_str()),
            (Value::Number(_), Some(made_up)) => made_up.parse::<i64>().map_or(Value::Null, Value::from),
            // Neither says anything: it stands for no id.
            _ if *id == 0 || *id == "" || *id == "0" => id.clone(),
            _ => Value::Null,
        }
    }
}

/// The id that is to be replaced, if the value is one.
pub fn original(id: &Value) -> Option<String> {
    let id = match id {
        Value::Number(number) if !number.is_f64() => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    (!id.is_empty() && id != "0").then_some(id)
}

/// What is in one order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Numbers,
    Negatives,
    Texts,
}

enum Kind {
    Number,
    Negative,
    Segment,
    Text,
}

impl Kind {
    fn of(id: &str) -> Self {
        let is_number = |text: &str| {
            !text.starts_with('0') && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        match id.strip_prefix('-') {
            _ if is_number(id) => Self::Number,
            Some(positive) if is_number(positive) => Self::Negative,
            _ if super::ids::is_segment(id) => Self::Segment,
            _ => Self::Text,
        }
    }

    fn order(&self) -> Order {
        match self {
            Self::Number => Order::Numbers,
            Self::Negative => Order::Negatives,
            Self::Segment | Self::Text => Order::Texts,
        }
    }

    fn made_up(&self, rank: usize) -> String {
        match self {
            Self::Number => (BEFORE + rank).to_string(),
            Self::Negative => format!("-{rank}"),
            Self::Segment => format!("id{rank:06}"),
            Self::Text => format!("id{rank:06}."),
        }
    }
}
