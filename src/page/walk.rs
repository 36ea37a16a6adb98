//! From one page to the next.

use super::checkpoint::{Checkpoint, Identity, PageAt};
use super::place::{Asked, Mark, Place, Walk, Window};
use super::{List, Paged};
use crate::error::{Call, Error, ErrorKind, Outcome};
use crate::request::Request;
use crate::response::Response;
use crate::transport::Plan;
use crate::transport::check::InvalidInput;
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// How many times a page may be asked for twice as large: to 65,536 times the usual size.
const MOST_GROWN: u32 = 16;

/// How many rows of the page before a page that goes by its position has again.
const OVERLAP: u64 = 8;

/// Fetches the pages of a list, one after the other.
pub(super) struct Walker<E> {
    request: Request<E>,
    pub(super) identity: Identity,
    place: Place,
    before: Option<Place>,
    /// How many times the next page is asked for twice as large as usual.
    grown: u32,
    /// The items met so far, on this stream and before it.
    seen: Window,
    /// The cursors, or the names that pages begin after, met so far on this stream.
    cursors: Cursors,
    /// Whether the next page is one that was begun before the stream.
    resuming: bool,
    /// Whether the place was moved past a second without anything new since.
    stepped: bool,
    stage: Stage,
    pub(super) from: Option<Box<Checkpoint>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Going,
    /// The service has named a page as the next one that it has named before.
    Circle,
    Ended,
}

/// A page, as the streams take it over.
pub(super) struct Page<T> {
    pub(super) response: Response<Vec<T>>,
    /// One for each item.
    pub(super) marks: Vec<Mark>,
    pub(super) at: PageAt,
}

impl<E: Paged> Walker<E> {
    pub(super) fn new(request: Request<E>) -> Box<Self> {
        let identity = Identity::of(&request);
        Box::new(Self {
            request,
            identity,
            place: Place::Start,
            before: None,
            grown: 0,
            seen: Window::new([]),
            cursors: Cursors::default(),
            resuming: false,
            stepped: false,
            stage: Stage::Going,
            from: None,
        })
    }

    pub(super) fn resume(request: Request<E>, checkpoint: &Checkpoint) -> Result<Box<Self>, Error> {
        let mut walker = Self::new(request);
        walker.identity.check(checkpoint, &walker.request)?;
        walker.place = checkpoint.place.clone();
        walker.seen = Window::new(checkpoint.recent.iter().map(|key| Arc::from(key.as_str())));
        walker.resuming = true;
        if let Place::Cursor(at) | Place::Name(at) = &walker.place {
            walker.cursors.met(at);
        }
        walker.from = Some(Box::new(checkpoint.clone()));
        Ok(walker)
    }

    /// The next page that has anything new, or that comes with a cursor; `None` at the end of the list.
    ///
    /// After an error it can be called again, and goes on with the page that failed.
    pub(super) async fn fetch(&mut self) -> Result<Option<Page<E::Item>>, Error> {
        loop {
            match self.stage {
                Stage::Going => {}
                Stage::Ended => return Ok(None),
                Stage::Circle => {
                    self.stage = Stage::Ended;
                    return Err(self.circle());
                }
            }
            if let Some(page) = self.turn().await? {
                return Ok(Some(page));
            }
        }
    }

