//! From one page to the next.

use super::backoff::Failures;
use super::checkpoint::{Checkpoint, Identity, PageAt};
use super::cursors::Cursors;
use super::list::{List, Paged};
use super::place::{ItemPosition, Key, KeySet, PageRequest, PageStart, PagingMode, Window};
use super::search::{Found, Search};
use crate::error::{Error, ErrorKind, Outcome};
use crate::input::InvalidInput;
use crate::request::Request;
use crate::response::Response;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

/// How many times a page may be asked for twice as large: to 65,536 times the usual size.
const MOST_DOUBLINGS: u32 = 16;

/// How many rows a page by position has in common with the page before it.
const OVERLAP: u64 = 8;

/// The same for the first page of a stream that was stopped: more can have happened until then.
const OVERLAP_ACROSS_A_STOP: u64 = 32;

/// So many pages in a row without anything new are taken for a list without an end.
const MOST_BARREN: usize = 1000;

/// So many searches in a row for the place, each without anything new, are enough.
const MOST_SEARCHES: u32 = 8;

/// Fetches the pages of a list, one after the other.
///
/// ```text
///            ┌── a page with news ──┐
///            ▼                      │        no news, full          no news, not full
///   Going: ask for the page at `place` ───▶ the same, larger ───▶ just past the second or the id ───▶ Ended
///      │ ▲                                    (`doublings`)                    (`stepped`)
///      │ └── found ── Going, with `search`: the page does not join on to what was yielded
///      │                  └── not found ──▶ Last(error)
///      ├── 8 failures in a row, 1,000 pages without news, a circle ──▶ Last(error) ── yielded ──▶ Ended
///      └── no cursor, no rows ──▶ Ended
/// ```
pub(super) struct Pager<E: Paged> {
    request: Request<E>,
    pub(super) identity: Identity,
    place: PageStart,
    before: Option<PageStart>,
    /// How many times the next page is asked for twice as large as usual.
    doublings: u32,
    /// The items met so far, on this stream and before it.
    seen: Window,
    /// How many items were met so far, on this stream and before it.
    count: u64,
    /// The cursors, or the names that pages begin after, met so far on this stream.
    cursors: Cursors,
    /// Whether the next page is one that was begun before the stream.
    resuming: bool,
    /// The last row of the page that was stepped past, if nothing has come since: the service may not heed the place.
    stepped: Option<Key>,
    /// The group whose last change is the place.
    group: Option<u64>,
    /// How many rows the last page had: a service can give fewer than it is asked for, or more.
    came: Option<u64>,
    /// Whether the next page begins right at its position, as the last one had nothing beyond.
    exact: bool,
    /// How many rows that were known came in a row, on pages without anything new.
    stale_rows: usize,
    /// How many pages came in a row without anything new, and how many may.
    barren: usize,
    most_barren: usize,
    search: Option<Search>,
    /// How many searches came in a row without anything new: the service may list in another order each time.
    searches: u32,
    failures: Failures,
    stage: Stage,
    pub(super) from: Option<Box<Checkpoint>>,
}

#[derive(Debug)]
enum Stage {
    Going,
    /// An error is to be yielded, and then nothing more.
    Last(Error),
    Ended,
}

/// A page, as the streams take it over.
pub(super) struct Page<T> {
    pub(super) response: Response<Vec<T>>,
    /// One for each item.
    pub(super) positions: Vec<ItemPosition>,
    pub(super) at: PageAt,
}

/// What came for a page, in the order of the list.
struct Came<T> {
    response: Response<Vec<T>>,
    /// One for each item.
    positions: Vec<ItemPosition>,
    cursor: Option<String>,
    asked: PageRequest,
}

impl<E: Paged> Pager<E> {
    pub(super) fn new(request: Request<E>) -> Box<Self> {
        let identity = Identity::of(&request);
        let slack = request.endpoint.mode().slack();
        Box::new(Self {
            request,
            identity,
            place: PageStart::Start,
            before: None,
            doublings: 0,
            seen: Window::new([], slack),
            count: 0,
            cursors: Cursors::default(),
            resuming: false,
            stepped: None,
            group: None,
            came: None,
            exact: false,
            stale_rows: 0,
            barren: 0,
            most_barren: MOST_BARREN,
            search: None,
            searches: 0,
            failures: Failures::default(),
            stage: Stage::Going,
            from: None,
        })
    }

