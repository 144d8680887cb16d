//! What abi_stable itself says about libraries, by its own public API. It knows nothing of offsets, files or Go.
//!
//!     oracle dump LIBRARY|HOST      the canonical text of docs/spec/layout.md; status 3: there is no layout
//!     oracle verdict HOST LIBRARY.. "fits", or "differs" and why: of the last library, the others being loaded before
//!
//! HOST is the name of an interface that was linked in. abi_stable's check remembers what it has seen in the process, so
//! each verdict wants a process of its own, unless that is what is asked.

mod text;

use abi_stable::{
    library::{lib_header_from_path, LibraryError, RootModule},
    type_layout::TypeLayout,
    StableAbi,
};
use std::{path::Path, process::exit};

type Verdict = fn(&Path) -> Result<(), LibraryError>;

fn host(name: &str) -> Option<(&'static TypeLayout, Verdict)> {
    Some(match name {
        "sdk" => known::<loadr_plugin_sdk::interface::PluginModRef>(),
        "next" => known::<host_next::PluginModRef>(),
        "rich" => known::<host_rich::PluginModRef>(),
        _ => return None,
    })
}

fn known<M: RootModule>() -> (&'static TypeLayout, Verdict) {
    (<M as StableAbi>::LAYOUT, verdict::<M>)
}

/// The steps of a Rust host up to a usable root module. A constructor that fails does so after all that is checked here.
fn verdict<M: RootModule>(path: &Path) -> Result<(), LibraryError> {
    match lib_header_from_path(path)?.init_root_module::<M>() {
        Ok(_) | Err(LibraryError::RootModule { .. }) => Ok(()),
        Err(problem) => Err(problem),
    }
}

fn layout_of(name: &str) -> Option<&'static TypeLayout> {
    match host(name) {
        Some((layout, _)) => Some(layout),
        None => lib_header_from_path(Path::new(name)).unwrap_or_else(|problem| fail(&problem.to_string())).layout(),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["dump", name] => match layout_of(name) {
            Some(root) => print!("{}", text::of(root)),
            None => exit(3),
        },
        ["verdict", name, .., library] => {
            let (_, verdict) = host(name).unwrap_or_else(|| fail("no such host"));
            for earlier in &words[2..words.len() - 1] {
                verdict(Path::new(earlier)).unwrap_or_else(|problem| fail(&problem.to_string()));
            }
            match verdict(Path::new(library)) {
                Ok(()) => println!("fits"),
                Err(problem) => println!("differs\n{problem}"),
            }
        }
        _ => fail("oracle dump LIBRARY|HOST, oracle verdict HOST LIBRARY.."),
    }
}

fn fail(message: &str) -> ! {
    eprintln!("oracle: {message}");
    exit(1)
}
