//! The JSON that crosses, as Rust types. Unknown keys are ignored; null counts as absent.

use std::time::Duration;

use base64::{engine::general_purpose::STANDARD, Engine};
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::Error;

/// What kind of plugin it is. It is the same as in plugin.toml.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Takes what a run measures.
    Output,
    /// Performs requests.
    Protocol,
    /// Runs beside a test.
    Service,
}

/// What a plugin says about itself. Name, version, kind, description and schemes must agree with plugin.toml.
#[derive(Clone, Debug, Serialize)]
pub struct Info {
    /// The plugin's name.
    pub name: String,
    /// Its own version, not the interface's.
    pub version: String,
    /// What it is in the first place; the library may make more.
    pub kind: Kind,
    /// One line for people.
    pub description: String,
    /// The URL schemes of a protocol; empty for other kinds.
    pub schemes: Vec<String>,
}

impl Info {
    /// Describes an output.
    pub fn output(name: &str, version: &str) -> Self {
        Self::new(Kind::Output, name, version)
    }

    /// Describes a protocol; name its URL schemes with [`Info::scheme`].
    pub fn protocol(name: &str, version: &str) -> Self {
        Self::new(Kind::Protocol, name, version)
    }

    /// Describes a service.
    pub fn service(name: &str, version: &str) -> Self {
        Self::new(Kind::Service, name, version)
    }

    fn new(kind: Kind, name: &str, version: &str) -> Self {
        Self { name: name.into(), version: version.into(), kind, description: String::new(), schemes: Vec::new() }
    }

    /// Sets the description.
    pub fn description(mut self, text: &str) -> Self {
        self.description = text.into();
        self
    }

    /// Adds a URL scheme.
    pub fn scheme(mut self, scheme: &str) -> Self {
        self.schemes.push(scheme.into());
        self
    }
}

/// A JSON text from the host.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// Wraps a text, for tests of a plugin.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text as it came.
    pub fn text(&self) -> &'a str {
        self.0
    }

    /// The text as any JSON value.
    pub fn value(&self) -> Result<Value, Error> {
        self.parse()
    }

    /// The text as a type of yours, which may borrow from it.
    pub fn parse<T: Deserialize<'a>>(&self) -> Result<T, Error> {
        Ok(serde_json::from_str(self.0)?)
    }
}

/// One request of a test plan. In a test of a plugin write `Request { url: ..., ..Request::default() }`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Request {
    /// The request's name in the test plan.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// The protocol's own word.
    #[serde(deserialize_with = "or_default")]
    pub method: String,
    /// What to request; its scheme is one of the plugin's.
    #[serde(deserialize_with = "or_default")]
    pub url: String,
    /// Names and values in order; a name may come more than once.
    #[serde(deserialize_with = "or_default")]
    pub headers: Vec<(String, String)>,
    /// The body, already decoded.
    #[serde(rename = "body_b64", deserialize_with = "from_base64")]
    pub body: Vec<u8>,
    /// How long the request may take.
    #[serde(rename = "timeout_ms", deserialize_with = "from_milliseconds")]
    pub timeout: Option<Duration>,
    /// The request's own options for this plugin, `request.options.plugin` of the test plan; null: none.
    pub options: Value,
    /// The manifest's `[config]` with the run's config merged over its keys.
    pub config: Value,
}

impl Request {
    /// Reads a request as the host sends it.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|e| format!("request: {e}").into())
    }

    /// The request's options as a type of yours. Absent options are read as an empty object, so that `#[serde(default)]` fills
    /// them.
    pub fn options<T: de::DeserializeOwned>(&self) -> Result<T, Error> {
        typed("options", &self.options)
    }

    /// The config as a type of yours.
    pub fn config<T: de::DeserializeOwned>(&self) -> Result<T, Error> {
        typed("config", &self.config)
    }
}

fn typed<T: de::DeserializeOwned>(key: &str, value: &Value) -> Result<T, Error> {
    let value = if value.is_null() { Value::Object(Map::new()) } else { value.clone() };
    serde_json::from_value(value).map_err(|e| format!("request: {key}: {e}").into())
}

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn from_base64<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text: Option<std::borrow::Cow<'de, str>> = Option::deserialize(from)?;
    STANDARD.decode(text.unwrap_or_default().as_bytes()).map_err(|e| de::Error::custom(format!("body_b64: {e}")))
}

fn from_milliseconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::deserialize(from)?.map(Duration::from_millis))
}

