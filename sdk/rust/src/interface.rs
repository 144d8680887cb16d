//! The interface between a plugin and its host, version 1.0. Every name and type here is part of it: what differs makes
//! hosts refuse the library.

#![allow(non_local_definitions)] // of sabi_trait's expansion

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
    fn name(&self) -> RString;
    fn start(&mut self, config_json: RString) -> RResult<(), RString>;
    fn on_samples(&mut self, samples_json: RString);
    fn on_snapshot(&mut self, snapshot_json: RString);
    fn finish(&mut self, summary_json: RString);
}

/// A protocol as it crosses the boundary.
#[sabi_trait]
pub trait FfiProtocol: Send + Sync {
    fn name(&self) -> RString;
    fn execute(&self, request_json: RString) -> RString;
}

/// A service as it crosses the boundary.
#[sabi_trait]
pub trait FfiService: Send {
    fn name(&self) -> RString;
    fn start(&mut self, config_json: RString) -> RResult<RString, RString>;
    fn stop(&mut self);
}

/// The root module: what a host finds in a plugin's library.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModRef)))]
#[sabi(missing_field(panic))]
pub struct PluginMod {
    pub abi_version: u32,
    pub info: extern "C" fn() -> RString,
    pub make_output: ROption<extern "C" fn() -> FfiOutput_TO<'static, RBox<()>>>,
    pub make_protocol: ROption<extern "C" fn() -> FfiProtocol_TO<'static, RBox<()>>>,
    #[sabi(last_prefix_field)]
    pub make_service: ROption<extern "C" fn() -> FfiService_TO<'static, RBox<()>>>,
}

impl RootModule for PluginModRef {
    declare_root_module_statics! {PluginModRef}
    const BASE_NAME: &'static str = "loadr_plugin";
    const NAME: &'static str = "loadr_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}
