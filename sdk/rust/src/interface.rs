//! The interface between a plugin and its host, version 1.0. Every name and type here is part of it: what differs makes
//! hosts refuse the library.

#![allow(missing_docs, non_local_definitions)] // of the macros' expansions

use abi_stable::{
    declare_root_module_statics,
    library::RootModule,
    package_version_strings, sabi_trait,
    sabi_types::VersionStrings,
    std_types::{RBox, ROption, RResult, RString},
    StableAbi,
};

/// The value of [`PluginMod::abi_version`].
pub const ABI_VERSION: u32 = 1;

/// An output as it crosses the boundary.
#[sabi_trait]
pub trait FfiOutput: Send {
    /// The plugin's name.
    fn name(&self) -> RString;
    /// Called once before anything else; an error ends the run before it begins.
    fn start(&mut self, config_json: RString) -> RResult<(), RString>;
    /// Takes the samples since the last call, an array.
    fn on_samples(&mut self, samples_json: RString);
    /// Takes a snapshot, an object.
    fn on_snapshot(&mut self, snapshot_json: RString);
    /// Called once at the end with the summary, an object.
    fn finish(&mut self, summary_json: RString);
}

/// A protocol as it crosses the boundary.
#[sabi_trait]
pub trait FfiProtocol: Send + Sync {
    /// The plugin's name.
    fn name(&self) -> RString;
    /// Performs a request and returns the response, both objects; called from many threads at once.
    fn execute(&self, request_json: RString) -> RString;
}

/// A service as it crosses the boundary.
#[sabi_trait]
pub trait FfiService: Send {
    /// The plugin's name.
    fn name(&self) -> RString;
    /// Starts the service and returns what the test may want to know of it, as JSON.
    fn start(&mut self, config_json: RString) -> RResult<RString, RString>;
    /// Stops the service.
    fn stop(&mut self);
}

/// The root module: what a host finds in a plugin's library.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModRef)))]
#[sabi(missing_field(panic))]
pub struct PluginMod {
    /// [`ABI_VERSION`].
    pub abi_version: u32,
    /// Describes the plugin, as JSON.
    pub info: extern "C" fn() -> RString,
    /// Makes an output, where the plugin has one.
    pub make_output: ROption<extern "C" fn() -> FfiOutput_TO<'static, RBox<()>>>,
    /// Makes a protocol, where the plugin has one.
    pub make_protocol: ROption<extern "C" fn() -> FfiProtocol_TO<'static, RBox<()>>>,
    /// Makes a service, where the plugin has one.
    #[sabi(last_prefix_field)]
    pub make_service: ROption<extern "C" fn() -> FfiService_TO<'static, RBox<()>>>,
}

impl RootModule for PluginModRef {
    declare_root_module_statics! {PluginModRef}
    const BASE_NAME: &'static str = "loadr_plugin";
    const NAME: &'static str = "loadr_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hosts refuse types of another package or another major version.
    #[test]
    fn the_package_is_the_interfaces() {
        for layout in [
            <FfiOutput_TO<'static, RBox<()>> as StableAbi>::LAYOUT,
            <FfiProtocol_TO<'static, RBox<()>> as StableAbi>::LAYOUT,
            <FfiService_TO<'static, RBox<()>> as StableAbi>::LAYOUT,
        ] {
            let item = layout.item_info();
            assert_eq!((item.package(), item.version().to_string().as_str()), ("loadr-plugin-api", "1.0.0"));
        }
        assert_eq!(PluginModRef::VERSION_STRINGS.to_string(), "1.0.0");
    }
}