/// The reply to a request.
///
/// ```
/// use loadr_plugin_sdk::{json, Response};
///
/// let reply = Response::new(200).header("kind", "greeting").body("hello").extra("length", json!(5));
/// assert_eq!(reply.body, b"hello");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Response {
    /// The protocol's own; 0 when there was none.
    pub status: i64,
    /// The words that go with the status.
    pub status_text: String,
    /// Names and values in order; a name may come more than once.
    pub headers: Vec<(String, String)>,
    /// The body; it is encoded on its way.
    #[serde(rename = "body_b64", serialize_with = "as_base64")]
    pub body: Vec<u8>,
    /// How long the request took, where the plugin knows better than the host.
    #[serde(rename = "duration_ms", serialize_with = "as_milliseconds", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// Why the request failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The protocol's own further values.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extras: Map<String, Value>,
}

impl Response {
    /// A reply with a status and nothing else.
    pub fn new(status: i64) -> Self {
        Self { status, ..Self::default() }
    }

    /// The reply of a request that failed. Its status is 0; it may be set.
    pub fn fail(error: impl ToString) -> Self {
        Self { error: Some(error.to_string()), ..Self::default() }
    }

    /// Sets the words that go with the status.
    pub fn status_text(mut self, text: impl Into<String>) -> Self {
        self.status_text = text.into();
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets how long the request took.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Adds a value of the protocol's own.
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extras.insert(name.into(), value.into());
        self
    }
}

fn as_base64<S: Serializer>(body: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(body))
}

fn as_milliseconds<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    duration.map(|d| d.as_secs_f64() * 1e3).serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_with_everything() {
        let request = Request::from_json(
            r#"{"name":"n","method":"M","url":"x://h","headers":[["a","1"],["a","2"]],"body_b64":"AP8=","timeout_ms":1500,
                "options":{"upper":true},"config":{"reverse":false,"depth":3},"later":{}}"#,
        )
        .unwrap();
        assert_eq!((request.name.as_str(), request.method.as_str(), request.url.as_str()), ("n", "M", "x://h"));
        assert_eq!(request.headers, [("a".into(), "1".into()), ("a".into(), "2".into())]);
        assert_eq!(request.body, [0, 255]);
        assert_eq!(request.timeout, Some(Duration::from_millis(1500)));
        assert_eq!(request.options, json!({ "upper": true }));
        #[derive(Deserialize)]
        struct Config {
            depth: u8,
        }
        assert_eq!(request.config::<Config>().unwrap().depth, 3);
    }

    #[test]
    fn null_is_absent() {
        let absent = Request::from_json("{}").unwrap();
        let null = Request::from_json(
            r#"{"name":null,"method":null,"url":null,"headers":null,"body_b64":null,"timeout_ms":null,"options":null,"config":null}"#,
        )
        .unwrap();
        assert_eq!(format!("{absent:?}"), format!("{null:?}"));
        assert_eq!(absent.timeout, None);
        assert!(absent.body.is_empty() && absent.options.is_null());
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Options {
            upper: bool,
        }
        assert!(!absent.options::<Options>().unwrap().upper);
    }

    #[test]
    fn what_is_wrong_with_a_request() {
        for (text, want) in [
            ("", "request: EOF while parsing a value"),
            (r#"{"body_b64":"a"}"#, "request: body_b64: "),
            (r#"{"headers":[["a"]]}"#, "request: invalid length 1"),
            (r#"{"timeout_ms":-1}"#, "request: invalid value: integer `-1`"),
        ] {
            let error = Request::from_json(text).unwrap_err().to_string();
            assert!(error.starts_with(want), "{text}: {error}");
        }
        let request = Request { config: json!([]), ..Request::default() };
        let error = request.config::<std::collections::BTreeMap<String, u8>>().unwrap_err().to_string();
        assert!(error.starts_with("request: config: invalid type: sequence"), "{error}");
    }

    #[test]
    fn replies_as_json() {
        let full = Response::new(-1)
            .status_text("odd")
            .header("a", "1")
            .body([0, 255])
            .duration(Duration::from_micros(1500))
            .extra("k", 2);
        for (response, want) in [
            (
                full,
                r#"{"status":-1,"status_text":"odd","headers":[["a","1"]],"body_b64":"AP8=","duration_ms":1.5,"extras":{"k":2}}"#,
            ),
            (
                Response::fail("no \"way\""),
                r#"{"status":0,"status_text":"","headers":[],"body_b64":"","error":"no \"way\""}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&response).unwrap(), want);
        }
    }
}
