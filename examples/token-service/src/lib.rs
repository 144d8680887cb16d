//! A service that hands out tokens over HTTP while a test runs: every GET is answered with a new one, as JSON. `start` returns
//! the address, so that the test knows where it listens.
//!
//! `config.address` (127.0.0.1:0, any free port) is where it listens, `config.prefix` (token) how tokens begin.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use loadr_plugin_sdk::{export_loadr_plugin, json, Error, Info, Json, Service, Value};

/// How long a client may take for its request, and the server for one client, since it serves one at a time.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Tokens {
    running: Option<Running>,
}

struct Running {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Service for Tokens {
    fn name(&self) -> &str {
        env!("CARGO_PKG_NAME")
    }

    fn start(&mut self, config: Json<'_>) -> Result<Value, Error> {
        if self.running.is_some() {
            return Err("already started".into());
        }
        let config = config.value()?;
        let address = config["address"].as_str().unwrap_or("127.0.0.1:0");
        let prefix = config["prefix"].as_str().unwrap_or("token").to_owned();
        let listener = TcpListener::bind(address).map_err(|e| format!("config.address: {address}: {e}"))?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = stop.clone();
            move || serve(&listener, &stop, &prefix)
        });
        self.running = Some(Running { address, stop, thread });
        Ok(json!({ "url": format!("http://{address}/") }))
    }

    fn stop(&mut self) -> Result<(), Error> {
        let running = self.running.take().ok_or("not started")?;
        running.stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(running.address)); // wakes the listener, which then looks at the flag
        running.thread.join().map_err(|_| "the server panicked".into())
    }
}

/// The host may drop a service that it has not stopped.
impl Drop for Tokens {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

fn serve(listener: &TcpListener, stop: &AtomicBool, prefix: &str) {
    for (number, client) in (1..).zip(listener.incoming()) {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // A client that went away is no matter of the others.
        let _ = client.and_then(|client| answer(client, &format!("{prefix}-{number}")));
    }
}

fn answer(mut client: TcpStream, token: &str) -> std::io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    for line in BufReader::new(&client).lines() {
        if line?.is_empty() {
            break; // the headers' end
        }
    }
    let body = json!({ "token": token }).to_string();
    write!(
        client,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn info() -> Info {
    Info::service(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).description(env!("CARGO_PKG_DESCRIPTION"))
}

export_loadr_plugin! { info: info, service: Tokens::default }

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn get(url: &str) -> String {
        let host = url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    }

    #[test]
    fn hands_out_tokens_until_stopped() {
        let mut service = Tokens::default();
        let started = service.start(Json::new(r#"{"prefix":"t"}"#)).unwrap();
        let url = started["url"].as_str().unwrap();
        assert!(get(url).ends_with(r#"{"token":"t-1"}"#));
        assert!(get(url).ends_with(r#"{"token":"t-2"}"#));
        assert_eq!(service.start(Json::new("{}")).unwrap_err().to_string(), "already started");
        service.stop().unwrap();
        assert!(TcpStream::connect(url.trim_start_matches("http://").trim_end_matches('/')).is_err());
        assert_eq!(service.stop().unwrap_err().to_string(), "not started");
    }

    #[test]
    fn start_says_what_is_wrong() {
        let error = Tokens::default().start(Json::new(r#"{"address":"nowhere"}"#)).unwrap_err().to_string();
        assert!(error.starts_with("config.address: nowhere: "), "{error}");
    }

    #[test]
    fn dropped_without_stop() {
        let mut service = Tokens::default();
        let started = service.start(Json::new("{}")).unwrap();
        drop(service);
        assert!(TcpStream::connect(started["url"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/'))
            .is_err());
    }
}
