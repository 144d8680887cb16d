//! A protocol that replies with the request's body reversed.
//!
//! `[config]` of plugin.toml is what holds for a whole run, `options.plugin` of a request in the test plan for that request:
//! `reverse` (true) is read from the first, `upper` (false) from the second.

use loadr_plugin_sdk::{export_loadr_plugin, Error, Info, Protocol, Request, Response};

struct Echo;

impl Protocol for Echo {
    fn name(&self) -> &str {
        env!("CARGO_PKG_NAME")
    }

    fn execute(&self, request: Request) -> Result<Response, Error> {
        if !request.url.starts_with("echo:") {
            return Err(format!("url {:?}: expected the scheme echo", request.url).into());
        }
        let mut body = request.body;
        if request.config["reverse"] != false {
            reverse(&mut body);
        }
        if request.options["upper"] == true {
            body.make_ascii_uppercase();
        }
        Ok(Response::new(200).status_text("OK").extra("method", request.method).extra("bytes", body.len()).body(body))
    }
}

/// Reverses text by characters, and what is no text by bytes.
fn reverse(body: &mut Vec<u8>) {
    match std::str::from_utf8(body) {
        Ok(text) => *body = text.chars().rev().collect::<String>().into_bytes(),
        Err(_) => body.reverse(),
    }
}

fn info() -> Info {
    Info::protocol(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
        .description(env!("CARGO_PKG_DESCRIPTION"))
        .scheme("echo")
}

export_loadr_plugin! { info: info, protocol: || Echo }

#[cfg(test)]
mod tests {
    use super::*;
    use loadr_plugin_sdk::{json, Value};

    fn reply(body: &[u8], config: Value, options: Value) -> Vec<u8> {
        let request = Request { url: "echo://host/".into(), body: body.into(), config, options, ..Request::default() };
        Echo.execute(request).unwrap().body
    }

    #[test]
    fn reverses_unless_told_otherwise() {
        assert_eq!(reply("añb".as_bytes(), json!({}), Value::Null), "bña".as_bytes());
        assert_eq!(reply(b"abc", json!({ "reverse": false }), Value::Null), b"abc");
        assert_eq!(reply(&[0xff, 1], json!({}), Value::Null), [1, 0xff]);
    }

    #[test]
    fn options_are_the_requests_own() {
        assert_eq!(reply(b"abc", json!({}), json!({ "upper": true })), b"CBA");
        assert_eq!(reply(b"abc", json!({ "upper": true }), Value::Null), b"cba");
    }

    #[test]
    fn refuses_other_schemes() {
        let error = Echo.execute(Request { url: "http://host/".into(), ..Request::default() }).unwrap_err();
        assert_eq!(error.to_string(), r#"url "http://host/": expected the scheme echo"#);
    }
}
