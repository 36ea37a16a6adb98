//! What was found, as text without anything of what people wrote.

use super::schema::Comparison;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What became of all `GET`s of a service.
#[derive(Default)]
pub struct Report {
    pub checked: Vec<Checked>,
    /// Headers that look like limits or notices, are not in the specification, and are not read by the library.
    pub unknown_headers: BTreeSet<String>,
    /// Headers of the specification, and whether one came.
    pub headers: BTreeMap<String, bool>,
}

/// What became of one `GET`.
pub struct Checked {
    /// With its path template.
    pub operation: String,
    pub inferred: bool,
    pub verdict: Verdict,
    pub comparison: Comparison,
}

/// What was learned of the operation.
pub enum Verdict {
    /// It was answered, and the answer compared.
    Answered { status: u16, empty: bool },
    /// It was answered in a way that the specification does not have.
    Refuted(String),
    /// Nothing was learned, for this reason.
    NotChecked(String),
}

impl Checked {
    pub fn differs(&self) -> bool {
        matches!(self.verdict, Verdict::Refuted(_)) || !self.comparison.differences.is_empty()
    }
}

impl Report {
    /// Whether something is not as the specification has it.
    pub fn differs(&self) -> bool {
        !self.unknown_headers.is_empty() || self.checked.iter().any(Checked::differs)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for checked in &self.checked {
            checked.fmt(f)?;
        }
        for name in &self.unknown_headers {
            writeln!(f, "  a header that the library does not know: {name}")?;
        }
        let absent: Vec<&str> =
            self.headers.iter().filter(|(_, came)| !**came).map(|(name, _)| name.as_str()).collect();
        if !absent.is_empty() {
            writeln!(f, "  headers that no answer had: {}", absent.join(", "))?;
        }
        let count =
            |wanted: fn(&Checked) -> bool| self.checked.iter().filter(|checked| wanted(checked)).count();
        fn learned(checked: &Checked) -> bool {
            !matches!(checked.verdict, Verdict::NotChecked(_))
        }
        let inferred =
            |checked: &Checked| checked.inferred && !matches!(checked.verdict, Verdict::NotChecked(_));
        writeln!(
            f,
            "{} of {} GETs checked, {} of them inferred; {} differ",
            count(learned),
            self.checked.len(),
            count(inferred),
            count(Checked::differs)
        )
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match &self.verdict {
            Verdict::Answered { status, .. } if self.differs() => format!("{status}, DIFFERS"),
            Verdict::Answered { status, empty: true } => format!("{status}, as specified, but empty"),
            Verdict::Answered { status, .. } => format!("{status}, as specified"),
            Verdict::Refuted(how) => format!("DIFFERS: {how}"),
            Verdict::NotChecked(why) => format!("not checked: {why}"),
        };
        let inferred = if self.inferred { " (inferred)" } else { "" };
        writeln!(f, "{}{inferred}: {said}", self.operation)?;
        for ((path, what), times) in &self.comparison.differences {
            let often = if *times > 1 { format!(" ({times} times)") } else { String::new() };
            writeln!(f, "  {path}: {what}{often}")?;
        }
        let unseen: Vec<&str> = self.comparison.never_seen().collect();
        if !unseen.is_empty() {
            writeln!(f, "  fields that no answer had: {}", unseen.join(", "))?;
        }
        Ok(())
    }
}
