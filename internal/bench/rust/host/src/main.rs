//! Calls a protocol plugin by abi_stable's own interface, as a host written in Rust would. It is one of the peers of
//! internal/bench, whose conversation it keeps: for each line "SIZE CALLS" on standard input it makes that many calls of that many
//! bytes and prints the nanoseconds that they took of the processor's and of the wall's clock.

use std::{env, io, path::Path, time::Instant};

use abi_stable::{library::RootModule, std_types::RString};
use loadr_plugin_sdk::interface::PluginModRef;

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
}

/// Nanoseconds that all threads of this process have run.
fn processor() -> i64 {
    const PROCESS_CPUTIME: i32 = if cfg!(target_os = "macos") { 12 } else { 2 };
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the pointer is to a timespec, which on 64-bit systems is two 64-bit words.
    assert_eq!(unsafe { clock_gettime(PROCESS_CPUTIME, &mut time) }, 0);
    time.seconds * 1_000_000_000 + time.nanoseconds
}

fn request(size: usize) -> String {
    let head = r#"{"method":"SEND","url":"echo://host/","headers":[],"timeout_ms":1000,"config":{},"name":""#;
    let (middle, tail) = (r#"","body_b64":""#, r#""}"#);
    let rest = size - head.len() - middle.len() - tail.len();
    format!("{head}{}{middle}{}{tail}", "n".repeat(rest % 4), "A".repeat(rest / 4 * 4))
}

fn main() {
    let path = env::args().nth(1).expect("usage: bench-host LIBRARY");
    let module = PluginModRef::load_from_file(Path::new(&path)).unwrap_or_else(|e| panic!("{e}"));
    let make = module.make_protocol().into_option().expect("a library with a protocol");
    let protocol = make();
    for line in io::stdin().lines() {
        let line = line.expect("a line of text");
        let mut numbers = line.split(' ').map(|word| word.parse::<usize>().expect("a number"));
        let request = request(numbers.next().expect("a size"));
        let calls = numbers.next().expect("a count");
        let (cpu, wall) = (processor(), Instant::now());
        let length = protocol.execute(RString::from(request.as_str())).len();
        for _ in 1..calls {
            let reply = protocol.execute(RString::from(request.as_str()));
            assert_eq!(reply.len(), length);
        }
        println!("{} {}", processor() - cpu, wall.elapsed().as_nanos());
    }
}