    /// Fetches one page, and moves on. `None` if it had nothing to tell.
    ///
    /// Nothing changes before the last thing that can fail has succeeded, so that a failure leaves no trace.
    async fn turn(&mut self) -> Result<Option<Page<E::Item>>, Error> {
        let walk = self.request.endpoint.walk();
        let (request, asked) =
            self.prepare().map_err(|invalid| Plan::of(&self.request.endpoint).refused(invalid))?;
        let (mut rows, mut cursor) = (Vec::new(), None);
        let answer = request.send().await?.map(|output| {
            let (items, next) = <E as List>::rows(output);
            let marked = |item| (self.request.endpoint.mark(&item), item);
            rows = items.into_iter().map(marked).collect();
            cursor = next.filter(|cursor| !cursor.is_empty());
        });
        arrange(walk, &asked, &mut rows);

        let begun = self.resuming && !walk.enters_anywhere();
        let in_front = if begun { self.added_in_front(&rows) } else { 0 };
        let mut keys = HashSet::new();
        let fresh: Vec<bool> = rows
            .iter()
            .enumerate()
            .map(|(row, (mark, _))| {
                let Some(key) = &mark.key else { return true };
                keys.insert(Arc::clone(key)) && row >= in_front && !self.seen.contains(key)
            })
            .collect();
        let count = match walk {
            Walk::Grouped => rows.iter().filter_map(|(mark, _)| mark.group).collect::<HashSet<_>>().len(),
            _ => keys.len(),
        };
        let news = fresh.contains(&true);
        let full = asked.rows.is_some_and(|asked| u64::try_from(count).is_ok_and(|count| count >= asked));
        let next = match walk {
            Walk::Cursor => cursor.map_or(Next::End, |cursor| self.onward(walk, Place::Cursor(cursor))),
            _ if news || begun && !rows.is_empty() => {
                // A row that did not decode, or that has no time, may not say where it stands.
                let last = rows.iter().rev().map(|(mark, _)| mark).find(|mark| mark.is_placed());
                let follow = last.map(|last| E::follow(&self.request, last));
                let place = match follow {
                    Some(follow) => follow.await?,
                    None => None,
                };
                place.map_or(Next::Grow, |place| self.onward(walk, place))
            }
            _ if full => Next::Grow,
            // Full or not, this may be all that the service ever gives at once, and as many may share the second.
            _ if count > 1 && !self.stepped => self.place.step().map_or(Next::End, Next::Step),
            _ => Next::End,
        };

        let page = PageAt {
            place: self.place.clone(),
            before: self.before.clone(),
            window: self.seen.fit(rows.len()),
        };
        self.advance(next);
        rows.iter().filter_map(|(mark, _)| mark.key.as_ref()).for_each(|key| self.seen.insert(key));
        if !news && walk != Walk::Cursor {
            return Ok(None);
        }
        self.stepped = false;
        let new_rows = rows.into_iter().zip(fresh).filter_map(|(row, fresh)| fresh.then_some(row));
        let (marks, items): (Vec<Mark>, Vec<E::Item>) = new_rows.unzip();
        Ok(Some(Page { response: answer.map(|()| items), marks, at: page }))
    }

    fn prepare(&self) -> Result<(Request<E>, Asked), InvalidInput> {
        let seek = |place: &Place| {
            let mut request = self.request.clone();
            let asked = request.endpoint.seek(place, self.grown, &self.request.transport)?;
            Ok((request, asked))
        };
        let prepared = seek(&self.place)?;
        // Items that were removed meanwhile have moved the others up, past the position; a few rows back they are met.
        if let Place::Offset(offset) = self.place {
            let known = u64::try_from(self.seen.len()).unwrap_or(u64::MAX);
            let overlap = OVERLAP.min(known).min(prepared.1.rows.unwrap_or(0) / 2);
            return seek(&Place::Offset(offset.saturating_sub(overlap)));
        }
        Ok(prepared)
    }

    /// On to `place` if it is further on than this page.
    ///
    /// It is not if more rows share a second than a page holds, if the board that was to tell the time has been changed
    /// just then, or if the service goes in circles, which can be longer than what the window remembers.
    fn onward(&mut self, walk: Walk, place: Place) -> Next {
        let further = match (walk, &place) {
            (_, Place::Cursor(to) | Place::Name(to)) if self.cursors.met(to) => return Next::Circle,
            _ if self.place == Place::Start => true,
            (Walk::Cursor | Walk::Name, _) => true,
            (Walk::Upwards | Walk::Offset, _) => place > self.place,
            (Walk::Downwards | Walk::Modified | Walk::Grouped, _) => place < self.place,
        };
        if further { Next::Page(place) } else { Next::Grow }
    }

    fn advance(&mut self, next: Next) {
        self.resuming = false;
        match next {
            Next::Page(place) => {
                self.grown = 0;
                self.before = Some(std::mem::replace(&mut self.place, place));
            }
            Next::Step(place) => {
                self.place = place;
                self.grown = 0;
                self.stepped = true;
            }
            Next::Grow if self.grown < MOST_GROWN => self.grown += 1,
            Next::Grow | Next::End => self.stage = Stage::Ended,
            Next::Circle => self.stage = Stage::Circle,
        }
    }

