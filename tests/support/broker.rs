//! A real Apache Kafka broker for a test: started by `tests/kafka/broker-up`, on loopback, on ports of its own.
//!
//! It ends with the process that started it, also when that is killed: the script watches its standard input. A test
//! shares a broker where it can ([`Broker::shared`]), with topics of its own; one that stops the broker starts its own.

#![allow(dead_code)] // each test that includes this file uses a part of it

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

/// Names a broker that is already there.
const BOOTSTRAP_VARIABLE: &str = "SAMENLOOP_TEST_BOOTSTRAP";
/// From the start to an answer. A broker needs about 4 s; the rest is for a busy machine.
const START_MAX: Duration = Duration::from_secs(90);
const METADATA_MAX: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);
/// Below the range that systems take for outgoing connections: a stopped broker's port stays free for its return.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// Errors of the script itself: what is missing on this machine.
const SAID: &str = "script.err";
const LOG_LINES_SHOWN: usize = 40;

/// A broker that serves.
pub struct Broker {
    bootstrap: String,
    /// Nothing when it was there before.
    own: Option<Own>,
}

struct Own {
    port: u16,
    /// Another port that it listens on, and the one that it is reached by there: a proxy's.
    proxied: Option<(u16, u16)>,
    folder: PathBuf,
    /// Nothing while it is stopped.
    process: Mutex<Option<Child>>,
}

impl Broker {
    /// The broker that all tests of this process share, or the one that `SAMENLOOP_TEST_BOOTSTRAP` names.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var(BOOTSTRAP_VARIABLE) {
            Ok(bootstrap) => {
                let broker = Self { bootstrap, own: None };
                broker.wait();
                broker
            }
            Err(_) => Self::start(),
        })
    }

    /// Starts one of its own, and waits until it serves.
    pub fn start() -> Self {
        Self::start_on(free_ports(), None)
    }

    /// Starts one of its own behind a proxy, which `proxy` starts: its port, and where it is to connect to. The tests themselves go past it.
    pub fn start_behind_proxy<P>(proxy: impl FnOnce(u16, SocketAddr) -> P) -> (Self, P) {
        let (inner, outer) = loop {
            let first = free_ports();
            if first + 3 < PORTS.end && is_free(first + 2) && is_free(first + 3) {
                break (first + 2, first + 3);
            }
        };
        let proxy = proxy(outer, SocketAddr::from(([127, 0, 0, 1], inner)));
        (Self::start_on(inner - 2, Some((inner, outer))), proxy)
    }

    fn start_on(port: u16, proxied: Option<(u16, u16)>) -> Self {
        let folder = tempfile::Builder::new().prefix("samenloop-broker-").tempdir().unwrap().keep();
        let own = Own { port, proxied, folder, process: Mutex::default() };
        let broker = Self { bootstrap: format!("127.0.0.1:{port}"), own: Some(own) };
        broker.start_again();
        broker
    }

    /// For `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Kills it, as a crash would. Its data stay.
    pub fn stop(&self) {
        let own = self.own.as_ref().expect("only a broker that this test started can be stopped");
        let mut process = own.process.lock().unwrap().take().expect("it is stopped already");
        process.stdin.take().unwrap().write_all(b"keep\n").unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Lets it stand still: it answers nothing, and its connections stay.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let own = self.own.as_ref().expect("only a broker that this test started can stand still");
        let number = own.process.lock().unwrap().as_ref().expect("it is stopped").id().to_string();
        assert!(Command::new("kill").args([signal, &number]).status().unwrap().success());
    }

    /// Starts it after [`stop`](Self::stop): the same port, the same data.
    pub fn start_again(&self) {
        let own = self.own.as_ref().expect("only a broker that this test started can be started again");
        assert!(own.process.lock().unwrap().is_none(), "it is not stopped");
        *own.process.lock().unwrap() = Some(own.spawn());
        self.wait();
    }

    /// The last lines of what it logged.
    pub fn log_tail(&self) -> String {
        self.own.as_ref().map(|own| log_tail(&own.folder)).unwrap_or_default()
    }

    /// A name for a topic that no other test has, nor an earlier run on the same broker.
    pub fn topic(&self, purpose: &str) -> String {
        static TOPICS: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let count = TOPICS.fetch_add(1, Ordering::Relaxed);
        format!("{purpose}-{:x}-{}-{count}", now.as_millis(), std::process::id())
    }

    /// Until it answers: a broker listens before it serves.
    fn wait(&self) {
        let start = Instant::now();
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.bootstrap).set("log_level", "0").create().unwrap();
        loop {
            let problem = match client.fetch_metadata(None, METADATA_MAX) {
                Ok(metadata) if !metadata.brokers().is_empty() => return,
                Ok(_) => "it knows of no broker".to_owned(),
                Err(error) => error.to_string(),
            };
            let process_of = |own: &Own| own.process.lock().unwrap().as_mut()?.try_wait().unwrap();
            let ended = self.own.as_ref().and_then(process_of);
            if ended.is_some() || start.elapsed() > START_MAX {
                let why = ended.map_or(problem, |status| format!("it ended by itself, {status}"));
                panic!("no broker at {}: {why}\n{}", self.bootstrap, self.log_tail());
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Own {
    fn spawn(&self) -> Child {
        let said = fs::File::create(self.folder.join(SAID)).unwrap();
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/broker-up"));
        if let Some((inner, outer)) = self.proxied {
            command.env("SAMENLOOP_TEST_PROXIED", format!("{inner} {outer}"));
        }
        command
            .arg(self.port.to_string())
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap()
    }
}

impl Drop for Own {
    /// The script removes the folder when its standard input ends without "keep"; after a stop nobody else would.
    fn drop(&mut self) {
        match self.process.get_mut().unwrap().take() {
            Some(mut process) => {
                drop(process.stdin.take());
                process.wait().ok();
            }
            None => drop(fs::remove_dir_all(&self.folder)),
        }
    }
}

/// A port that is free, and so is the next one, which the controller takes.
pub fn free_ports() -> u16 {
    // Tests that start at the same time look in different places.
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos() ^ std::process::id();
    let pairs = (PORTS.end - PORTS.start) / 2;
    let first = u16::try_from(seed % u32::from(pairs)).unwrap();
    (0..pairs)
        .map(|step| PORTS.start + (first + step) % pairs * 2)
        .find(|&port| is_free(port) && is_free(port + 1))
        .expect("no two free ports in a row")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// What the script, the virtual machine and the broker said last.
fn log_tail(folder: &Path) -> String {
    let mut shown = String::new();
    for name in [SAID, "broker.out", "broker.log"] {
        let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..] {
            shown.push_str(&format!("{name}: {line}\n"));
        }
    }
    shown
}
