//! What is asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use lienthong_outbox::Engine;

/// Whatever went wrong, in words.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// See the program.
pub(crate) struct Options {
    pub(crate) deliveries: u64,
    pub(crate) receivers: usize,
    pub(crate) pairs: usize,
    pub(crate) seconds: Duration,
    pub(crate) engines: Vec<Engine>,
    pub(crate) folder: PathBuf,
}

impl Options {
    pub(crate) fn read(words: &[&str]) -> Result<Self, Fault> {
        let mut options = Self {
            deliveries: 1_000_000,
            receivers: 10,
            pairs: 5,
            seconds: Duration::from_secs(3),
            engines: Engine::ALL.to_vec(),
            folder: std::env::current_exe()?.parent().ok_or("the program lies in no folder")?.to_owned(),
        };
        for pair in words.chunks(2) {
            let &[word, value] = pair else { return Err(format!("{pair:?}: a word and a value").into()) };
            match word {
                "--deliveries" => options.deliveries = value.parse()?,
                "--receivers" => options.receivers = value.parse()?,
                "--pairs" => options.pairs = value.parse()?,
                "--seconds" => options.seconds = Duration::from_secs(value.parse()?),
                "--engine" => options.engines = vec![Engine::named(value).ok_or("--engine sled|redb")?],
                "--folder" => options.folder = value.into(),
                _ => return Err(format!("{word}?").into()),
            }
        }
        if options.pairs == 0 || options.receivers == 0 || options.receivers as u64 > options.deliveries {
            return Err("--pairs and --receivers from 1, --receivers at most --deliveries".into());
        }
        Ok(options)
    }
}

/// Prints a line of data.
pub(crate) fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n"));
    drop(written);
}
