//! Write native plugins for loadr.
//!
//! A plugin is a dynamic library (`crate-type = ["cdylib"]`) that makes any of a [`Protocol`], an [`Output`] and a
//! [`Service`]. Implement the trait, and name the functions that make things in [`export_loadr_plugin!`]:
//!
//! ```
//! use loadr_plugin_sdk::{export_loadr_plugin, Error, Info, Protocol, Request, Response};
//!
//! struct Echo;
//!
//! impl Protocol for Echo {
//!     fn name(&self) -> &str {
//!         "echo"
//!     }
//!     fn execute(&self, request: Request) -> Result<Response, Error> {
//!         Ok(Response::new(200).body(request.body))
//!     }
//! }
//!
//! fn info() -> Info {
//!     Info::protocol("echo", "0.1.0").scheme("echo")
//! }
//!
//! export_loadr_plugin! { info: info, protocol: || Echo }
//! # fn main() {}
//! ```
//!
//! # Panics
//!
//! A panic may not leave a plugin: it would end the host. Every call into the plugin is caught at the boundary and becomes the
//! call's error: `error` of a reply, the failure of a `start`, and for what returns nothing a line on standard error. The plugin
//! stays usable; what the panic left half done in it is its own to judge. This needs the default `panic = "unwind"`.
//!
//! # Without the comfort
//!
//! The traits [`FfiOutput`], [`FfiProtocol`] and [`FfiService`] are the interface itself, where everything is JSON in an
//! [`RString`](abi_stable::std_types::RString). Objects made by [`FfiOutput_TO::from_value`] and its like are guarded in the
//! same way; the functions that make them are so unless they are `extern "C"`, which Rust aborts on a panic.

#![warn(missing_docs)]

mod export;
mod guard;
pub mod interface;
mod macros;
mod message;
mod raw;
mod traits;

pub use abi_stable;
pub use interface::{FfiOutput, FfiProtocol, FfiService};
pub use message::{Info, Json, Kind, Request, Response};
pub use raw::{FfiOutput_TO, FfiProtocol_TO, FfiService_TO};
pub use serde;
pub use serde_json::{self, json, Value};
pub use traits::{Error, Output, Protocol, Service};

/// What the expansion of [`export_loadr_plugin!`] uses; not for authors.
#[doc(hidden)]
pub mod __private {
    pub use crate::export::*;
}

/// Runs the examples of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
