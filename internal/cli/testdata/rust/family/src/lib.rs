//! A protocol plugin without the SDK, on an interface of its own that is loadr's, or nearly so.
#![allow(non_local_definitions, unused_imports)] // the macros' code, for newer compilers; RStr without its feature

use abi_stable::{
    declare_root_module_statics, export_root_module,
    library::RootModule,
    package_version_strings,
    prefix_type::PrefixTypeTrait,
    sabi_trait,
    sabi_trait::TD_Opaque,
    sabi_types::VersionStrings,
    std_types::{
        RBox,
        ROption::{self, RNone, RSome},
        RResult, RStr, RString,
    },
    StableAbi,
};

#[cfg(not(feature = "rstr"))]
type Request<'a> = RString;
#[cfg(feature = "rstr")]
type Request<'a> = RStr<'a>;

#[sabi_trait]
pub trait FfiOutput: Send {
    fn name(&self) -> RString;
    fn start(&mut self, config_json: RString) -> RResult<(), RString>;
    fn on_samples(&mut self, samples_json: RString);
    fn on_snapshot(&mut self, snapshot_json: RString);
    fn finish(&mut self, summary_json: RString);
}

#[cfg(not(feature = "rstr"))]
#[sabi_trait]
pub trait FfiProtocol: Send + Sync {
    fn name(&self) -> RString;
    fn execute(&self, request_json: RString) -> RString;
}

#[cfg(feature = "rstr")]
#[sabi_trait]
pub trait FfiProtocol: Send + Sync {
    fn name(&self) -> RString;
    fn execute(&self, request_json: RStr<'_>) -> RString;
}

#[sabi_trait]
pub trait FfiService: Send {
    fn name(&self) -> RString;
    fn start(&mut self, config_json: RString) -> RResult<RString, RString>;
    fn stop(&mut self);
}

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

struct Answer;

impl FfiProtocol for Answer {
    fn name(&self) -> RString {
        "family".into()
    }

    fn execute(&self, _: Request<'_>) -> RString {
        r#"{"status":200,"status_text":"OK","body_b64":"ZmFtaWx5"}"#.into()
    }
}

extern "C" fn info() -> RString {
    r#"{"name":"family","version":"1.0.0","kind":"protocol","description":"","schemes":["test"]}"#.into()
}

extern "C" fn make_protocol() -> FfiProtocol_TO<'static, RBox<()>> {
    FfiProtocol_TO::from_value(Answer, TD_Opaque)
}

#[export_root_module]
#[cfg_attr(feature = "no-layout", unsafe_no_layout_constant)]
fn root() -> PluginModRef {
    PluginMod { abi_version: 1, info, make_output: RNone, make_protocol: RSome(make_protocol), make_service: RNone }
        .leak_into_prefix()
}
