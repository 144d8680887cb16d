//! What the expansion of `export_loadr_plugin!` calls. Each function here is the first of ours in a call from the host, and catches
//! what the author's panics with.

#![allow(missing_docs)] // not for authors

use abi_stable::{
    library::{CheckTypeLayout, LibHeader, RootModuleResult},
    prefix_type::PrefixTypeTrait,
    sabi_trait::TD_Opaque,
    std_types::{
        RBox, ROption,
        RResult::{self, RErr, ROk},
        RString,
    },
};

use crate::guard::{caught, encode, failure, log, Guarded};
use crate::interface::{self, PluginMod, PluginModRef, ABI_VERSION};
use crate::{Info, Json, Output, Protocol, Request, Service};

pub use abi_stable::std_types::ROption::{RNone, RSome};
pub type OutputObject = interface::FfiOutput_TO<'static, RBox<()>>;
pub type ProtocolObject = interface::FfiProtocol_TO<'static, RBox<()>>;
pub type ServiceObject = interface::FfiService_TO<'static, RBox<()>>;
pub type Header = LibHeader;
pub type Module = PluginModRef;
pub type ModuleResult = RootModuleResult;
pub type Text = RString;

/// The root module.
pub fn module(
    info: extern "C" fn() -> Text,
    make_output: ROption<extern "C" fn() -> OutputObject>,
    make_protocol: ROption<extern "C" fn() -> ProtocolObject>,
    make_service: ROption<extern "C" fn() -> ServiceObject>,
) -> PluginModRef {
    PluginMod { abi_version: ABI_VERSION, info, make_output, make_protocol, make_service }.leak_into_prefix()
}

/// The body of the library's constructor, called once by the host.
pub fn load(root: fn() -> PluginModRef) -> ModuleResult {
    abi_stable::library::__call_root_module_loader(root)
}

/// The library's one exported symbol.
pub const fn header(constructor: extern "C" fn() -> ModuleResult) -> Header {
    // SAFETY: the macro's constructor returns what `load` does, which holds a PluginModRef.
    unsafe { LibHeader::from_constructor::<PluginModRef>(constructor, CheckTypeLayout::Yes) }
}

/// The info text. After a panic it is an object without a name, which hosts refuse, with the reason in it.
pub fn info<T: IntoInfo>(make: impl FnOnce() -> T) -> Text {
    caught("info", || make().into_info()).unwrap_or_else(|text| {
        log(&text);
        serde_json::json!({ "name": "", "error": text }).to_string().into()
    })
}

pub fn output<T: IntoOutput>(make: impl FnOnce() -> T) -> OutputObject {
    caught("make_output", || make().into_output()).unwrap_or_else(|text| {
        log(&text);
        OutputObject::from_value(Stub(text), TD_Opaque)
    })
}

pub fn protocol<T: IntoProtocol>(make: impl FnOnce() -> T) -> ProtocolObject {
    caught("make_protocol", || make().into_protocol()).unwrap_or_else(|text| {
        log(&text);
        ProtocolObject::from_value(Stub(text), TD_Opaque)
    })
}

pub fn service<T: IntoService>(make: impl FnOnce() -> T) -> ServiceObject {
    caught("make_service", || make().into_service()).unwrap_or_else(|text| {
        log(&text);
        ServiceObject::from_value(Stub(text), TD_Opaque)
    })
}

/// What an info function may return: [`Info`], or its JSON.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not describe a plugin: expected `loadr_plugin_sdk::Info`, or its JSON as a `String`",
    label = "the function given as `info` returns `{Self}`"
)]
pub trait IntoInfo {
    fn into_info(self) -> Text;
}

impl IntoInfo for Info {
    fn into_info(self) -> Text {
        serde_json::to_string(&self).expect("info is JSON").into()
    }
}

impl IntoInfo for RString {
    fn into_info(self) -> Text {
        self
    }
}

impl IntoInfo for String {
    fn into_info(self) -> Text {
        self.into()
    }
}

/// What a function that makes an output may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an output: the trait `loadr_plugin_sdk::Output` is not implemented for it",
    label = "the function given as `output` returns `{Self}`"
)]
pub trait IntoOutput {
    fn into_output(self) -> OutputObject;
}

