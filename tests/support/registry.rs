//! A schema registry for tests: real HTTP on loopback, in this process, with faults that a test switches on.
//!
//! Holds what is registered in memory; ids count from 1, the same text has one id. One request a connection. Ends when it is
//! dropped. It parses no schema and knows no compatibility: what a registry refuses is a fault here.

#![allow(dead_code)] // each test that includes this file uses a part of it

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is wrong with the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers every request with this status.
    Status(u16),
    /// Answers 404 as a web server does that is no registry.
    Elsewhere,
    /// Closes connections without an answer.
    Drop,
    /// Takes requests, and answers none before the fault is over.
    Silent,
    /// Answers after this time.
    Slow(Duration),
    /// Answers with half of what it says it would.
    Cut,
    /// Answers 200 with what is no JSON.
    Nonsense,
}

/// Who may ask.
#[derive(Clone, Debug)]
pub enum Access {
    Open,
    Basic { user: String, password: String },
    Bearer(String),
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
}

pub struct TestRegistry {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// A fault began or ended, or the registry ends.
    changed: Condvar,
    access: Access,
}

#[derive(Default)]
struct State {
    /// By id - 1: what `/schemas/ids` answers.
    schemas: Vec<Value>,
    /// Ids of a subject's versions.
    subjects: BTreeMap<String, Vec<u32>>,
    fault: Option<Fault>,
    requests: Vec<Request>,
    ended: bool,
}

impl TestRegistry {
    /// On a free port, open to all.
    pub fn start() -> Self {
        Self::start_on(0)
    }

    /// On this port; 0 is a free one.
    pub fn start_on(port: u16) -> Self {
        Self::start_with(port, Access::Open)
    }

    pub fn start_with(port: u16, access: Access) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), access });
        let for_thread = Arc::clone(&shared);
        let accepting = Some(std::thread::spawn(move || accept(&listener, &for_thread)));
        Self { address, shared, accepting }
    }

    /// Without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Registers without a request; gives the id.
    pub fn register(&self, subject: &str, schema: &str) -> u32 {
        self.register_full(subject, json!({ "schema": schema }))
    }

    /// The same with `schemaType` and `references`.
    pub fn register_full(&self, subject: &str, schema: Value) -> u32 {
        self.shared.lock().register(subject, schema)
    }

    /// The text of the subject's latest version.
    pub fn latest(&self, subject: &str) -> Option<String> {
        let state = self.shared.lock();
        let id = *state.subjects.get(subject)?.last()?;
        Some(state.by_id(id)?["schema"].as_str()?.to_owned())
    }

    /// Switches a fault on, or off.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.shared.lock().fault = fault;
        self.shared.changed.notify_all();
    }

    /// All requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn register(&mut self, subject: &str, schema: Value) -> u32 {
        let known = self.schemas.iter().position(|known| *known == schema);
        let place = known.unwrap_or_else(|| {
            self.schemas.push(schema);
            self.schemas.len() - 1
        });
        let id = u32::try_from(place + 1).unwrap();
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        if !versions.contains(&id) {
            versions.push(id);
        }
        id
    }

    fn by_id(&self, id: u32) -> Option<&Value> {
        self.schemas.get(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    /// A version of a subject, from 1, as the registry answers it.
    fn version(&self, subject: &str, place: usize) -> Option<Value> {
        let id = *self.subjects.get(subject)?.get(place)?;
        let mut answer = self.by_id(id)?.clone();
        answer["subject"] = json!(subject);
        answer["version"] = json!(place + 1);
        answer["id"] = json!(id);
        Some(answer)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.lock().ended {
            return;
        }
        let Ok(connection) = connection else { continue };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // A client that went away is none of the registry's business.
            let _ = serve(connection, &shared);
        });
    }
}

fn serve(mut connection: TcpStream, shared: &Shared) -> std::io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
    let (mut length, mut authorization) = (0_u64, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    let Some((status, answer)) = decide(shared, Request { method, path }, authorization, &body) else { return Ok(()) };
    let mut answer = answer.into_bytes();
    let head = format!(
        "HTTP/1.1 {status} status\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        answer.len()
    );
    if shared.lock().fault == Some(Fault::Cut) {
        answer.truncate(answer.len() / 2);
    }
    connection.write_all(&[head.as_bytes(), &answer].concat())
}

