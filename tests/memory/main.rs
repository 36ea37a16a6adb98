//! The memory taken by bodies, files and lists that are too large for it. It is a separate test binary, because it
//! counts every allocation.

#![allow(unsafe_code, reason = "an allocator that counts cannot be written without it")]

mod bodies;
mod files;
mod paging;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// One test at a time, because the allocations of other tests would be counted too.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

static LIVE: AtomicUsize = AtomicUsize::new(0);
/// The peak of memory in use since it was last set.
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, which also counts the bytes in use.
struct Counting;

// SAFETY: every call is forwarded unchanged to the system's allocator.
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
