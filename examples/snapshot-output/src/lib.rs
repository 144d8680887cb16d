//! An output that writes one line for each snapshot of a run to the file `config.path`: what it was, its SHA-256, and its
//! length in bytes. The last line is the summary's.

use std::{
    fs::File,
    io::{BufWriter, Write},
};

use loadr_plugin_sdk::{export_loadr_plugin, Error, Info, Json, Output};
use sha2::{Digest, Sha256};

#[derive(Default)]
struct Snapshots {
    file: Option<BufWriter<File>>, // from start on
}

impl Snapshots {
    /// Lines are there for readers as soon as they are written.
    fn write(&mut self, what: &str, json: Json<'_>) -> Result<(), Error> {
        let file = self.file.as_mut().ok_or("not started")?;
        let text = json.text();
        writeln!(file, "{what} sha256:{:x} {}", Sha256::digest(text), text.len())?;
        Ok(file.flush()?)
    }
}

impl Output for Snapshots {
    fn name(&self) -> &str {
        env!("CARGO_PKG_NAME")
    }

    fn start(&mut self, config: Json<'_>) -> Result<(), Error> {
        let config = config.value()?;
        let path = config["path"].as_str().ok_or("config.path: expected the file to write to")?;
        let file = File::create(path).map_err(|e| format!("config.path: {path}: {e}"))?;
        self.file = Some(BufWriter::new(file));
        Ok(())
    }

    fn on_snapshot(&mut self, snapshot: Json<'_>) -> Result<(), Error> {
        self.write("snapshot", snapshot)
    }

    fn finish(&mut self, summary: Json<'_>) -> Result<(), Error> {
        self.write("summary", summary)?;
        self.file = None;
        Ok(())
    }
}

fn info() -> Info {
    Info::output(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).description(env!("CARGO_PKG_DESCRIPTION"))
}

export_loadr_plugin! { info: info, output: Snapshots::default }

#[cfg(test)]
mod tests {
    use super::*;
    use loadr_plugin_sdk::json;

    #[test]
    fn one_line_for_each_snapshot_and_the_summary() {
        let path = std::env::temp_dir().join(format!("snapshot-output-{}", std::process::id()));
        let mut output = Snapshots::default();
        output.start(Json::new(&json!({ "path": path }).to_string())).unwrap();
        output.on_samples(Json::new("[1]")).unwrap();
        output.on_snapshot(Json::new("{}")).unwrap();
        output.finish(Json::new("abc")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            text,
            "snapshot sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a 2\n\
             summary sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 3\n"
        );
        assert_eq!(output.on_snapshot(Json::new("{}")).unwrap_err().to_string(), "not started");
    }

    #[test]
    fn start_says_what_is_wrong() {
        for (config, want) in [
            ("{}", "config.path: expected the file to write to"),
            (r#"{"path":"/"}"#, "config.path: /: "),
            ("", "EOF while parsing"),
        ] {
            let error = Snapshots::default().start(Json::new(config)).unwrap_err().to_string();
            assert!(error.starts_with(want), "{config}: {error}");
        }
    }
}
