use crate::{Json, Request, Response, Value};

/// Why a call failed. Every error type converts into it with `?`, a text with `.into()`.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Performs requests of a scheme that the host doesn't know.
pub trait Protocol: Send + Sync + 'static {
    /// The plugin's name.
    fn name(&self) -> &str;

    /// Performs one request. It is called from many threads at once, and may block: every call has a thread of its own. It
    /// cannot be interrupted, so it should give up by itself after [`Request::timeout`].
    ///
    /// An error becomes a reply with `error` and status 0. [`Response::fail`] makes one with more in it.
    fn execute(&self, request: Request) -> Result<Response, Error>;
}

/// Takes what a run measures. Calls come one after another, not always from the same thread. What a method other than
/// `start` returns as an error is written to standard error, since the host takes no answer there.
pub trait Output: Send + 'static {
    /// The plugin's name.
    fn name(&self) -> &str;

    /// Called once before anything else, with the manifest's `[config]` and the run's config merged over its keys. An error
    /// ends the run before it begins.
    fn start(&mut self, config: Json<'_>) -> Result<(), Error> {
        let _ = config;
        Ok(())
    }

    /// Takes the samples since the last call: a JSON array.
    fn on_samples(&mut self, samples: Json<'_>) -> Result<(), Error> {
        let _ = samples;
        Ok(())
    }

    /// Takes a snapshot, about once a second: a JSON object.
    fn on_snapshot(&mut self, snapshot: Json<'_>) -> Result<(), Error> {
        let _ = snapshot;
        Ok(())
    }

    /// Called once at the end, with the run's summary: a JSON object.
    fn finish(&mut self, summary: Json<'_>) -> Result<(), Error> {
        let _ = summary;
        Ok(())
    }
}

/// Runs beside a test from its start to its end, such as a server that the test talks to. Calls come one after another, not
/// always from the same thread.
pub trait Service: Send + 'static {
    /// The plugin's name.
    fn name(&self) -> &str;

    /// Starts the service, and returns what the test may want to know of it. The service goes on in threads of its own.
    fn start(&mut self, config: Json<'_>) -> Result<Value, Error>;

    /// Stops it. An error is written to standard error, since the host takes no answer here.
    fn stop(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
