//! What is said to the script of the budgets, and what it answers. `budgets.lua` reads and writes the same names.

use super::numbers::{LARGE, millis};
use crate::limits::{MAX_WINDOW, RateLimit};
use crate::transport::pace::{Budget, Denied, Settlement};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

/// How soon to ask again while permits are in flight, which other processes may give back.
const ASK_AGAIN: Duration = Duration::from_millis(50);

#[derive(Serialize)]
#[serde(tag = "how", rename_all = "lowercase")]
pub(super) enum How {
    Unsent,
    Sent {
        /// Whether a response came.
        answered: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<Window>,
        #[serde(skip_serializing_if = "Option::is_none")]
        units: Option<MonthlyUnits>,
    },
    Exhausted {
        wait: u64,
    },
}

/// The account's window, as a response reported it.
#[derive(Serialize)]
pub(super) struct Window {
    pub(super) remaining: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<u64>,
    /// How long it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window: Option<u64>,
    #[serde(flatten)]
    pub(super) end: Option<WindowEnd>,
}

#[derive(Serialize)]
pub(super) struct WindowEnd {
    pub(super) ends: i64,
    pub(super) after: u64,
}

#[derive(Serialize)]
pub(super) struct MonthlyUnits {
    pub(super) remaining: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reset: Option<i64>,
}

#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub(super) process: &'a str,
    pub(super) lease: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) now: Option<i64>,
    pub(super) renew: Vec<Entry>,
    pub(super) settle: Vec<Settled<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) take: Option<Entry>,
}

/// A lease and its budget.
#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) id: String,
    /// When the server gave it, by its own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) taken: Option<i64>,
    pub(super) budget: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) posts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cost: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Settled<'a> {
    #[serde(flatten)]
    pub(super) entry: Entry,
    pub(super) ago: u64,
    #[serde(flatten)]
    pub(super) how: &'a How,
}

#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) at: i64,
    pub(super) processes: u32,
    pub(super) denied: Option<DeniedAnswer>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum DeniedAnswer {
    Units {
        units: u64,
        reset: Option<i64>,
    },
    Wait {
        time: u64,
        #[serde(default)]
        flying: u64,
    },
}

impl From<DeniedAnswer> for Denied {
    fn from(denied: DeniedAnswer) -> Self {
        match denied {
            DeniedAnswer::Units { units, reset } => {
                Self::units(units, reset.and_then(|reset| Timestamp::from_millisecond(reset).ok()))
            }
            DeniedAnswer::Wait { time, flying: 0 } => Self::wait(Duration::from_millis(time)),
            DeniedAnswer::Wait { time, .. } => {
                let time = Duration::from_millis(time);
                Self::wait(time).ask_again(ASK_AGAIN.min(time))
            }
        }
    }
}

/// The keys of a request: the account's, that of the processes, and those of its rooms.
pub(super) struct Keys<'a> {
    pub(super) prefix: &'a str,
    pub(super) names: Vec<String>,
    pub(super) rooms: HashMap<u64, usize>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(prefix: &'a str) -> Self {
        let names = ["account", "processes"].map(|name| format!("{prefix}{name}"));
        Self { prefix, names: names.into(), rooms: HashMap::new() }
    }

    pub(super) fn entry(&mut self, budget: Budget) -> Entry {
        let mut entry = Entry {
            id: String::new(),
            taken: None,
            budget: "account",
            key: None,
            posts: None,
            window: None,
            cost: None,
        };
        match budget {
            Budget::Account => {}
            Budget::Units { cost } => {
                entry.budget = "units";
                entry.cost = Some(cost);
            }
            Budget::Room { id, posts, window } => {
                entry.budget = "room";
                entry.posts = Some(posts);
                entry.window = Some(millis(window.min(MAX_WINDOW)));
                entry.key = Some(*self.rooms.entry(id).or_insert_with(|| {
                    self.names.push(format!("{}room:{id}", self.prefix));
                    self.names.len()
                }));
            }
        }
        entry
    }
}

impl How {
    pub(super) fn of(how: Settlement<'_>) -> Self {
        match how {
            Settlement::Unsent => Self::Unsent,
            Settlement::Sent(limit) => {
                let (window, units) = (limit.and_then(Window::of), limit.and_then(MonthlyUnits::of));
                Self::Sent { answered: limit.is_some(), limit: window, units }
            }
            Settlement::Exhausted(wait) => Self::Exhausted { wait: millis(wait) },
        }
    }
}

impl Window {
    fn of(limit: &RateLimit) -> Option<Self> {
        let end = limit.reset.zip(limit.reset_after);
        Some(Self {
            remaining: count(limit.remaining?),
            limit: limit.limit.map(count),
            window: limit.window.map(millis),
            end: end.map(|(ends, after)| WindowEnd { ends: moment(ends), after: millis(after) }),
        })
    }
}

impl MonthlyUnits {
    fn of(limit: &RateLimit) -> Option<Self> {
        let units = limit.units.as_ref()?;
        Some(Self { remaining: count(units.remaining?), reset: units.reset.map(moment) })
    }
}

fn moment(time: Timestamp) -> i64 {
    time.as_millisecond().clamp(0, LARGE.cast_signed())
}

fn count(count: u64) -> u64 {
    count.min(LARGE)
}
