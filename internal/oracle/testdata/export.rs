//! What makes a library of the interface before it.

use abi_stable::{export_root_module, prefix_type::PrefixTypeTrait, std_types::RNone};

extern "C" fn info() -> RString {
    RString::from(r#"{"name":"family","version":"1.0.0"}"#)
}

#[export_root_module]
fn root() -> PluginModRef {
    PluginMod {
        abi_version: ABI_VERSION,
        info,
        make_output: RNone,
        make_protocol: RNone,
        make_service: RNone,
    }
    .leak_into_prefix()
}
