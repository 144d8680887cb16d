//! A plugin that misbehaves as requests say, with nothing between it and its host, and counts what it made and freed.

mod count;
mod foreign;
mod parts;

#[cfg(feature = "stranger")]
#[allow(dead_code)]
#[path = "../../../../../sdk/rust/src/interface.rs"]
mod interface;
#[cfg(not(feature = "stranger"))]
use loadr_plugin_sdk::interface;

use abi_stable::{
    library::{CheckTypeLayout, LibHeader, RootModuleResult},
    prefix_type::PrefixTypeTrait,
    std_types::{RBoxError, ROption, RString},
};
use interface::{PluginMod, PluginModRef};

/// Some text that is not UTF-8.
pub fn not_utf8() -> RString {
    // SAFETY: none; a host has to look.
    unsafe { RString::from_utf8_unchecked(b"\"\xff\"".to_vec().into()) }
}

extern "C" fn info() -> RString {
    count::INFOS.up();
    if cfg!(feature = "unnamed") {
        return r#"{"name":"unnamed"}"#.into();
    }
    r#"{"name":"trouble","version":"0.1.0","kind":"protocol","description":"d","schemes":["trouble"]}"#.into()
}

fn module() -> PluginModRef {
    assert!(!cfg!(feature = "constructor-panics"), "as the test wants it");
    count::MODULES.up();
    let part = !cfg!(feature = "nothing");
    PluginMod {
        abi_version: if cfg!(feature = "version-2") { 2 } else { 1 },
        info,
        make_output: part.then_some(parts::make_output as _).map_or(ROption::RNone, ROption::RSome),
        make_protocol: part.then_some(parts::make_protocol as _).map_or(ROption::RNone, ROption::RSome),
        make_service: part.then_some(parts::make_service as _).map_or(ROption::RNone, ROption::RSome),
    }
    .leak_into_prefix()
}

extern "C" fn constructor() -> RootModuleResult {
    abi_stable::library::__call_root_module_loader(|| -> Result<PluginModRef, RBoxError> {
        if cfg!(feature = "constructor-fails") {
            return Err(RBoxError::from_fmt(&"as the test wants it"));
        }
        Ok(module())
    })
}

#[no_mangle]
#[allow(non_upper_case_globals)]
pub static _1as_0lib_1header_0root_bmodule_bloader: LibHeader =
    // SAFETY: the constructor returns a PluginModRef.
    unsafe { LibHeader::from_constructor::<PluginModRef>(constructor, CheckTypeLayout::Yes) };

/// Runs when the library is opened, and leaves a trace: a file of the name in TROUBLE_OPENED.
#[cfg(all(feature = "stranger", target_os = "linux"))]
#[used]
#[link_section = ".init_array"]
static OPENED: extern "C" fn() = {
    extern "C" fn opened() {
        if let Ok(path) = std::env::var("TROUBLE_OPENED") {
            let _ = std::fs::write(path, "opened");
        }
    }
    opened
};
