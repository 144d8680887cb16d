//! The cheapest protocol plugin there can be: it gives a copy of the request. What a call costs beyond that is the host's and
//! the interface's. It implements the bare interface, without what the SDK adds.

use abi_stable::{
    export_root_module,
    prefix_type::PrefixTypeTrait,
    sabi_trait::prelude::TD_Opaque,
    std_types::{RBox, RNone, RSome, RString},
};
use loadr_plugin_sdk::interface::{FfiProtocol, FfiProtocol_TO, PluginMod, PluginModRef, ABI_VERSION};

struct Echo;

impl FfiProtocol for Echo {
    fn name(&self) -> RString {
        "bench-echo".into()
    }

    fn execute(&self, request_json: RString) -> RString {
        RString::from(request_json.as_str())
    }
}

extern "C" fn info() -> RString {
    r#"{"name":"bench-echo","version":"0.1.0","kind":"protocol","description":"","schemes":["echo"]}"#.into()
}

extern "C" fn make_protocol() -> FfiProtocol_TO<'static, RBox<()>> {
    FfiProtocol_TO::from_value(Echo, TD_Opaque)
}

#[export_root_module]
fn root_module() -> PluginModRef {
    PluginMod {
        abi_version: ABI_VERSION,
        info,
        make_output: RNone,
        make_protocol: RSome(make_protocol),
        make_service: RNone,
    }
    .leak_into_prefix()
}
