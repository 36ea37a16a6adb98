//! Looking for a message that may have arrived, and posting it only if it is certainly not there: what the services have in
//! common.

mod course;
mod search;
mod sought;

pub(crate) use course::{CallTime, Course, Earlier, Posting};
pub(crate) use search::{Row, Rows, Since, comparable};
pub use sought::Sought;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a look for a message shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<Id> {
    /// The message is there, and has this id.
    Yes(Id),
    /// The message is certainly not there. If its request is still on the way, it can come later.
    No,
    /// It cannot be said. For most reasons it stays so, and a person has to look.
    Unsure(crate::Unsure),
}

/// How it is known that a message is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// The post's response says so.
    Answered,
    /// No usable response came, now or in an earlier run, and a look found it.
    Found,
    /// A post of this call got no usable response, the looks did not find it, and the response to another post says so.
    PostedAgain,
}

/// Whether nothing can have been posted yet: it counts the posts that may have been made, in the process that began the
/// search. Clones share it, and what was stored and read again has it no longer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fresh(Option<Arc<AtomicUsize>>);

impl Fresh {
    pub(crate) fn new() -> Self {
        Self(Some(Arc::default()))
    }

    pub(crate) fn get(&self) -> bool {
        self.0.as_ref().is_some_and(|posts| posts.load(Ordering::Acquire) == 0)
    }

    /// Counts a post, and says whether nothing had been posted until now.
    pub(crate) fn count(&self) -> bool {
        self.0.as_ref().is_some_and(|posts| posts.fetch_add(1, Ordering::AcqRel) == 0)
    }

    /// Takes back a post that was certainly not made.
    pub(crate) fn take_back(&self) {
        if let Some(posts) = &self.0 {
            posts.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// It says nothing of what is sought.
impl PartialEq for Fresh {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