impl<T: Output> IntoOutput for T {
    fn into_output(self) -> OutputObject {
        OutputObject::from_value(Guarded::new(Adapter(self)), TD_Opaque)
    }
}

impl IntoOutput for crate::FfiOutput_TO<'static, RBox<()>> {
    fn into_output(self) -> OutputObject {
        self.0
    }
}

/// What a function that makes a protocol may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a protocol: the trait `loadr_plugin_sdk::Protocol` is not implemented for it",
    label = "the function given as `protocol` returns `{Self}`"
)]
pub trait IntoProtocol {
    fn into_protocol(self) -> ProtocolObject;
}

impl<T: Protocol> IntoProtocol for T {
    fn into_protocol(self) -> ProtocolObject {
        ProtocolObject::from_value(Guarded::new(Adapter(self)), TD_Opaque)
    }
}

impl IntoProtocol for crate::FfiProtocol_TO<'static, RBox<()>> {
    fn into_protocol(self) -> ProtocolObject {
        self.0
    }
}

/// What a function that makes a service may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service: the trait `loadr_plugin_sdk::Service` is not implemented for it",
    label = "the function given as `service` returns `{Self}`"
)]
pub trait IntoService {
    fn into_service(self) -> ServiceObject;
}

impl<T: Service> IntoService for T {
    fn into_service(self) -> ServiceObject {
        ServiceObject::from_value(Guarded::new(Adapter(self)), TD_Opaque)
    }
}

impl IntoService for crate::FfiService_TO<'static, RBox<()>> {
    fn into_service(self) -> ServiceObject {
        self.0
    }
}

/// Speaks the interface for a type with one of the comfortable traits.
struct Adapter<T>(T);

fn told(call: &str, result: Result<(), crate::Error>) {
    if let Err(error) = result {
        log(&format!("{call}: {error}"));
    }
}

impl<T: Output> interface::FfiOutput for Adapter<T> {
    fn name(&self) -> RString {
        self.0.name().into()
    }
    fn start(&mut self, config_json: RString) -> RResult<(), RString> {
        self.0.start(Json::new(&config_json)).map_err(|e| e.to_string().into()).into()
    }
    fn on_samples(&mut self, samples_json: RString) {
        told("on_samples", self.0.on_samples(Json::new(&samples_json)));
    }
    fn on_snapshot(&mut self, snapshot_json: RString) {
        told("on_snapshot", self.0.on_snapshot(Json::new(&snapshot_json)));
    }
    fn finish(&mut self, summary_json: RString) {
        told("finish", self.0.finish(Json::new(&summary_json)));
    }
}

impl<T: Protocol> interface::FfiProtocol for Adapter<T> {
    fn name(&self) -> RString {
        self.0.name().into()
    }
    fn execute(&self, request_json: RString) -> RString {
        match Request::from_json(&request_json).and_then(|request| self.0.execute(request)) {
            Ok(response) => encode(&response),
            Err(error) => failure(&error.to_string()),
        }
    }
}

impl<T: Service> interface::FfiService for Adapter<T> {
    fn name(&self) -> RString {
        self.0.name().into()
    }
    fn start(&mut self, config_json: RString) -> RResult<RString, RString> {
        match self.0.start(Json::new(&config_json)) {
            Ok(value) => ROk(value.to_string().into()),
            Err(error) => RErr(error.to_string().into()),
        }
    }
    fn stop(&mut self) {
        told("stop", self.0.stop());
    }
}

/// Stands for an object whose maker panicked: it says so at every call that has an answer.
struct Stub(String);

impl interface::FfiOutput for Stub {
    fn name(&self) -> RString {
        RString::new()
    }
    fn start(&mut self, _: RString) -> RResult<(), RString> {
        RErr(self.0.as_str().into())
    }
    fn on_samples(&mut self, _: RString) {}
    fn on_snapshot(&mut self, _: RString) {}
    fn finish(&mut self, _: RString) {}
}

impl interface::FfiProtocol for Stub {
    fn name(&self) -> RString {
        RString::new()
    }
    fn execute(&self, _: RString) -> RString {
        failure(&self.0)
    }
}

impl interface::FfiService for Stub {
    fn name(&self) -> RString {
        RString::new()
    }
    fn start(&mut self, _: RString) -> RResult<RString, RString> {
        RErr(self.0.as_str().into())
    }
    fn stop(&mut self) {}
}
