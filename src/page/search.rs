//! Finding, in a list that has changed, the place where a stream had come to.

use super::place::{Key, PageStart, Window};

/// Goes through a list from its start until it meets what was yielded last.
///
/// What is before that place was yielded, or has come in front since. Two rows in the order in which they were yielded
/// are evidence of the place. A single one could have moved, as in a list that has the newest first, so that it counts
/// only if the whole list has no such two.
///
/// ```text
///   page joins on ──▶ (no search)
///   it does not ────▶ search for two ── found ──▶ on from there
///                        │ end of the list
///                        ├─ one was met ──────────────▶ once more, from its page, for one
///                        ├─ none, and all that was ever
///                        │  yielded is remembered ────▶ the whole list is new
///                        ├─ none, and nothing else ───▶ the end
///                        └─ none, but other items ────▶ the place is lost: an error
/// ```
#[derive(Debug, Default)]
pub(super) struct Search {
    rows: u64,
    /// The first row of the last page.
    first: Option<Key>,
    /// The last row of the last page.
    last: Option<Key>,
    /// The page with the last row that is known.
    lone: Option<PageStart>,
    /// Whether there was a row that is not known.
    strangers: bool,
    one_will_do: bool,
}

/// What a search that came to its end has shown.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// One item, on the page at this place.
    One(PageStart),
    /// None of those remembered.
    None,
    /// Nothing at all.
    Nothing,
}

impl Search {
    /// How many rows are gone through beyond twice as many as were yielded.
    const MOST_ROWS: u64 = 100_000;

    /// As how many rows a page counts, beside those that it has.
    const PER_PAGE: u64 = 50;

    /// The first row of the page that is after what was yielded, or is that itself.
    pub(super) fn look<'a>(
        &mut self,
        place: &PageStart,
        rows: impl Iterator<Item = Option<&'a Key>>,
        seen: &Window,
    ) -> Option<usize> {
        // A page can be empty, and a list can have no end of those.
        self.rows += Self::PER_PAGE;
        for (row, key) in rows.enumerate() {
            self.rows += 1;
            let before = std::mem::replace(&mut self.last, key.cloned());
            let Some(key) = key else { continue };
            if !seen.contains(key) {
                self.strangers = true;
                continue;
            }
            if self.one_will_do || seen.len() == 1 || before.is_some_and(|before| seen.precedes(&before, key))
            {
                return Some(row);
            }
            self.lone = Some(place.clone());
        }
        None
    }

    /// Whether the page is the last one over again: the service does not heed the position.
    pub(super) fn repeats(&mut self, first: Option<&Key>) -> bool {
        let before = std::mem::replace(&mut self.first, first.cloned());
        self.first.is_some() && self.first == before
    }

    /// Whether it has gone on for too long, for a list that has no end.
    pub(super) fn is_endless(&self, yielded: u64) -> bool {
        self.rows > yielded.saturating_mul(2).saturating_add(Self::MOST_ROWS)
    }

    pub(super) fn end(self) -> Found {
        match self.lone {
            Some(place) if !self.one_will_do => Found::One(place),
            _ if self.strangers => Found::None,
            _ => Found::Nothing,
        }
    }

    /// The same again, for any item.
    pub(super) fn for_one() -> Self {
        Self { one_will_do: true, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &str) -> Vec<Key> {
        names.chars().map(|name| Key::new(&name.to_string())).collect()
    }

    fn look(search: &mut Search, page: &str, place: u64) -> Option<usize> {
        let page = keys(page);
        search.look(&PageStart::Offset(place), page.iter().map(Some), &Window::new(keys("defgh"), 64))
    }

    #[test]
    fn two_adjacent_items_in_yielded_order_are_evidence() {
        let mut search = Search::default();
        // `g` has moved to the front.
        assert_eq!(look(&mut search, "ga", 0), None);
        assert_eq!(look(&mut search, "bcd", 2), None);
        assert_eq!(look(&mut search, "fx", 5), Some(0), "they can be on two pages");
        assert_eq!(
            look(&mut Search::default(), "gxehy", 0),
            Some(3),
            "other items between the two may have been removed"
        );
    }

    #[test]
    fn one_item_counts_if_there_are_no_two() {
        let mut search = Search::default();
        assert_eq!(look(&mut search, "xy", 0), None);
        assert_eq!(look(&mut search, "zf", 2), None);
        assert_eq!(search.end(), Found::One(PageStart::Offset(2)));
        assert_eq!(look(&mut Search::for_one(), "zf", 2), Some(1));
    }

    #[test]
    fn no_match_differs_from_an_empty_search() {
        let mut search = Search::default();
        assert_eq!(look(&mut search, "", 0), None);
        assert_eq!(Search::default().end(), Found::Nothing);
        assert_eq!(look(&mut search, "xyz", 0), None);
        assert_eq!(search.end(), Found::None);
    }
}
