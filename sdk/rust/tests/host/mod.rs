//! What a host does with the plugin that is in the test's own program.

use loadr_plugin_sdk::{abi_stable::library::LibHeader, interface::PluginModRef};

#[allow(improper_ctypes)]
extern "C" {
    #[link_name = "_1as_0lib_1header_0root_bmodule_bloader"]
    static HEADER: LibHeader;
}

/// Gives the root module, after abi_stable's own checks of its version and layout.
pub fn module() -> PluginModRef {
    // SAFETY: the symbol is what export_loadr_plugin! defines.
    unsafe { &HEADER }.init_root_module::<PluginModRef>().unwrap()
}
