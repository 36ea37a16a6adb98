//! The outcome of the writes: as the client reports it, and as it was.

use kaiwa::sandbox::{Provider, Recorded};
use kaiwa::{Error, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// The ids of the objects that were really created, by their text.
pub type Effects = BTreeMap<String, Vec<String>>;

/// A write with a unique text.
#[derive(Debug)]
pub struct Write {
    pub text: String,
    /// The id of the created object, if the client reports one.
    pub result: Result<String, Error>,
}

/// The client's result.
#[derive(Debug)]
pub struct Tally {
    service: Provider,
    pub acknowledged: usize,
    pub by_outcome: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// # Panics
    ///
    /// If the client's result for any write is not true.
    pub fn check(service: Provider, writes: &[Write], effects: &Effects) -> Self {
        let mut tally = Self { service, acknowledged: 0, by_outcome: BTreeMap::new() };
        let mut known = BTreeSet::new();
        for Write { text, result } in writes {
            assert!(known.insert(text.as_str()), "{text} was written twice");
            let there = effects.get(text).map_or(&[][..], Vec::as_slice);
            assert!(there.len() <= 1, "{text} was applied {} times: {result:?}", there.len());
            match result {
                Ok(id) => {
                    assert_eq!(there, std::slice::from_ref(id), "{text} was acknowledged");
                    tally.acknowledged += 1;
                }
                Err(error) => {
                    let possible: &[usize] = match error.outcome() {
                        Outcome::NotSent | Outcome::Rejected => &[0],
                        Outcome::Applied => &[1],
                        Outcome::Unknown => &[0, 1],
                    };
                    assert!(possible.contains(&there.len()), "{text} was applied {}: {error:?}", there.len());
                    *tally.by_outcome.entry(name(error.outcome())).or_default() += 1;
                }
            }
        }
        let strangers: Vec<&String> = effects.keys().filter(|text| !known.contains(text.as_str())).collect();
        assert!(strangers.is_empty(), "no write has the text of {strangers:?}");
        tally
    }

    pub fn failed(&self) -> usize {
        self.by_outcome.values().sum()
    }
}

pub fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotSent => "not sent",
        Outcome::Rejected => "rejected",
        Outcome::Unknown => "unknown",
        Outcome::Applied => "applied",
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, acknowledged, by_outcome, .. } = self;
        let writes = acknowledged + self.failed();
        write!(f, "{service:?}: {writes} writes: {acknowledged} acknowledged, each applied once; ")?;
        write!(
            f,
            "{} failed {by_outcome:?}, each with its true outcome; nothing twice, nothing lost",
            self.failed()
        )
    }
}

/// Prints the faults that occurred, by kind. Panics unless every kind occurred, and about three in ten requests met a
/// fault.
pub fn check_faults(service: Provider, requests: &[Recorded], kinds: usize, took: Duration) {
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for fault in requests.iter().filter_map(|request| request.fault.as_ref()) {
        *met.entry(fault.name()).or_default() += 1;
    }
    let faults: usize = met.values().sum();
    println!("{service:?}: {} requests in {took:.1?}, {faults} faults: {met:?}", requests.len());
    assert_eq!(met.len(), kinds, "{met:?}");
    let share = faults as f64 / requests.len() as f64;
    assert!((0.27..0.33).contains(&share), "{share}");
}
