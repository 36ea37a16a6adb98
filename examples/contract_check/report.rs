//! The report as text. It contains nothing that people wrote.

use super::schema::Comparison;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The results of all `GET`s of a service.
#[derive(Default)]
pub struct Report {
    pub checked: Vec<Checked>,
    /// Headers that look like limits or notices, are not in the specification, and are not read by the library.
    pub unknown_headers: BTreeSet<String>,
    /// Headers of the specification, and whether any answer had them.
    pub headers: BTreeMap<String, bool>,
}

/// The result of one `GET`.
pub struct Checked {
    /// Method and path template.
    pub operation: String,
    pub inferred: bool,
    pub verdict: Verdict,
    pub comparison: Comparison,
}

/// The result of checking an operation.
pub enum Verdict {
    /// The answer was compared with the specification.
    Answered { status: u16, empty: bool },
    /// The answer is of a kind that the specification does not have.
    Refuted(String),
    /// The operation was not checked, for this reason.
    NotChecked(String),
    /// There was no answer, or only a 429 or a failure of the server.
    Unanswered(String),
}

impl Checked {
    pub fn differs(&self) -> bool {
        matches!(self.verdict, Verdict::Refuted(_)) || !self.comparison.differences.is_empty()
    }

    /// Whether the operation was checked.
    fn is_checked(&self) -> bool {
        !matches!(self.verdict, Verdict::NotChecked(_) | Verdict::Unanswered(_))
    }
}

impl Report {
    /// Whether anything differs from the specification.
    pub fn differs(&self) -> bool {
        !self.unknown_headers.is_empty() || self.checked.iter().any(Checked::differs)
    }

    /// The exit status: 2 if nothing was checked, 1 if something differs, 2 if some call was not answered, or else 0.
    pub fn status(&self) -> u8 {
        let unanswered = |checked: &Checked| matches!(checked.verdict, Verdict::Unanswered(_));
        match () {
            () if !self.checked.iter().any(Checked::is_checked) => 2,
            () if self.differs() => 1,
            () if self.checked.iter().any(unanswered) => 2,
            () => 0,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for checked in &self.checked {
            checked.fmt(f)?;
        }
        for name in &self.unknown_headers {
            writeln!(f, "  an unknown header: {name}")?;
        }
        let absent: Vec<&str> =
            self.headers.iter().filter(|(_, came)| !**came).map(|(name, _)| name.as_str()).collect();
        if !absent.is_empty() {
            writeln!(f, "  headers that were in no answer: {}", absent.join(", "))?;
        }
        let count =
            |wanted: fn(&Checked) -> bool| self.checked.iter().filter(|checked| wanted(checked)).count();
        write!(
            f,
            "{} of {} GETs checked, {} of them inferred; {} differ",
            count(Checked::is_checked),
            self.checked.len(),
            count(|checked| checked.inferred && checked.is_checked()),
            count(Checked::differs)
        )?;
        let optional: usize = self.checked.iter().map(|checked| checked.comparison.optional().count()).sum();
        if optional > 0 {
            write!(
                f,
                "; {optional} optional fields were null, or absent in some items, which is as specified"
            )?;
        }
        writeln!(f)?;
        if count(Checked::is_checked) == 0 {
            writeln!(f, "NOTHING WAS CHECKED: see the reasons above, and run it again")?;
        }
        Ok(())
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = match &self.verdict {
            Verdict::Answered { status, .. } if self.differs() => format!("{status}, DIFFERS"),
            Verdict::Answered { status, empty: true } => format!("{status}, as specified, but empty"),
            Verdict::Answered { status, .. } => format!("{status}, as specified"),
            Verdict::Refuted(how) => format!("DIFFERS: {how}"),
            Verdict::NotChecked(why) | Verdict::Unanswered(why) => format!("not checked: {why}"),
        };
        let inferred = if self.inferred { " (inferred)" } else { "" };
        writeln!(f, "{}{inferred}: {result}", self.operation)?;
        for ((path, what), times) in &self.comparison.differences {
            let often = if *times > 1 { format!(" ({times} times)") } else { String::new() };
            writeln!(f, "  {path}: {what}{often}")?;
        }
        for field in self.comparison.optional() {
            writeln!(f, "  optional: {field}")?;
        }
        let unseen: Vec<&str> = self.comparison.never_seen().collect();
        if !unseen.is_empty() {
            writeln!(f, "  fields that were in no answer: {}", unseen.join(", "))?;
        }
        Ok(())
    }
}
