//! Keeps panics inside: each call that the host makes goes through [`caught`].

use std::{
    any::Any,
    io::Write,
    mem::{self, ManuallyDrop},
    panic::{catch_unwind, AssertUnwindSafe},
};

use abi_stable::std_types::{
    RResult::{self, RErr},
    RString,
};

use crate::interface::{FfiOutput, FfiProtocol, FfiService};
use crate::Response;

/// Runs f; a panic becomes an error text that names the call. What f borrows may be left half changed, which is the plugin's
/// own matter: nothing of the SDK is in it.
pub fn caught<T>(call: &str, f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let text = format!("{call} panicked: {}", words(&*payload));
        // Dropping the payload is the plugin's code too.
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(another);
        }
        text
    })
}

fn words(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "no message"
    }
}

/// Writes a line for people. Unlike `eprintln!` it does not panic when standard error is closed.
pub fn log(line: &str) {
    let _ = writeln!(std::io::stderr(), "loadr plugin: {line}");
}

/// Runs what gives the host no answer.
pub fn logged(call: &str, f: impl FnOnce()) {
    if let Err(text) = caught(call, f) {
        log(&text);
    }
}

/// The reply of a request that failed, as JSON.
pub fn failure(text: &str) -> RString {
    encode(&Response::fail(text))
}

/// A reply as JSON.
pub fn encode(response: &Response) -> RString {
    // Every field is a string, a number or a map with string keys, which serde_json cannot fail on.
    serde_json::to_string(response).expect("a reply is JSON").into()
}

/// A plugin's object whose methods, and whose end, do not panic.
pub struct Guarded<T>(ManuallyDrop<T>);

impl<T> Guarded<T> {
    pub fn new(object: T) -> Self {
        Self(ManuallyDrop::new(object))
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: this is the only place that drops the object, and self is not used afterwards.
        logged("drop", || unsafe { ManuallyDrop::drop(&mut self.0) });
    }
}

fn named(f: impl FnOnce() -> RString) -> RString {
    caught("name", f).unwrap_or_else(|text| {
        log(&text);
        RString::new()
    })
}

fn started<T>(f: impl FnOnce() -> RResult<T, RString>) -> RResult<T, RString> {
    caught("start", f).unwrap_or_else(|text| RErr(text.into()))
}

impl<T: FfiOutput> FfiOutput for Guarded<T> {
    fn name(&self) -> RString {
        named(|| self.0.name())
    }
    fn start(&mut self, config_json: RString) -> RResult<(), RString> {
        started(|| self.0.start(config_json))
    }
    fn on_samples(&mut self, samples_json: RString) {
        logged("on_samples", || self.0.on_samples(samples_json));
    }
    fn on_snapshot(&mut self, snapshot_json: RString) {
        logged("on_snapshot", || self.0.on_snapshot(snapshot_json));
    }
    fn finish(&mut self, summary_json: RString) {
        logged("finish", || self.0.finish(summary_json));
    }
}

impl<T: FfiProtocol> FfiProtocol for Guarded<T> {
    fn name(&self) -> RString {
        named(|| self.0.name())
    }
    fn execute(&self, request_json: RString) -> RString {
        caught("execute", || self.0.execute(request_json)).unwrap_or_else(|text| failure(&text))
    }
}

impl<T: FfiService> FfiService for Guarded<T> {
    fn name(&self) -> RString {
        named(|| self.0.name())
    }
    fn start(&mut self, config_json: RString) -> RResult<RString, RString> {
        started(|| self.0.start(config_json))
    }
    fn stop(&mut self) {
        logged("stop", || self.0.stop());
    }
}
