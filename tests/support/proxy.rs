//! A network between a client and a broker that a test can spoil: it delays, cuts connections, or swallows what is sent until it is
//! well again, as TCP does where packets are lost and sent again.

#![allow(dead_code)] // each test that includes this file uses a part of it

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const PIECE_BYTES: usize = 64 << 10;
/// How soon what has changed is noticed.
const LOOK: Duration = Duration::from_millis(20);

/// Listens on a port of its own. It ends with the process.
pub struct Proxy {
    port: u16,
    network: Arc<Network>,
}

#[derive(Default)]
struct Network {
    delay_ms: AtomicU64,
    is_hole: AtomicBool,
    /// Both ends of every connection that there was.
    connections: Mutex<Vec<TcpStream>>,
    /// Connections made so far.
    made: AtomicU64,
}

impl Proxy {
    /// To `upstream`, on `port` of loopback.
    pub fn start(port: u16, upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let network = Arc::new(Network::default());
        let shared = Arc::clone(&network);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                shared.until_well();
                let Ok(server) = TcpStream::connect(upstream) else { continue };
                shared.made.fetch_add(1, Ordering::Relaxed);
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to, network) = (from.try_clone().unwrap(), to.try_clone().unwrap(), Arc::clone(&shared));
                    network.connections.lock().unwrap().push(from.try_clone().unwrap());
                    thread::spawn(move || network.pump(from, to));
                }
            }
        });
        Self { port, network }
    }

    /// For `bootstrap.servers`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Every piece of what is sent, either way, takes so long.
    pub fn delay(&self, delay: Duration) {
        self.network.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Nothing arrives any more, either way; connections stay open. What was sent meanwhile arrives when this ends.
    pub fn swallow(&self, is_hole: bool) {
        self.network.is_hole.store(is_hole, Ordering::Relaxed);
    }

    /// Ends every connection at once. New ones are made as ever. Gives how many there were.
    pub fn cut(&self) -> usize {
        let ends = std::mem::take(&mut *self.network.connections.lock().unwrap());
        // Those that had ended before cannot be.
        ends.iter().filter(|end| end.shutdown(Shutdown::Both).is_ok()).count() / 2
    }

    /// Connections made so far.
    pub fn made(&self) -> u64 {
        self.network.made.load(Ordering::Relaxed)
    }
}

impl Network {
    fn until_well(&self) {
        while self.is_hole.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
        }
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            self.until_well();
            let read = match from.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            thread::sleep(Duration::from_millis(self.delay_ms.load(Ordering::Relaxed)));
            self.until_well();
            if to.write_all(&piece[..read]).is_err() {
                break;
            }
        }
        for end in [&from, &to] {
            let _it_may_be_closed = end.shutdown(Shutdown::Both);
        }
    }
}
