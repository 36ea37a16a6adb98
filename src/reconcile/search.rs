//! What a list of messages shows of one that is sought.

use super::Found;
use crate::Unsure;
use crate::limits::date;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use std::time::Duration;

/// `Date` and the times of messages are whole seconds, and the servers of a service need not agree on the second.
const WHOLE_SECONDS: SignedDuration = SignedDuration::from_secs(2);

/// The earliest time at which the message can have been sent, by the service's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Since {
    /// A message from then on is new.
    certain: Timestamp,
    /// A message before that is old. One in between is neither, since a clock is wrong.
    earliest: Timestamp,
}

impl Since {
    /// For a search that began so long ago, in this process: by the `Date` of the response, and by the local clock,
    /// whichever is earlier.
    pub(crate) fn began(ago: Duration, headers: &HeaderMap, local: Timestamp) -> Self {
        let ago = SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX).saturating_add(WHOLE_SECONDS);
        let before = |now: Timestamp| now.checked_sub(ago).unwrap_or(Timestamp::MIN);
        let reported = date(headers).unwrap_or(local);
        Self { certain: before(reported), earliest: before(reported.min(local)) }
    }

    /// For a search that began at this time of the service's clock. If that is still to come, its clock was wrong then or is
    /// now, and says nothing.
    pub(crate) fn stored(start: Timestamp, headers: &HeaderMap, local: Timestamp) -> Self {
        let now = date(headers).unwrap_or(local);
        let certain = near(start);
        Self { certain, earliest: if certain > now { Timestamp::MIN } else { certain } }
    }

    /// Whether the list need not go further back than to a message of this time.
    pub(crate) fn is_before(&self, sent: Option<Timestamp>) -> bool {
        sent.is_some_and(|sent| sent < self.earliest)
    }
}

/// A message of a list, as far as a search has to know it.
pub(crate) struct Row<'a, Id> {
    pub(crate) id: &'a Id,
    pub(crate) text: &'a str,
    /// Whether it is of the sought author.
    pub(crate) is_own: bool,
    pub(crate) sent: Option<Timestamp>,
    /// Whether it was changed or deleted after it was sent.
    pub(crate) is_changed: bool,
}

/// Whether a message was sent after the search began.
#[derive(Clone, Copy, PartialEq)]
enum Age {
    Old,
    New,
    Unclear,
}

/// The messages that one look has read.
pub(crate) struct Rows<'a, Id> {
    pub(crate) rows: Vec<Row<'a, Id>>,
    /// Why these may not be all messages since the search began; `None` if they are all that there are.
    pub(crate) missing: Option<Unsure>,
}

impl<Id: Ord + Clone> Rows<'_, Id> {
    /// Looks for a message with this text, later than `after` or else since `since`, that belongs to no other post. If there
    /// are several, it is the oldest: the others are of later posts.
    pub(crate) fn find(
        &self,
        text: &str,
        since: Since,
        after: Option<&Id>,
        is_taken: impl Fn(&Id) -> bool,
    ) -> Found<Id> {
        let text = comparable(text);
        let anchor = after.and_then(|id| self.rows.iter().find(|row| row.id == id));
        let mut new: Vec<(&Row<'_, Id>, Age)> = self
            .rows
            .iter()
            .filter(|row| row.is_own && !is_taken(row.id))
            .map(|row| (row, row.age(since, anchor)))
            .filter(|(_, age)| *age != Age::Old)
            .collect();
        // The order of Chatwork's list is not documented.
        new.sort_by_key(|(row, _)| (row.sent, row.id));
        let mut same = new.iter().filter(|(row, _)| comparable(row.text) == text).peekable();
        let is_near = same.peek().is_some();
        if let Some((row, _)) = same.find(|(_, age)| *age == Age::New) {
            return Found::Yes(row.id.clone());
        }
        if is_near {
            return Found::Unsure(Unsure::Clock);
        }
        if new.iter().any(|(row, _)| row.is_changed) {
            return Found::Unsure(Unsure::Changed);
        }
        // A time does not replace the message that has to be there: the clock that it was read from may have been wrong.
        let reaches_back =
            anchor.is_some() || after.is_none() && self.rows.iter().any(|row| since.is_before(row.sent));
        match self.missing {
            Some(missing) if !reaches_back => Found::Unsure(missing),
            _ => Found::No,
        }
    }
}

impl<Id: Ord> Row<'_, Id> {
    /// Ids are not documented to grow with time, and servers need not agree on the second. So what is near the newest message
    /// that was there before is new, unless it is known: `taken` has those of the author.
    fn age(&self, since: Since, anchor: Option<&Self>) -> Age {
        if let Some(anchor) = anchor {
            let is_near = match (self.sent, anchor.sent) {
                (Some(sent), Some(newest)) => sent >= near(newest),
                _ => self.id > anchor.id,
            };
            return if is_near && self.id != anchor.id { Age::New } else { Age::Old };
        }
        match self.sent {
            Some(sent) if sent < since.earliest => Age::Old,
            Some(sent) if sent >= since.certain => Age::New,
            _ => Age::Unclear,
        }
    }
}

