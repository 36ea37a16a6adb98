//! A message without tags is read without allocating.

#![allow(unsafe_code, reason = "an allocator that counts cannot be written without it")]

use kaiwa::chatwork::notation::{Kind, parse};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller guarantees what the system's allocator requires.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<T>(work: impl FnOnce() -> T) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    std::hint::black_box(work());
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn a_message_without_tags_allocates_nothing() {
    let long = "お世話になっております。\n".repeat(1000);
    for source in
        ["", "了解です", "a[0] = b[1]; [お知らせ] [To:x] [/info", "[code]never closed", long.as_str()]
    {
        let count = allocations(|| {
            let document = parse(source);
            assert!(document.nodes().all(|node| node.kind() == Kind::Text(source)));
            assert_eq!(document.plain_text(), source);
            assert_eq!(document.mentions().count(), 0);
        });
        assert_eq!(count, 0, "{source}");
    }
    assert!(allocations(|| parse("[To:1]")) > 0, "the allocator counts");
}
