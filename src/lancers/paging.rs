//! How the six lists go on from page to page: the service has five ways, and no cursor.
//!
//! Each list begins where the request says, and goes on from its own rows. `limit` is always sent, since the service
//! takes it to be 1.

use super::operations::{GetBoard, ListBoards, ListFiles, ListMessages, ListUnread, ListUsers, SearchBoards};
use super::zone::Zone;
use super::{BoardId, Direction, FileId, MessageId};
use crate::input::InvalidInput;
use crate::page::{Asked, Mark, Place, Walk};
use crate::{Error, Paged, Request};
use futures::future::{BoxFuture, ready};
use jiff::Timestamp;

/// The size of a page unless `.limit(…)` is set. No maximum is known.
const PAGE: i64 = 100;

/// Sets `limit`, at least to `least`, and says what it is.
fn size(limit: &mut Option<i64>, grown: u32, least: i64) -> Asked {
    let rows = limit.unwrap_or(PAGE).max(least).saturating_mul(1 << grown);
    *limit = Some(rows);
    Asked { rows: u64::try_from(rows).ok(), offset: 0 }
}

/// An id that the page includes comes again as the first row, and so does a row before a position, so that a page of one
/// row would bring nothing new.
const WITH_THE_EDGE: i64 = 2;

fn before(place: &Place, modified: &mut Option<String>, zone: &Zone) -> Result<(), InvalidInput> {
    match place {
        Place::Start => {}
        Place::Before(second) => {
            let time = Timestamp::from_second(*second).map_err(|_| Place::foreign())?;
            *modified = Some(zone.format(time));
        }
        _ => return Err(Place::foreign()),
    }
    Ok(())
}

impl Paged for ListBoards {
    fn walk(&self) -> Walk {
        Walk::Modified
    }

    fn mark(&self, board: &Self::Item) -> Mark {
        Mark::new(Some(board.id.to_string()), board.modified.map(Place::up_to))
    }

    fn seek(&mut self, place: &Place, grown: u32, zone: &Zone) -> Result<Asked, InvalidInput> {
        before(place, &mut self.modified, zone)?;
        Ok(size(&mut self.limit, grown, 1))
    }
}

/// `modified` is the board's time, which the rows, being messages, do not have. A message of the last board is no
/// substitute: the board can have been changed after it, and boards between the two times would be left out. So the
/// board is asked for.
impl Paged for ListUnread {
    fn walk(&self) -> Walk {
        Walk::Grouped
    }

    fn mark(&self, message: &Self::Item) -> Mark {
        Mark::new(Some(message.id.to_string()), None).in_group(Some(message.board_id.0))
    }

    fn seek(&mut self, place: &Place, grown: u32, zone: &Zone) -> Result<Asked, InvalidInput> {
        before(place, &mut self.modified, zone)?;
        Ok(size(&mut self.limit, grown, 1))
    }

    fn follow(request: &Request<Self>, last: &Mark) -> BoxFuture<'static, Result<Option<Place>, Error>> {
        let Some(board) = last.group else { return Box::pin(ready(Ok(None))) };
        let board = request.clone().with_endpoint(|_| GetBoard::new(BoardId(board)));
        Box::pin(async move { Ok(board.send().await?.modified.map(Place::up_to)) })
    }
}

impl Paged for ListMessages {
    fn walk(&self) -> Walk {
        if self.direction == Some(Direction::Prev) { Walk::Downwards } else { Walk::Upwards }
    }

    fn mark(&self, message: &Self::Item) -> Mark {
        Mark::new(Some(message.id.to_string()), Some(Place::Id(message.id.0)))
    }

    fn seek(&mut self, place: &Place, grown: u32, _: &Zone) -> Result<Asked, InvalidInput> {
        match place {
            Place::Start => return Ok(size(&mut self.limit, grown, 1)),
            Place::Id(id) => self.message_id = Some(MessageId(*id)),
            _ => return Err(Place::foreign()),
        }
        Ok(size(&mut self.limit, grown, WITH_THE_EDGE))
    }
}

impl Paged for ListFiles {
    fn walk(&self) -> Walk {
        Walk::Upwards
    }

    fn mark(&self, file: &Self::Item) -> Mark {
        Mark::new(Some(file.id.to_string()), Some(Place::Id(file.id.0)))
    }

    fn seek(&mut self, place: &Place, grown: u32, _: &Zone) -> Result<Asked, InvalidInput> {
        match place {
            Place::Start => return Ok(size(&mut self.limit, grown, 1)),
            Place::Id(id) => self.file_id = Some(FileId(*id)),
            _ => return Err(Place::foreign()),
        }
        Ok(size(&mut self.limit, grown, WITH_THE_EDGE))
    }
}

impl Paged for ListUsers {
    fn walk(&self) -> Walk {
        Walk::Name
    }

    fn mark(&self, user: &Self::Item) -> Mark {
        Mark::new(Some(user.name.clone()), Some(Place::Name(user.name.clone())))
    }

    fn seek(&mut self, place: &Place, grown: u32, _: &Zone) -> Result<Asked, InvalidInput> {
        match place {
            Place::Start => {}
            Place::Name(name) => self.user = Some(name.clone()),
            _ => return Err(Place::foreign()),
        }
        Ok(size(&mut self.limit, grown, 1))
    }
}

impl Paged for SearchBoards {
    fn walk(&self) -> Walk {
        Walk::Offset
    }

    fn mark(&self, board: &Self::Item) -> Mark {
        Mark::new(Some(board.id.to_string()), None)
    }

    fn seek(&mut self, place: &Place, grown: u32, _: &Zone) -> Result<Asked, InvalidInput> {
        match place {
            Place::Start => {}
            Place::Offset(offset) => {
                self.offset = Some(i64::try_from(*offset).map_err(|_| Place::foreign())?);
            }
            _ => return Err(Place::foreign()),
        }
        let offset = self.offset.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0);
        let least = if *place == Place::Start { 1 } else { WITH_THE_EDGE };
        Ok(Asked { offset, ..size(&mut self.limit, grown, least) })
    }
}