/// The earliest time of a message that can have come after one of this time.
pub(crate) fn near(newest: Timestamp) -> Timestamp {
    newest.checked_sub(WHOLE_SECONDS).unwrap_or(Timestamp::MIN)
}

/// The text without what a service may change in storing it.
pub(crate) fn comparable(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(1_000_000 + second, 0)
    }

    fn row<'a>(id: &'a u64, text: &'static str, second: impl Into<Option<i64>>) -> Row<'a, u64> {
        Row { id, text, is_own: true, sent: second.into().map(at), is_changed: false }
    }

    /// A look at these messages for `x`, since second 100.
    fn find(
        rows: Vec<Row<'_, u64>>,
        missing: Option<Unsure>,
        after: Option<u64>,
        taken: &[u64],
    ) -> Found<u64> {
        let since = Since::stored(at(100), &HeaderMap::new(), at(1000));
        Rows { rows, missing }.find("x", since, after.as_ref(), |id| taken.contains(id))
    }

    const CUT: Option<Unsure> = Some(Unsure::OutOfReach);

    #[test]
    fn a_search_from_a_time_needs_a_message_from_before_it() {
        assert_eq!(find(vec![row(&1, "x", 100), row(&2, "x", 101)], CUT, None, &[]), Found::Yes(1));
        assert_eq!(find(vec![row(&1, "x", 98)], CUT, None, &[]), Found::Yes(1), "less two seconds");
        assert_eq!(find(vec![row(&1, "x", 97)], CUT, None, &[]), Found::No);
        assert_eq!(find(vec![row(&1, "y", 98)], CUT, None, &[]), Found::Unsure(Unsure::OutOfReach));
        assert_eq!(find(vec![row(&1, "y", 98)], None, None, &[]), Found::No);
        assert_eq!(find(vec![row(&1, "y", None)], CUT, None, &[]), Found::Unsure(Unsure::OutOfReach));
        assert_eq!(find(vec![row(&1, "x", None)], None, None, &[]), Found::Unsure(Unsure::Clock));
        assert_eq!(find(vec![], None, None, &[]), Found::No);
    }

    #[test]
    fn a_search_from_a_message_needs_that_message() {
        let page = |second| vec![row(&5, "y", 200), row(&7, "x", second)];
        assert_eq!(find(page(201), CUT, Some(5), &[]), Found::Yes(7));
        assert_eq!(find(page(198), CUT, Some(5), &[]), Found::Yes(7), "servers may differ");
        assert_eq!(find(page(197), CUT, Some(5), &[]), Found::No);
        assert_eq!(find(page(201), CUT, Some(5), &[7]), Found::No);
        assert_eq!(find(vec![row(&5, "x", 200)], CUT, Some(5), &[]), Found::No, "it is that message itself");
        // By a time alone it would be certain.
        assert_eq!(find(vec![row(&6, "y", 0)], CUT, Some(5), &[]), Found::Unsure(Unsure::OutOfReach));
        assert_eq!(find(vec![row(&6, "y", 0)], None, Some(5), &[]), Found::No);
        assert_eq!(find(vec![row(&5, "y", None), row(&6, "x", None)], CUT, Some(5), &[]), Found::Yes(6));
        assert_eq!(find(vec![row(&5, "y", None), row(&4, "x", None)], CUT, Some(5), &[]), Found::No);
    }

    #[test]
    fn a_time_that_is_still_to_come_shows_that_a_clock_is_wrong() {
        let since = Since::stored(at(100), &HeaderMap::new(), at(50));
        let find = |rows, missing| Rows { rows, missing }.find("x", since, None, |_: &u64| false);
        assert_eq!(find(vec![row(&1, "x", 45)], None), Found::Unsure(Unsure::Clock));
        assert_eq!(find(vec![row(&1, "y", 45)], None), Found::No);
        assert_eq!(find(vec![row(&1, "y", 45)], CUT), Found::Unsure(Unsure::OutOfReach));
        let extreme = Since::stored(Timestamp::MIN, &HeaderMap::new(), Timestamp::MAX);
        assert_eq!(extreme, Since { certain: Timestamp::MIN, earliest: Timestamp::MIN });
        assert_eq!(Since::began(Duration::MAX, &HeaderMap::new(), at(0)), extreme);
    }

    #[test]
    fn an_own_message_that_was_changed_since_may_be_the_one() {
        let changed = |id, second| Row { is_changed: true, ..row(id, "y", second) };
        assert_eq!(find(vec![changed(&1, 101)], None, None, &[]), Found::Unsure(Unsure::Changed));
        assert_eq!(find(vec![changed(&1, 101)], None, None, &[1]), Found::No);
        assert_eq!(find(vec![changed(&1, 50)], None, None, &[]), Found::No);
        assert_eq!(find(vec![changed(&1, 101), row(&2, "x", 102)], None, None, &[]), Found::Yes(2));
        let other = Row { is_own: false, ..changed(&1, 101) };
        assert_eq!(find(vec![other], None, None, &[]), Found::No);
    }
}
