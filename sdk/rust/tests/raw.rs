//! A plugin that implements the interface itself, without the comfortable traits.

use loadr_plugin_sdk::{
    abi_stable::{
        sabi_trait::TD_Opaque,
        std_types::{
            RBox,
            RResult::{self, ROk},
            RString,
        },
    },
    export_loadr_plugin, FfiOutput, FfiOutput_TO,
};

mod host;

struct MyOutput {
    calls: Vec<String>,
}

impl FfiOutput for MyOutput {
    fn name(&self) -> RString {
        RString::from(self.calls.join(" "))
    }
    fn start(&mut self, config_json: RString) -> RResult<(), RString> {
        self.calls.push(config_json.into());
        ROk(())
    }
    fn on_samples(&mut self, _samples_json: RString) {
        panic!("samples")
    }
    fn on_snapshot(&mut self, snapshot_json: RString) {
        self.calls.push(snapshot_json.into());
    }
    fn finish(&mut self, _summary_json: RString) {}
}

extern "C" fn my_info_fn() -> RString {
    RString::from(r#"{"name":"my-output","version":"0.1.0","kind":"output","description":"","schemes":[]}"#)
}

extern "C" fn make_my_output() -> FfiOutput_TO<'static, RBox<()>> {
    FfiOutput_TO::from_value(MyOutput { calls: Vec::new() }, TD_Opaque)
}

export_loadr_plugin! { info: my_info_fn, output: make_my_output }

#[test]
fn the_interface_itself() {
    let module = host::module();
    assert!(module.info()().contains("my-output"));
    assert!(module.make_protocol().is_none() && module.make_service().is_none());
    let mut object = module.make_output().unwrap()();
    object.start("{}".into()).unwrap();
    object.on_samples("[]".into());
    object.on_snapshot("1".into());
    assert_eq!(object.name(), RString::from("{} 1"), "usable after the panic");
}
