//! HTTP: metrics, health, the lists as published, and what the workers say of rows and counts; and verdicts.
//!
//! The server lives on a thread of its own (one tokio runtime, current thread); workers never see it, but for the
//! questions in their queue ([`super::query`]). Every wait and size has a limit ([`Limits`]); `/livez` and `/readyz` are answered
//! whatever else is asked (`connections`, `budget`).
//! Only verdicts can be written, and only by who knows the token ([`super::verdicts`]).
//! Absent: TLS, authentication of anything else. It listens where it is told (by default the settings say loopback); a proxy does the rest.

mod answer;
mod body;
mod budget;
mod clicks;
mod connections;
mod counts;
mod peers;
mod probes;
mod recommendations;
mod review;
mod routes;
mod verdicts;

pub use answer::{clicks_path, list_path, review_path, row_path};
pub use budget::{COUNTS_MAX, REQUESTS_MAX, SCRAPES_MAX};

use super::query::Queries;
use super::verdicts::VerdictDesk;
use super::view::ListView;
use crate::facts::Facts;
use crate::list_key::ListName;
use crate::rules::ListRules;
use crate::watch::health::Health;
use crate::watch::metrics::Metrics;
use budget::Budgets;
use connections::{Client, Connections};
use peers::Peers;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io, thread};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;

/// Longest path and query of a request, in bytes: an item of 256 bytes, percent-encoded, and room for the rest.
pub const URI_BYTES_MAX: usize = 4096;

/// Most bytes of header names and values of a request.
pub const HEADER_BYTES_MAX: usize = 16 << 10;

/// Connections that the kernel has made and the server has not taken yet, at most. It takes them as they come.
const LISTEN_QUEUE: u32 = 1024;

/// How long things may take, and how many may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are open at once, more than there are answers at once. Beyond, the one that has been still for
    /// longest goes.
    pub connections: usize,
    /// The head of a request must have arrived within this: since the connection was made, or since its first byte.
    pub head: Duration,
    /// A connection is closed when it is idle, when a request takes longer to be answered, or when a client reads nothing of
    /// its answer, for this long.
    pub silence: Duration,
    /// Workers must answer within this; less than `silence`.
    pub answer: Duration,
    /// All of `/v1/counts` must have been read within this.
    pub counts: Duration,
    /// At a stop, answers in progress may end within this.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head: Duration::from_secs(10),
            silence: Duration::from_secs(60),
            answer: Duration::from_secs(30),
            counts: Duration::from_secs(1800),
            shutdown: Duration::from_secs(5),
        }
    }
}

/// What the server reads from.
#[derive(Clone)]
pub struct State {
    /// Lists as published.
    pub view: Arc<ListView>,
    /// Heartbeats, and which partitions are here.
    pub health: Arc<Health>,
    /// The workers.
    pub queries: Queries,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The relations whose lists are published.
    pub lists: Vec<ListName>,
    /// What `/v1/recommendations` needs besides.
    pub recommending: Arc<Recommending>,
    /// Who takes verdicts, if a token is set.
    pub verdicts: Option<Arc<VerdictDesk>>,
    /// How long things may take.
    pub limits: Limits,
}

/// What lists of several items are combined by.
#[derive(Debug, Default)]
pub struct Recommending {
    /// Of every list, by [`ListName::index`].
    pub rules: Vec<ListRules>,
    /// What is known of items, once somebody reads it.
    pub facts: OnceLock<Arc<Facts>>,
    /// The other instances, host and port each.
    pub peers: Vec<String>,
}

/// A running server. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `listen` (port 0: any free one) and answers from a thread of its own.
    ///
    /// # Errors
    /// When the address is taken or not ours, or the machine has no more threads or file descriptors.
    pub fn start(listen: SocketAddr, state: State) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let listener = {
            let _inside = runtime.enter();
            let socket = if listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?; // a restart does not wait for connections of before
            socket.bind(listen)?;
            socket.listen(LISTEN_QUEUE)?
        };
        let address = listener.local_addr()?;
        let connections = Connections::new(listener, state.limits, Arc::clone(&state.metrics));
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("http".to_owned()).spawn(move || {
            runtime.block_on(serve(connections, state, stopped));
        })?;
        tracing::info!(%address, "http listens");
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens, with the port that was chosen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new request, lets those in progress end within [`Limits::shutdown`], and returns.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ended_before = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("http thread panicked");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// State as the routes share it.
struct Shared {
    state: State,
    budgets: Budgets,
    peers: Arc<Peers>,
}

impl Shared {
    /// What is known of items, once all of it has been read.
    fn facts(&self) -> Option<&Facts> {
        self.state.recommending.facts.get().map(Arc::as_ref).filter(|facts| facts.is_complete())
    }
}

async fn serve(connections: Connections, state: State, stopped: oneshot::Receiver<()>) {
    let shutdown = state.limits.shutdown;
    let peers = Arc::new(Peers::new(state.recommending.peers.clone()));
    let shared = Arc::new(Shared { state, budgets: Budgets::default(), peers });
    let service = routes::router(shared).into_make_service_with_connect_info::<Client>();
    let (begin_grace, mut grace) = oneshot::channel::<()>();
    let signal = async move {
        let _sender_dropped = stopped.await;
        drop(begin_grace);
    };
    let served = axum::serve(connections, service).with_graceful_shutdown(signal);
    let too_long = async {
        let _begun = (&mut grace).await;
        tokio::time::sleep(shutdown).await;
    };
    tokio::select! {
        result = served => if let Err(error) = result {
            tracing::error!(%error, "http ended");
        },
        () = too_long => tracing::warn!("http stopped with answers in progress"),
    }
}

#[cfg(test)]
mod tests;
