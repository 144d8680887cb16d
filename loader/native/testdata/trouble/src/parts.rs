//! The three parts. What they are to do stands in the text that they get.

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::Duration,
};

use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{RBox, RResult, RString},
};

use crate::interface::{FfiOutput, FfiOutput_TO, FfiProtocol, FfiProtocol_TO, FfiService, FfiService_TO};
use crate::{count, foreign, not_utf8};

/// One object, of any part.
struct Trouble {
    part: &'static str,
    seen: Vec<String>,
    alone: AtomicBool, // a call that needs the object for itself is running
}

impl Trouble {
    fn new(part: &'static str) -> Self {
        count::MADE.up();
        Self { part, seen: Vec::new(), alone: AtomicBool::new(false) }
    }

    fn name(&self) -> RString {
        if cfg!(feature = "unnamed") {
            return not_utf8();
        }
        self.part.into()
    }

    /// What every call does, and nothing more.
    fn carry_out(&self, text: &str) {
        count::CALLS.up();
        count::MOST_BUSY.most(count::BUSY.up());
        match word(text, "do") {
            "sleep" => thread::sleep(Duration::from_millis(word(text, "ms").parse().unwrap())),
            "panic" => panic!("as the request wants it"),
            "exit" => std::process::exit(7),
            _ => {}
        }
        count::BUSY.add(-1);
    }

    /// The same for calls that must not overlap.
    fn alone(&self, text: &str) {
        if self.alone.swap(true, SeqCst) {
            count::OVERLAPS.up();
        }
        self.carry_out(text);
        thread::yield_now();
        self.alone.store(false, SeqCst);
    }

    fn note(&mut self, method: &str, text: RString) {
        self.alone(&text);
        self.seen.push(format!("{method} {text}"));
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        count::DROPPED.up();
        if self.alone.load(SeqCst) {
            count::DROPPED_BUSY.up();
        }
    }
}

/// The value of "key" in a text such as {"key":"value","other":7}, or nothing.
fn word<'a>(text: &'a str, key: &str) -> &'a str {
    let Some((_, rest)) = text.split_once(&format!("\"{key}\":")) else { return "" };
    rest.split([',', '}']).next().unwrap_or("").trim_matches('"')
}

impl FfiProtocol for Trouble {
    fn name(&self) -> RString {
        self.name()
    }
    fn execute(&self, request: RString) -> RString {
        self.carry_out(&request);
        match word(&request, "do") {
            "stats" => count::report().into(),
            "empty" => RString::new(),
            "not-json" => r#"{"a":1"#.into(),
            "not-utf8" => not_utf8(),
            "big" => format!("\"{}\"", "x".repeat(word(&request, "bytes").parse::<usize>().unwrap() - 2)).into(),
            "foreign" => foreign::string(r#"{"foreign":true}"#),
            "null" => foreign::zero(),
            _ => request,
        }
    }
}

impl FfiOutput for Trouble {
    fn name(&self) -> RString {
        self.name()
    }
    fn start(&mut self, config: RString) -> RResult<(), RString> {
        self.alone(&config);
        match word(&config, "do") {
            "refuse" => RResult::RErr("as the config wants it".into()),
            "refuse-not-utf8" => RResult::RErr(not_utf8()),
            "tell" => RResult::RErr(self.seen.join("|").into()),
            _ => {
                self.seen.push(format!("start {config}"));
                RResult::ROk(())
            }
        }
    }
    fn on_samples(&mut self, samples: RString) {
        self.note("samples", samples);
    }
    fn on_snapshot(&mut self, snapshot: RString) {
        self.note("snapshot", snapshot);
    }
    fn finish(&mut self, summary: RString) {
        self.note("finish", summary);
    }
}

impl FfiService for Trouble {
    fn name(&self) -> RString {
        self.name()
    }
    fn start(&mut self, config: RString) -> RResult<RString, RString> {
        self.alone(&config);
        match word(&config, "do") {
            "refuse" => RResult::RErr("as the config wants it".into()),
            "not-utf8" => RResult::ROk(not_utf8()),
            "stats" => RResult::ROk(count::report().into()),
            "empty" => RResult::ROk(RString::new()),
            _ => RResult::ROk(format!("started, stopped {} times", self.seen.len()).into()),
        }
    }
    fn stop(&mut self) {
        self.alone("");
        self.seen.push("stop".into());
    }
}

pub extern "C" fn make_output() -> FfiOutput_TO<'static, RBox<()>> {
    FfiOutput_TO::from_value(Trouble::new("an output"), TD_Opaque)
}

pub extern "C" fn make_protocol() -> FfiProtocol_TO<'static, RBox<()>> {
    FfiProtocol_TO::from_value(Trouble::new("a protocol"), TD_Opaque)
}

pub extern "C" fn make_service() -> FfiService_TO<'static, RBox<()>> {
    FfiService_TO::from_value(Trouble::new("a service"), TD_Opaque)
}
