//! What is kept in memory of what is too large for it. A test binary of its own, because it counts every allocation.

#![allow(unsafe_code, reason = "an allocator that counts cannot be written without it")]

mod bodies;
mod files;
mod paging;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// One test at a time: what the others allocate is counted too.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

static LIVE: AtomicUsize = AtomicUsize::new(0);
/// The most that was in use since it was last set.
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, with the bytes counted that are in use.
struct Counting;

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
