//! Write native plugins for loadr.
pub mod interface;

#[doc(hidden)]
pub use abi_stable;
