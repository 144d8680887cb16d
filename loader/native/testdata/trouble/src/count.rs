//! Counters, and an allocator that knows what is allocated.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicIsize, Ordering::SeqCst},
};

pub struct Counter(AtomicIsize);

impl Counter {
    const fn new() -> Self {
        Self(AtomicIsize::new(0))
    }
    pub fn up(&self) -> isize {
        self.add(1)
    }
    pub fn add(&self, n: isize) -> isize {
        self.0.fetch_add(n, SeqCst) + n
    }
    pub fn most(&self, n: isize) {
        self.0.fetch_max(n, SeqCst);
    }
}

pub static INFOS: Counter = Counter::new();
pub static MODULES: Counter = Counter::new();
pub static MADE: Counter = Counter::new();
pub static DROPPED: Counter = Counter::new();
pub static DROPPED_BUSY: Counter = Counter::new(); // while a call was running
pub static CALLS: Counter = Counter::new();
pub static BUSY: Counter = Counter::new();
pub static MOST_BUSY: Counter = Counter::new();
pub static OVERLAPS: Counter = Counter::new(); // of calls that need an object for themselves
pub static FOREIGN: Counter = Counter::new(); // destroyed through their own vtable
static ALLOCATIONS: Counter = Counter::new();
static BYTES: Counter = Counter::new();

pub fn report() -> String {
    let n = |c: &Counter| c.add(0);
    format!(
        r#"{{"infos":{},"modules":{},"made":{},"dropped":{},"dropped_busy":{},"calls":{},"most_busy":{},"overlaps":{},"foreign":{},"allocations":{},"bytes":{}}}"#,
        n(&INFOS),
        n(&MODULES),
        n(&MADE),
        n(&DROPPED),
        n(&DROPPED_BUSY),
        n(&CALLS),
        n(&MOST_BUSY),
        n(&OVERLAPS),
        n(&FOREIGN),
        n(&ALLOCATIONS),
        n(&BYTES),
    )
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: the system's allocator does all of it. What is freed with another size than it was allocated with shows in BYTES.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.add(1);
        BYTES.add(layout.size() as isize);
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        ALLOCATIONS.add(-1);
        BYTES.add(-(layout.size() as isize));
        System.dealloc(at, layout)
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        BYTES.add(size as isize - layout.size() as isize);
        System.realloc(at, layout, size)
    }
}
