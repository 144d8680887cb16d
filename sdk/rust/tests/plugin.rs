//! A plugin with all three parts in this test's own program, called as a host calls it: through abi_stable's checks and the
//! objects that cross.

use std::sync::atomic::{AtomicUsize, Ordering};

use loadr_plugin_sdk::{
    abi_stable::std_types::RString, export_loadr_plugin, interface::FfiProtocol, json, serde_json, Error, Info, Json,
    Output, Protocol, Request, Response, Service, Value,
};

mod host;
use host::module;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Does what the JSON that it gets says, and counts itself.
struct Obedient;

impl Obedient {
    fn new() -> Self {
        LIVE.fetch_add(1, Ordering::SeqCst);
        Self
    }
    fn obey(&self, order: &Value) -> Result<(), Error> {
        match order["do"].as_str().unwrap_or_default() {
            "panic" => panic!("told to: {}", order["why"]),
            "panic with a number" => std::panic::panic_any(7),
            "panic twice" => std::panic::panic_any(Grenade),
            "fail" => Err("told to fail".into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Obedient {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::SeqCst);
        panic!("dropped");
    }
}

struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("the panic's own value");
    }
}

impl Protocol for Obedient {
    fn name(&self) -> &str {
        "obedient"
    }
    fn execute(&self, request: Request) -> Result<Response, Error> {
        self.obey(&request.options)?;
        Ok(Response::new(200).body(request.body))
    }
}

impl Output for Obedient {
    fn name(&self) -> &str {
        panic!("no name")
    }
    fn start(&mut self, config: Json<'_>) -> Result<(), Error> {
        self.obey(&config.value()?)
    }
    fn on_samples(&mut self, samples: Json<'_>) -> Result<(), Error> {
        self.obey(&samples.value()?)
    }
    fn on_snapshot(&mut self, snapshot: Json<'_>) -> Result<(), Error> {
        self.obey(&snapshot.value()?)
    }
    fn finish(&mut self, summary: Json<'_>) -> Result<(), Error> {
        self.obey(&summary.value()?)
    }
}

#[derive(Default)]
struct Counter(u32);

impl Service for Counter {
    fn name(&self) -> &str {
        "counter"
    }
    fn start(&mut self, config: Json<'_>) -> Result<Value, Error> {
        self.0 += 1;
        Obedient.obey_once(&config.value()?)?;
        Ok(json!({ "starts": self.0 }))
    }
    fn stop(&mut self) -> Result<(), Error> {
        panic!("stopped")
    }
}

impl Obedient {
    /// Obeys without counting: the value is never dropped.
    fn obey_once(self, order: &Value) -> Result<(), Error> {
        std::mem::ManuallyDrop::new(self).obey(order)
    }
}

// Names that the macro might have used itself.
fn info() -> Info {
    Info::protocol("obedient", "1.2.3").description("Does as it is told").scheme("obey")
}

fn make() -> Obedient {
    Obedient::new()
}

export_loadr_plugin! {
    service: Counter::default,
    output: make,
    info: info,
    protocol: Obedient::new,
}

fn execute(object: &impl FfiProtocol, request: &str) -> Value {
    serde_json::from_str(&object.execute(request.into())).unwrap()
}

#[test]
fn describes_itself() {
    let module = module();
    assert_eq!(module.abi_version(), 1);
    let info: Value = serde_json::from_str(&module.info()()).unwrap();
    assert_eq!(
        info,
        json!({
            "name": "obedient", "version": "1.2.3", "kind": "protocol", "description": "Does as it is told", "schemes": ["obey"]
        })
    );
}

#[test]
fn executes() {
    let object = module().make_protocol().unwrap()();
    assert_eq!(object.name(), RString::from("obedient"));
    let reply = execute(&object, r#"{"body_b64":"aGVsbG8=","unknown":1}"#);
    assert_eq!(reply, json!({ "status": 200, "status_text": "", "headers": [], "body_b64": "aGVsbG8=" }));
}

#[test]
fn failures_of_execute_are_replies() {
    let object = module().make_protocol().unwrap()();
    for (request, want) in [
        (r#"{"options":{"do":"fail"}}"#, "told to fail"),
        (r#"{"options":{"do":"panic","why":1}}"#, "execute panicked: told to: 1"),
        (r#"{"options":{"do":"panic with a number"}}"#, "execute panicked: no message"),
        (r#"{"options":{"do":"panic twice"}}"#, "execute panicked: no message"),
        ("no json", "request: expected ident at line 1 column 2"),
        (r#"{"body_b64":"?"}"#, "request: body_b64: Invalid symbol 63, offset 0."),
    ] {
        let reply = execute(&object, request);
        assert_eq!(reply["status"], 0, "{request}");
        let error = reply["error"].as_str().unwrap();
        assert!(error.starts_with(want), "{request}: {error}");
    }
    assert_eq!(execute(&object, "{}")["status"], 200, "the object is usable afterwards");
}

#[test]
fn failures_of_an_output() {
    let mut object = module().make_output().unwrap()();
    assert_eq!(object.name(), RString::new(), "a panic in name gives no name");
    for (config, want) in [
        (r#"{"do":"fail"}"#, Err("told to fail".into())),
        (r#"{"do":"panic","why":2}"#, Err("start panicked: told to: 2".into())),
        ("{}", Ok(())),
    ] {
        assert_eq!(object.start(config.into()).into_result(), want, "{config}");
    }
    for order in ["panic", "panic twice", "fail", "nothing"] {
        let text = RString::from(json!({ "do": order }).to_string());
        object.on_samples(text.clone());
        object.on_snapshot(text.clone());
        object.finish(text);
    }
}

#[test]
fn failures_of_a_service() {
    let mut object = module().make_service().unwrap()();
    assert_eq!(object.name(), RString::from("counter"));
    for (config, want) in [
        ("{}", Ok(r#"{"starts":1}"#.into())),
        (r#"{"do":"fail"}"#, Err("told to fail".into())),
        (r#"{"do":"panic","why":"x"}"#, Err(r#"start panicked: told to: "x""#.into())),
        ("{}", Ok(r#"{"starts":4}"#.into())),
    ] {
        assert_eq!(object.start(config.into()).into_result(), want, "{config}");
    }
    object.stop();
}

/// Every object is dropped once, and a panic in its drop stays inside.
#[test]
fn dropped_once() {
    // Other tests make objects too, so this one waits until theirs are gone.
    let module = module();
    let objects: Vec<_> = (0..10).map(|_| module.make_protocol().unwrap()()).collect();
    assert!(LIVE.load(Ordering::SeqCst) >= 10);
    drop(objects);
    for _ in 0..500 {
        if LIVE.load(Ordering::SeqCst) == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{} objects are left", LIVE.load(Ordering::SeqCst));
}