/// Status and body; none where the connection is closed without.
fn decide(shared: &Shared, request: Request, authorization: Option<String>, body: &[u8]) -> Option<(u16, String)> {
    let mut state = shared.lock();
    state.requests.push(request.clone());
    match state.fault {
        Some(Fault::Status(status)) => return Some(error(status, u32::from(status) * 100 + 1, "a fault of the test")),
        Some(Fault::Elsewhere) => return Some(error(404, 404, "HTTP 404 Not Found")),
        Some(Fault::Nonsense) => return Some((200, "<html>Welcome!</html>".to_owned())),
        Some(Fault::Drop) => return None,
        Some(Fault::Silent) => {
            let silent = |state: &mut State| state.fault == Some(Fault::Silent) && !state.ended;
            state = shared.changed.wait_while(state, silent).unwrap();
        }
        Some(Fault::Slow(time)) => {
            state = shared.changed.wait_timeout_while(state, time, |state| !state.ended).unwrap().0
        }
        Some(Fault::Cut) | None => {}
    }
    if !allowed(&shared.access, authorization.as_deref()) {
        return Some(error(401, 401, "Unauthorized"));
    }
    Some(answer(&mut state, &request, body))
}

fn answer(state: &mut State, request: &Request, body: &[u8]) -> (u16, String) {
    let path = request.path.split('?').next().unwrap();
    let parts: Vec<String> = path.trim_start_matches('/').split('/').map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let no_subject = |subject: &str| error(404, 40_401, &format!("Subject '{subject}' not found."));
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["subjects"]) => ok(&json!(state.subjects.keys().collect::<Vec<_>>())),
        ("GET", ["config"]) => ok(&json!({ "compatibilityLevel": "BACKWARD" })),
        ("GET", ["schemas", "ids", id]) => match id.parse().ok().and_then(|id| state.by_id(id)) {
            Some(schema) => ok(schema),
            None => error(404, 40_403, &format!("Schema {id} not found")),
        },
        ("GET", ["subjects", subject, "versions"]) => match state.subjects.get(*subject) {
            Some(versions) => ok(&json!((1..=versions.len()).collect::<Vec<_>>())),
            None => no_subject(subject),
        },
        ("GET", ["subjects", subject, "versions", version]) => {
            let Some(versions) = state.subjects.get(*subject) else { return no_subject(subject) };
            let number = if *version == "latest" { versions.len() } else { version.parse().unwrap_or(0) };
            match number.checked_sub(1).and_then(|place| state.version(subject, place)) {
                Some(version) => ok(&version),
                None => error(404, 40_402, &format!("Version {version} not found.")),
            }
        }
        ("POST", ["subjects", subject, rest @ ..]) => {
            let Some(schema) = serde_json::from_slice::<Value>(body).ok().filter(|body| body["schema"].is_string())
            else {
                return error(422, 42_201, "Invalid schema");
            };
            match rest {
                ["versions"] => ok(&json!({ "id": state.register(subject, schema) })),
                [] => {
                    let Some(versions) = state.subjects.get(*subject) else { return no_subject(subject) };
                    let place = versions.iter().position(|&id| state.by_id(id) == Some(&schema));
                    match place.and_then(|place| state.version(subject, place)) {
                        Some(version) => ok(&version),
                        None => error(404, 40_403, "Schema not found"),
                    }
                }
                _ => error(404, 404, "HTTP 404 Not Found"),
            }
        }
        _ => error(404, 404, "HTTP 404 Not Found"),
    }
}

fn ok(body: &Value) -> (u16, String) {
    (200, body.to_string())
}

fn error(status: u16, code: u32, message: &str) -> (u16, String) {
    (status, json!({ "error_code": code, "message": message }).to_string())
}

fn allowed(access: &Access, authorization: Option<&str>) -> bool {
    match access {
        Access::Open => true,
        Access::Bearer(token) => authorization == Some(&format!("Bearer {token}")),
        Access::Basic { user, password } => {
            let coded = authorization.and_then(|text| text.strip_prefix("Basic ")).unwrap_or_default();
            base64(coded).as_deref() == Some(format!("{user}:{password}").as_bytes())
        }
    }
}

/// Decodes base64 (RFC 4648), not with the client's library.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').bytes().map(|byte| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    });
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for digit in digits {
        bits = (bits << 6 | digit?) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    Some(bytes)
}

/// A part of a path, its %-codes read.
fn decode(part: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), part.as_bytes());
    while let [first, more @ ..] = rest {
        rest = more;
        match (first, more) {
            (b'%', [high, low, after @ ..]) => {
                let code = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&code).unwrap(), 16).unwrap());
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).unwrap()
}