    /// How many rows at the front of a page that was begun before have come since.
    ///
    /// The stream would not have met them. Two rows in the order in which they were yielded are evidence enough that
    /// what is before them is new; a single one could itself have moved to the end of the page.
    fn added_in_front(&self, rows: &[(Mark, E::Item)]) -> usize {
        let known = |(mark, _): &(Mark, E::Item)| mark.key.clone().filter(|key| self.seen.contains(key));
        let Some(first) = rows.iter().position(|row| known(row).is_some()) else { return 0 };
        match (known(&rows[first]), rows.get(first + 1).and_then(known)) {
            (Some(one), Some(two)) if self.seen.adjacent(&one, &two) => first,
            _ => 0,
        }
    }

    fn circle(&self) -> Error {
        let Plan { operation, safety, .. } = Plan::of(&self.request.endpoint);
        Error::new(ErrorKind::RepeatedCursor, Outcome::Applied).with_call(Call::new(operation, safety), 0)
    }
}

/// What comes after a page.
enum Next {
    Page(Place),
    /// Past a second that more rows share than the service gives at once.
    Step(Place),
    /// The same page again, twice as large.
    Grow,
    End,
    Circle,
}

/// Puts a page into the order of the walk, whatever order the service prints it in.
fn arrange<T>(walk: Walk, asked: &Asked, rows: &mut [(Mark, T)]) {
    match walk {
        Walk::Upwards => rows.sort_by(|(a, _), (b, _)| a.after.cmp(&b.after)),
        Walk::Downwards | Walk::Modified => rows.sort_by(|(a, _), (b, _)| b.after.cmp(&a.after)),
        Walk::Offset => {
            for ((mark, _), offset) in rows.iter_mut().zip(asked.offset..) {
                mark.after = Some(Place::Offset(offset.saturating_add(1)));
            }
        }
        Walk::Cursor | Walk::Grouped | Walk::Name => {}
    }
}

/// The cursors met so far, in bounded memory: the last ones all, and of the others one that is replaced ever more
/// seldom, so that a circle of any length is noticed at the latest on its third time round (Brent's algorithm).
#[derive(Debug, Default)]
struct Cursors {
    hasher: RandomState,
    last: VecDeque<u64>,
    anchor: Option<u64>,
    since: u64,
    lap: u64,
}

impl Cursors {
    const REMEMBERED: usize = 4096;

    /// Whether a cursor was met before; from now on it was.
    fn met(&mut self, cursor: &str) -> bool {
        let hash = self.hasher.hash_one(cursor);
        if self.anchor == Some(hash) || self.last.contains(&hash) {
            return true;
        }
        if self.last.len() == Self::REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(hash);
        if self.since == self.lap {
            (self.anchor, self.since, self.lap) = (Some(hash), 0, (self.lap * 2).max(1));
        }
        self.since += 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_cursors_is_noticed_whatever_its_length() {
        for (run_up, length) in [(0, 1), (3, 1), (5, 4), (100, 4096), (10, 5000), (7000, 20_000)] {
            let mut cursors = Cursors::default();
            let name = |step: u64| if step < run_up { step } else { run_up + (step - run_up) % length };
            let noticed = (0..).find(|step| cursors.met(&name(*step).to_string())).expect("it is noticed");
            let repeats = run_up + length;
            assert!(noticed >= repeats, "{run_up} {length}: too early, at {noticed}");
            assert!(noticed <= 3 * repeats, "{run_up} {length}: too late, at {noticed}");
            if length <= 4096 {
                assert_eq!(noticed, repeats, "a circle of the last 4096 is noticed at once");
            }
        }
    }

    #[test]
    fn cursors_that_differ_are_no_circle_and_take_no_more_room() {
        let mut cursors = Cursors::default();
        assert!((0..50_000).all(|number: u32| !cursors.met(&number.to_string())));
        assert_eq!(cursors.last.len(), Cursors::REMEMBERED);
    }

    #[test]
    fn pages_are_put_into_the_order_of_the_walk() {
        let asked = Asked { rows: Some(3), offset: 40 };
        let page = |ids: [u64; 3]| ids.map(|id| (Mark::new(Some(id.to_string()), Some(Place::Id(id))), id));
        let ids = |rows: &[(Mark, u64)]| rows.iter().map(|(_, id)| *id).collect::<Vec<_>>();
        let mut rows = page([3, 1, 2]);
        arrange(Walk::Upwards, &asked, &mut rows);
        assert_eq!(ids(&rows), [1, 2, 3]);
        arrange(Walk::Downwards, &asked, &mut rows);
        assert_eq!(ids(&rows), [3, 2, 1]);
        arrange(Walk::Offset, &asked, &mut rows);
        assert_eq!(rows[2].0.after, Some(Place::Offset(43)));
    }
}