    pub(super) fn resume(request: Request<E>, checkpoint: &Checkpoint) -> Result<Box<Self>, Error> {
        let mut pager = Self::new(request);
        pager.identity.check(checkpoint, &pager.request)?;
        pager.place = checkpoint.place.clone();
        pager.before = checkpoint.before.clone();
        pager.count = checkpoint.count;
        let keys = checkpoint.recent.iter().map(|key| Key::new(key));
        pager.seen = Window::new(keys, pager.request.endpoint.mode().slack());
        pager.resuming = !checkpoint.passed;
        // On smaller pages than before, each can have a single one of the items that are known.
        pager.most_barren += pager.seen.len();
        pager.begin_cursors();
        pager.from = Some(Box::new(checkpoint.clone()));
        Ok(pager)
    }

    fn begin_cursors(&mut self) {
        self.cursors = Cursors::default();
        if let PageStart::Cursor(at) | PageStart::Name(at) = &self.place {
            self.cursors.met(at);
        }
    }

    /// The next page that has anything new, or that comes with a cursor; `None` at the end of the list.
    ///
    /// After an error it can be called again, and goes on with the page that failed, if any can come.
    pub(super) async fn fetch(&mut self) -> Result<Option<Page<E::Item>>, Error> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Ended) {
                Stage::Going => self.stage = Stage::Going,
                Stage::Last(error) => return Err(error),
                Stage::Ended => return Ok(None),
            }
            let clock = Arc::clone(self.request.client.transport().clock());
            self.failures.wait(&*clock).await;
            match self.next_page().await {
                Ok(page) => {
                    self.failures.clear();
                    if page.is_some() {
                        return Ok(page);
                    }
                }
                Err(error) => {
                    if error.is_invalid_input() {
                        // It would be refused again.
                        self.stage = Stage::Ended;
                    } else if self.failures.record(&error, clock.now()) {
                        let kind = ErrorKind::GaveUp { failures: Failures::MOST };
                        self.stage = Stage::Last(self.error(kind, error.outcome()));
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Fetches one page, and moves on. `None` if it had nothing to yield.
    ///
    /// Nothing changes before the last thing that can fail has succeeded, so that a failure leaves no trace.
    async fn next_page(&mut self) -> Result<Option<Page<E::Item>>, Error> {
        let mode = self.request.endpoint.mode();
        let came = self.ask(mode).await?;
        let Some(in_front) = self.join(mode, &came) else { return Ok(None) };
        let Came { mut response, mut positions, cursor, asked } = came;

        let begun = self.resuming && !mode.enters_anywhere();
        let mut keys: KeySet<&Key> = KeySet::with_capacity_and_hasher(positions.len(), Default::default());
        let fresh: Vec<bool> = positions
            .iter()
            .enumerate()
            .map(|(row, position)| {
                let Some(key) = &position.key else { return true };
                keys.insert(key) && row >= in_front && !self.seen.contains(key)
            })
            .collect();
        let count = match mode {
            PagingMode::Grouped => {
                positions.iter().filter_map(|position| position.group).collect::<HashSet<_>>().len()
            }
            _ => keys.len(),
        };
        drop(keys);
        let news = fresh.contains(&true);
        let full = asked.rows.is_some_and(|asked| u64::try_from(count).is_ok_and(|count| count >= asked));
        let known = positions
            .iter()
            .filter(|position| position.key.as_ref().is_some_and(|key| self.seen.contains(key)));
        self.stale_rows = if news { 0 } else { self.stale_rows.saturating_add(known.count()) };
        // Far more rows that are known than there are, though pages overlap and grow: the place is not heeded.
        let circular = mode != PagingMode::Cursor && self.stale_rows > self.seen.len().saturating_mul(4);
        let mut group = None;
        let next = match mode {
            PagingMode::Cursor => {
                cursor.map_or(Next::End, |cursor| self.onward(mode, PageStart::Cursor(cursor)))
            }
            _ if circular => Next::End,
            PagingMode::Offset => self.after_rows(&asked, positions.len(), news),
            _ if positions.is_empty() || mode == PagingMode::Name && !news => Next::End,
            _ => {
                // A row that did not decode, or that has no time, may not say where it stands.
                let last = positions.iter().rev().find(|position| position.is_placed());
                group = last.and_then(|position| position.group);
                // The board that the page begins with is the one that it was asked for by.
                let follow = last.filter(|_| news || begun || group.is_none() || group != self.group);
                let place = match follow.map(|last| E::follow(&self.request, last)) {
                    Some(follow) => follow.await?,
                    None => None,
                };
                match place.map_or(Next::Grow, |place| self.onward(mode, place)) {
                    Next::Grow if news || begun || full => Next::Grow,
                    // Full or not, this may be all that the service ever gives at once.
                    Next::Grow => {
                        let last = last.and_then(|position| position.key.clone());
                        let step = self.place.step(mode).filter(|_| last.is_some() && last != self.stepped);
                        self.stepped = last;
                        step.map_or(Next::End, Next::Step)
                    }
                    further => further,
                }
            }
        };

        let page = PageAt {
            place: self.place.clone(),
            before: self.before.clone(),
            window: self.seen.fit(positions.len()),
            barren: self.count_barren(news),
        };
        self.came = u64::try_from(positions.len()).ok();
        let new = fresh.iter().filter(|fresh| **fresh).count();
        self.count = self.count.saturating_add(u64::try_from(new).unwrap_or(u64::MAX));
        self.search = None;
        if news {
            self.searches = 0;
        }
        if matches!(next, Next::Page(_)) {
            self.group = group;
        }
        self.advance(next);
        if page.barren && matches!(self.stage, Stage::Going) {
            let kind = ErrorKind::EmptyPages { pages: self.barren };
            self.stage = Stage::Last(self.error(kind, Outcome::Applied));
        }
        positions.iter().filter_map(|position| position.key.as_ref()).for_each(|key| self.seen.insert(key));
        if !news && mode != PagingMode::Cursor {
            return Ok(None);
        }
        self.stepped = None;
        keep(&mut positions, &fresh);
        keep(&mut response, &fresh);
        Ok(Some(Page { response, positions, at: page }))
    }

    async fn ask(&self, mode: PagingMode) -> Result<Came<E::Item>, Error> {
        let (request, asked) = self.prepare().map_err(|invalid| self.request.refused(invalid))?;
        let mut cursor = None;
        let mut response = request.send().await?.map(|output| {
            let (items, next) = <E as List>::rows(output);
            cursor = next.filter(|cursor| !cursor.is_empty());
            items
        });
        let mut positions = response.iter().map(|item| self.request.endpoint.position(item)).collect();
        arrange(mode, &asked, &mut positions, &mut response);
        Ok(Came { response, positions, cursor, asked })
    }

    fn prepare(&self) -> Result<(Request<E>, PageRequest), InvalidInput> {
        let seek = |place: &PageStart| {
            let mut request = self.request.clone();
            let asked = request.endpoint.seek(place, self.doublings, self.request.client.state())?;
            Ok((request, asked))
        };
        let prepared = seek(&self.place)?;
        // Items that were removed meanwhile have moved the others up, past the position; a few rows back they are met.
        if let PageStart::Offset(offset) = self.place
            && !self.exact
            && self.search.is_none()
        {
            let known = u64::try_from(self.seen.len()).unwrap_or(u64::MAX);
            let half = self.came.or(prepared.1.rows).unwrap_or(0) / 2;
            let most = if self.resuming { OVERLAP_ACROSS_A_STOP } else { OVERLAP };
            return seek(&PageStart::Offset(offset.saturating_sub(most.min(half.max(1)).min(known))));
        }
        Ok(prepared)
    }

    /// How many rows at the front are not to be yielded. `None` if the page does not join on to what was yielded, and
    /// another is to be fetched.
    fn join(&mut self, mode: PagingMode, came: &Came<E::Item>) -> Option<usize> {
        let rows = &came.positions;
        if self.search.is_some() {
            return self.look(came);
        }
        let in_doubt = match (mode, &self.place) {
            (PagingMode::Cursor, _) => self.resuming && self.seen.len() > 0,
            (PagingMode::Offset, PageStart::Offset(offset)) => came.asked.offset < *offset,
            _ => false,
        };
        let keys = || rows.iter().map(|position| position.key.as_ref());
        if in_doubt {
            if let Some(row) = self.seen.joins(keys()) {
                return Some(row);
            }
            if let Some(before) = self.before.take() {
                self.place = before;
                self.begin_cursors();
                return None;
            }
            self.searches += 1;
            if self.searches > MOST_SEARCHES {
                self.stage = Stage::Last(self.error(ErrorKind::PlaceLost, Outcome::Applied));
                return None;
            }
            self.search = Some(Search::default());
            if self.place == PageStart::Start {
                return self.look(came);
            }
            self.go_to(PageStart::Start);
            return None;
        }
        Some(if self.resuming && mode == PagingMode::Grouped { self.added_in_front(rows) } else { 0 })
    }

    /// Looks on a page for what was yielded last, and moves on if it is not there.
    fn look(&mut self, came: &Came<E::Item>) -> Option<usize> {
        let search = self.search.as_mut()?;
        let mut keys = came.positions.iter().map(|position| position.key.as_ref());
        let repeats = search.repeats(keys.clone().next().flatten());
        if let Some(row) = search.look(&self.place, &mut keys, &self.seen) {
            return Some(row);
        }
        let endless = search.is_endless(self.count);
        let next = match (&came.cursor, self.request.endpoint.mode()) {
            _ if endless || repeats || came.positions.is_empty() && came.cursor.is_none() => None,
            (Some(cursor), _) => Some(PageStart::Cursor(cursor.clone())),
            (None, PagingMode::Offset) => Some(PageStart::Offset(came.end())),
            (None, _) => None,
        };
        match next {
            Some(PageStart::Cursor(cursor)) if self.cursors.met(&cursor) => {
                self.stage = Stage::Last(self.error(ErrorKind::RepeatedCursor, Outcome::Applied));
            }
            Some(next) => self.before = Some(std::mem::replace(&mut self.place, next)),
            None => self.end_search(endless),
        }
        None
    }

    fn end_search(&mut self, endless: bool) {
        let all_remembered = u64::try_from(self.seen.len()).is_ok_and(|known| known >= self.count);
        match self.search.take().unwrap_or_default().end() {
            Found::One(place) => {
                self.search = Some(Search::for_one());
                self.go_to(place);
            }
            Found::Nothing => self.stage = Stage::Ended,
            // Nothing that was ever yielded is there, so that all that is there is new.
            Found::None if all_remembered && !endless => {
                self.resuming = false;
                self.go_to(PageStart::Start);
            }
            Found::None => self.stage = Stage::Last(self.error(ErrorKind::PlaceLost, Outcome::Applied)),
        }
    }

    fn go_to(&mut self, place: PageStart) {
        self.place = place;
        self.before = None;
        self.begin_cursors();
    }

    /// Where the page after a page by position begins: after its rows, however many were requested.
    fn after_rows(&mut self, asked: &PageRequest, rows: usize, news: bool) -> Next {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        if rows == 0 {
            return Next::End;
        }
        let end = PageStart::Offset(asked.offset.saturating_add(rows));
        self.exact = !news && (rows == 1 || end == self.place);
        Next::Page(end)
    }

    /// On to `place` if it is further on than this page.
    ///
    /// It is not if more rows share a second than a page holds, if the board that was to tell the time has been changed
    /// just then, or if the service goes in circles, which can be longer than what the window remembers.
    fn onward(&mut self, mode: PagingMode, place: PageStart) -> Next {
        let further = match (mode, &place) {
            (_, PageStart::Cursor(to) | PageStart::Name(to)) if self.cursors.met(to) => return Next::Circle,
            _ if self.place == PageStart::Start => true,
            (PagingMode::Cursor | PagingMode::Name | PagingMode::Offset, _) => true,
            (PagingMode::Upwards, _) => place > self.place,
            (PagingMode::Downwards | PagingMode::Modified | PagingMode::Grouped, _) => place < self.place,
        };
        if further { Next::Page(place) } else { Next::Grow }
    }

    fn advance(&mut self, next: Next) {
        self.resuming = false;
        match next {
            Next::Page(place) => {
                (self.doublings, self.stepped) = (0, None);
                self.before = Some(std::mem::replace(&mut self.place, place));
            }
            Next::Step(place) => {
                self.place = place;
                self.doublings = 0;
            }
            Next::Grow if self.doublings < MOST_DOUBLINGS => self.doublings += 1,
            Next::Grow | Next::End => self.stage = Stage::Ended,
            Next::Circle => {
                self.stage = Stage::Last(self.error(ErrorKind::RepeatedCursor, Outcome::Applied));
            }
        }
    }

    /// Whether a page is the last of too many in a row without anything new.
    fn count_barren(&mut self, news: bool) -> bool {
        if news {
            (self.barren, self.most_barren) = (0, MOST_BARREN);
        } else {
            self.barren += 1;
        }
        self.barren >= self.most_barren
    }

    /// How many rows at the front of a page that was begun before have come since.
    ///
    /// The stream would not have met them. Two rows in the order in which they were yielded are evidence enough that
    /// what is before them is new; a single one could itself have moved to the end of the page.
    fn added_in_front(&self, rows: &[ItemPosition]) -> usize {
        let known = |position: &ItemPosition| position.key.clone().filter(|key| self.seen.contains(key));
        let Some(first) = rows.iter().position(|row| known(row).is_some()) else { return 0 };
        match (known(&rows[first]), rows.get(first + 1).and_then(known)) {
            (Some(one), Some(two)) if self.seen.adjacent(&one, &two) => first,
            _ => 0,
        }
    }

    fn error(&self, kind: ErrorKind, outcome: Outcome) -> Error {
        Error::new(kind, outcome).with_call(self.request.info(), 0)
    }
}

impl<T> Came<T> {
    /// The position after the last row.
    fn end(&self) -> u64 {
        self.asked.offset.saturating_add(u64::try_from(self.positions.len()).unwrap_or(u64::MAX))
    }
}

/// What comes after a page.
enum Next {
    Page(PageStart),
    /// Past a second that more rows share than the service gives at once, or past the id at the edge.
    Step(PageStart),
    /// The same page again, twice as large.
    Grow,
    End,
    Circle,
}

/// Puts a page into the order of the mode, whatever order the service prints it in.
fn arrange<T>(mode: PagingMode, asked: &PageRequest, positions: &mut Vec<ItemPosition>, items: &mut Vec<T>) {
    let mut sort = |order: fn(&ItemPosition, &ItemPosition) -> Ordering| {
        let mut rows: Vec<_> = positions.drain(..).zip(items.drain(..)).collect();
        rows.sort_by(|(a, _), (b, _)| order(a, b));
        (*positions, *items) = rows.into_iter().unzip();
    };
    match mode {
        PagingMode::Upwards => sort(|a, b| a.after.cmp(&b.after)),
        PagingMode::Downwards | PagingMode::Modified => sort(|a, b| b.after.cmp(&a.after)),
        PagingMode::Offset => {
            let mut offset = asked.offset;
            for position in positions {
                offset = offset.saturating_add(1);
                position.after = Some(PageStart::Offset(offset));
            }
        }
        PagingMode::Cursor | PagingMode::Grouped | PagingMode::Name => {}
    }
}

/// Leaves out the rows that are not fresh.
fn keep<T>(rows: &mut Vec<T>, fresh: &[bool]) {
    let mut fresh = fresh.iter();
    rows.retain(|_| fresh.next() == Some(&true));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_put_into_the_order_of_the_walk() {
        let asked = PageRequest { rows: Some(3), offset: 40 };
        let page = |ids: [u64; 3]| {
            ids.map(|id| ItemPosition::new(Some(id.to_string()), Some(PageStart::Id(id)))).to_vec()
        };
        let (mut positions, mut ids) = (page([3, 1, 2]), vec![3, 1, 2]);
        let after = |positions: &[ItemPosition], row: usize| positions[row].after.clone();
        arrange(PagingMode::Upwards, &asked, &mut positions, &mut ids);
        assert_eq!((&ids[..], after(&positions, 0)), (&[1, 2, 3][..], Some(PageStart::Id(1))));
        arrange(PagingMode::Downwards, &asked, &mut positions, &mut ids);
        assert_eq!((&ids[..], after(&positions, 0)), (&[3, 2, 1][..], Some(PageStart::Id(3))));
        arrange(PagingMode::Offset, &asked, &mut positions, &mut ids);
        assert_eq!(after(&positions, 2), Some(PageStart::Offset(43)));
        keep(&mut ids, &[true, false, true]);
        assert_eq!(ids, [3, 1]);
    }
}
