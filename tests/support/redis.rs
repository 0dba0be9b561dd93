//! A Redis of a test's own: on loopback, without persistence, killed when dropped.

#![allow(dead_code)] // each test that includes this file uses a part of it

use redis::{Client, Connection, FromRedisValue, cmd};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const UP_MAX: Duration = Duration::from_secs(20);

/// A server.
pub struct Redis {
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    pub port: u16,
    process: Option<Child>,
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether it answers, be it that it wants a password.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(UP_MAX)).unwrap();
    let mut answer = [0; 8];
    let answered = stream.write_all(b"PING\r\n").and_then(|()| stream.read_exact(&mut answer[..5]));
    answered.is_ok() && (answer.starts_with(b"+PONG") || answer.starts_with(b"-NOAU"))
}

impl Redis {
    /// A server with these arguments besides its own.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut redis = Self { folder, arguments, port: free_port(), process: None };
        redis.start_again();
        redis
    }

    /// Sentinels of their own settings: `settings` is their file.
    pub fn start_sentinel(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, format!("port {port}\nbind 127.0.0.1\n{settings}")).unwrap();
        let process = Command::new("redis-server")
            .arg(&file)
            .arg("--sentinel")
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server: install it (tests/run does), and run this again");
        let mut sentinel = Self { folder, arguments: Vec::new(), port, process: Some(process) };
        sentinel.wait();
        sentinel
    }

    /// As `warm.url` has it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it where it listened before.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let started = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .spawn();
        self.process = Some(started.expect("redis-server: install it (tests/run does), and run this again"));
        self.wait();
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + UP_MAX;
        while !answers(self.port) {
            assert!(Instant::now() < deadline, "it does not come up");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// A client.
    pub fn connect(&self) -> Connection {
        Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// Asks it something, words with blanks between.
    pub fn ask<T: FromRedisValue>(&self, words: &str) -> T {
        self.try_ask(words).unwrap()
    }

    /// The same, where it may refuse.
    pub fn try_ask<T: FromRedisValue>(&self, words: &str) -> redis::RedisResult<T> {
        let mut words = words.split(' ');
        let mut command = cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        command.query(&mut self.connect())
    }

    /// All lists that it holds, by their keys: what has a stamp.
    pub fn lists(&self, prefix: &str) -> BTreeMap<String, String> {
        self.try_lists(prefix).unwrap_or_default() // sentinels cut the connections of a server that they make the master
    }

    fn try_lists(&self, prefix: &str) -> redis::RedisResult<BTreeMap<String, String>> {
        let mut connection = Client::open(self.url())?.get_connection()?;
        let all: Vec<String> = cmd("KEYS").arg("*").query(&mut connection)?;
        let mut lists = BTreeMap::new();
        for key in all.iter().filter_map(|key| key.strip_prefix(prefix)).filter(|key| !key.starts_with('/')) {
            let value: Option<String> = cmd("GET").arg(format!("{prefix}{key}")).query(&mut connection)?;
            lists.extend(value.map(|value| (key.to_owned(), value)));
        }
        Ok(lists)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}
