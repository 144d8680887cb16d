//! What makes a library of the interface before it.

#[abi_stable::export_root_module]
fn root() -> PluginModRef {
    panic!("the module has a type and no value")
}
