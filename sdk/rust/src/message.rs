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
    Output,
    Protocol,
    Service,
}

/// What a plugin says about itself. Name, version, kind, description and schemes must agree with plugin.toml.
#[derive(Clone, Debug, Serialize)]
pub struct Info {
    pub name: String,
    pub version: String,
    pub kind: Kind,
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
    #[serde(deserialize_with = "or_default")]
    pub url: String,
    /// Names and values in order; a name may come more than once.
    #[serde(deserialize_with = "or_default")]
    pub headers: Vec<(String, String)>,
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
    pub status_text: String,
    /// Names and values in order; a name may come more than once.
    pub headers: Vec<(String, String)>,
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
