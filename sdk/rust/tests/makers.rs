//! A plugin whose functions panic before there is anything to call.

use loadr_plugin_sdk::{
    abi_stable::std_types::RString, export_loadr_plugin, Error, Info, Json, Output, Protocol, Request, Response, Service,
    Value,
};

mod host;

struct Never;

impl Protocol for Never {
    fn name(&self) -> &str {
        unreachable!()
    }
    fn execute(&self, _: Request) -> Result<Response, Error> {
        unreachable!()
    }
}

impl Output for Never {
    fn name(&self) -> &str {
        unreachable!()
    }
}

impl Service for Never {
    fn name(&self) -> &str {
        unreachable!()
    }
    fn start(&mut self, _: Json<'_>) -> Result<Value, Error> {
        unreachable!()
    }
}

fn info() -> Info {
    panic!("no info")
}

fn never() -> Never {
    panic!("no object")
}

export_loadr_plugin! { info: info, output: never, protocol: never, service: never }

#[test]
fn panics_of_makers_become_errors() {
    let module = host::module();
    assert_eq!(module.info()(), RString::from(r#"{"error":"info panicked: no info","name":""}"#));

    let protocol = module.make_protocol().unwrap()();
    assert_eq!(protocol.name(), RString::new());
    let reply: Value = loadr_plugin_sdk::serde_json::from_str(&protocol.execute("{}".into())).unwrap();
    assert_eq!(reply["error"], "make_protocol panicked: no object");

    let mut output = module.make_output().unwrap()();
    assert_eq!(output.name(), RString::new());
    assert_eq!(output.start("{}".into()).into_result(), Err("make_output panicked: no object".into()));
    output.on_samples("[]".into());
    output.on_snapshot("{}".into());
    output.finish("{}".into());

    let mut service = module.make_service().unwrap()();
    assert_eq!(service.name(), RString::new());
    assert_eq!(service.start("{}".into()).into_result(), Err("make_service panicked: no object".into()));
    service.stop();
}
