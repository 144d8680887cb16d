//! Strings that have another vtable than this library's own, as one would have that came from another library.

use std::{mem::transmute, sync::OnceLock};

use abi_stable::std_types::RString;

use crate::count;

/// RString as hosts see it.
#[repr(C)]
struct Raw {
    buf: *const u8,
    len: usize,
    cap: usize,
    vtable: *const Table,
}

/// The head of a prefix type and RVec's four functions.
#[repr(C)]
struct Table {
    present: u64,
    layout: usize,
    type_id: usize,
    destructor: extern "C" fn(&mut Raw),
    grow: extern "C" fn(&mut Raw, usize, i32),
    shrink: usize,
}

// The text is static: nothing is freed, and whoever frees it with an allocator ends the process.
extern "C" fn destroy(_: &mut Raw) {
    count::FOREIGN.up();
}

extern "C" fn grow(_: &mut Raw, _: usize, _: i32) {
    std::process::abort() // a host must not write into it
}

/// It lies on the heap, and so outside of the library, as another library's does.
fn table() -> *const Table {
    static TABLE: OnceLock<&Table> = OnceLock::new();
    *TABLE.get_or_init(|| {
        Box::leak(Box::new(Table { present: 0b1111, layout: 0, type_id: 0, destructor: destroy, grow, shrink: 0 }))
    })
}

pub fn string(text: &'static str) -> RString {
    // SAFETY: the layouts are the same; the host that gets it is the one that is tested.
    unsafe { transmute(Raw { buf: text.as_ptr(), len: text.len(), cap: text.len(), vtable: table() }) }
}

pub fn zero() -> RString {
    // SAFETY: as above.
    unsafe { transmute(Raw { buf: std::ptr::null(), len: 0, cap: 0, vtable: std::ptr::null() }) }
}
