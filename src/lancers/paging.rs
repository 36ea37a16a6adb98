//! The paging of the six lists: the service has five kinds, and no cursor.
//!
//! Each list begins where the request says, and continues from its own rows. `limit` is always sent, since the service's
//! default is 1.

use super::operations::{GetBoard, ListBoards, ListFiles, ListMessages, ListUnread, ListUsers, SearchBoards};
use super::zone::Zone;
use super::{BoardId, Direction, FileId, MessageId};
use crate::input::InvalidInput;
use crate::page::{ItemPosition, PageRequest, PageStart, PagingMode};
use crate::{Error, Paged, Request};
use futures::future::{BoxFuture, ready};
use jiff::Timestamp;

/// The size of a page unless `.limit(…)` is set. No maximum is known.
const PAGE: i64 = 100;

/// Sets `limit`, at least to `least`, and returns it.
fn size(limit: &mut Option<i64>, doublings: u32, least: i64) -> PageRequest {
    let rows = limit.unwrap_or(PAGE).max(least).saturating_mul(1 << doublings);
    *limit = Some(rows);
    PageRequest { rows: u64::try_from(rows).ok(), offset: 0 }
}

/// An inclusive id comes again as the first row, and so does a row before a position: a page of one row would have nothing
/// new.
const WITH_THE_EDGE: i64 = 2;

fn before(place: &PageStart, modified: &mut Option<String>, zone: &Zone) -> Result<(), InvalidInput> {
    match place {
        PageStart::Start => {}
        PageStart::Before(second) => {
            let time = Timestamp::from_second(*second).map_err(|_| PageStart::foreign())?;
            *modified = Some(zone.format(time));
        }
        _ => return Err(PageStart::foreign()),
    }
    Ok(())
}

impl Paged for ListBoards {
    fn mode(&self) -> PagingMode {
        PagingMode::Modified
    }

    fn position(&self, board: &Self::Item) -> ItemPosition {
        ItemPosition::new(Some(board.id.to_string()), board.modified.map(PageStart::up_to))
    }

    fn seek(&mut self, place: &PageStart, doublings: u32, zone: &Zone) -> Result<PageRequest, InvalidInput> {
        before(place, &mut self.modified, zone)?;
        Ok(size(&mut self.limit, doublings, 1))
    }
}

/// `modified` is the board's time, which the rows, being messages, do not have. The time of a message is not a substitute: the
/// board may have changed after it, and boards between the two times would be skipped. So the board is fetched.
impl Paged for ListUnread {
    fn mode(&self) -> PagingMode {
        PagingMode::Grouped
    }

    fn position(&self, message: &Self::Item) -> ItemPosition {
        ItemPosition::new(Some(message.id.to_string()), None).in_group(Some(message.board_id.0))
    }

    fn seek(&mut self, place: &PageStart, doublings: u32, zone: &Zone) -> Result<PageRequest, InvalidInput> {
        before(place, &mut self.modified, zone)?;
        Ok(size(&mut self.limit, doublings, 1))
    }

    fn follow(
        request: &Request<Self>,
        last: &ItemPosition,
    ) -> BoxFuture<'static, Result<Option<PageStart>, Error>> {
        let Some(board) = last.group else { return Box::pin(ready(Ok(None))) };
        let board = request.clone().with_endpoint(|_| GetBoard::new(BoardId(board)));
        Box::pin(async move { Ok(board.send().await?.modified.map(PageStart::up_to)) })
    }
}

impl Paged for ListMessages {
    fn mode(&self) -> PagingMode {
        if self.direction == Some(Direction::Prev) { PagingMode::Downwards } else { PagingMode::Upwards }
    }

    fn position(&self, message: &Self::Item) -> ItemPosition {
        ItemPosition::new(Some(message.id.to_string()), Some(PageStart::Id(message.id.0)))
    }

    fn seek(&mut self, place: &PageStart, doublings: u32, _: &Zone) -> Result<PageRequest, InvalidInput> {
        match place {
            PageStart::Start => return Ok(size(&mut self.limit, doublings, 1)),
            PageStart::Id(id) => self.message_id = Some(MessageId(*id)),
            _ => return Err(PageStart::foreign()),
        }
        Ok(size(&mut self.limit, doublings, WITH_THE_EDGE))
    }
}

impl Paged for ListFiles {
    fn mode(&self) -> PagingMode {
        PagingMode::Upwards
    }

    fn position(&self, file: &Self::Item) -> ItemPosition {
        ItemPosition::new(Some(file.id.to_string()), Some(PageStart::Id(file.id.0)))
    }

    fn seek(&mut self, place: &PageStart, doublings: u32, _: &Zone) -> Result<PageRequest, InvalidInput> {
        match place {
            PageStart::Start => return Ok(size(&mut self.limit, doublings, 1)),
            PageStart::Id(id) => self.file_id = Some(FileId(*id)),
            _ => return Err(PageStart::foreign()),
        }
        Ok(size(&mut self.limit, doublings, WITH_THE_EDGE))
    }
}

impl Paged for ListUsers {
    fn mode(&self) -> PagingMode {
        PagingMode::Name
    }

    fn position(&self, user: &Self::Item) -> ItemPosition {
        ItemPosition::new(Some(&user.name), Some(PageStart::Name(user.name.clone())))
    }

    fn seek(&mut self, place: &PageStart, doublings: u32, _: &Zone) -> Result<PageRequest, InvalidInput> {
        match place {
            PageStart::Start => {}
            PageStart::Name(name) => self.user = Some(name.clone()),
            _ => return Err(PageStart::foreign()),
        }
        Ok(size(&mut self.limit, doublings, 1))
    }
}

impl Paged for SearchBoards {
    fn mode(&self) -> PagingMode {
        PagingMode::Offset
    }

    fn position(&self, board: &Self::Item) -> ItemPosition {
        ItemPosition::new(Some(board.id.to_string()), None)
    }

    fn seek(&mut self, place: &PageStart, doublings: u32, _: &Zone) -> Result<PageRequest, InvalidInput> {
        match place {
            PageStart::Start => {}
            PageStart::Offset(offset) => {
                self.offset = Some(i64::try_from(*offset).map_err(|_| PageStart::foreign())?);
            }
            _ => return Err(PageStart::foreign()),
        }
        let offset = self.offset.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0);
        let least = if *place == PageStart::Start { 1 } else { WITH_THE_EDGE };
        Ok(PageRequest { offset, ..size(&mut self.limit, doublings, least) })
    }
}
