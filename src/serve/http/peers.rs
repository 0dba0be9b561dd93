//! The other instances: which of them has a partition, and a list from it.
//!
//! They are named by a setting; who has what is learned from their answers (421 of `/v1/lists` is "not I"), kept until an answer says
//! otherwise. A name that stands for several addresses, such as that of a headless service, is all of them.
//! Invariants: every wait is short and named; an answer is asked of `/v1/lists`, which asks nobody else, so no question goes in circles; what
//! is not found is an answer, not an error, and for a while not asked again.

use crate::position::Partition;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode, header};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// For one answer of one instance, connection included.
const ANSWER_WAIT: Duration = Duration::from_millis(500);
/// Addresses of names, and that nobody has a partition, are looked up again after this.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// Connections to one instance that are kept while nothing is asked.
const IDLE_MAX: usize = 8;
/// Addresses of all names together.
const ADDRESSES_MAX: usize = 256;
/// Most bytes of a list: 1,000 entries with long names.
const LIST_BYTES_MAX: usize = 4 << 20;

/// What an instance says of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// This is it, JSON.
    List(Bytes),
    /// There is none.
    NoList,
    /// Its partition is not live.
    NotReady,
}

/// The other instances.
#[derive(Default)]
pub(super) struct Peers {
    names: Vec<String>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Of all names, and since when.
    addresses: Option<(Instant, Arc<[SocketAddr]>)>,
    owners: HashMap<Partition, SocketAddr>,
    /// Partitions that nobody had, and when.
    nowhere: HashMap<Partition, Instant>,
    idle: HashMap<SocketAddr, Vec<SendRequest<Body>>>,
}

impl Peers {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self { names, known: Mutex::default() }
    }

    /// The list behind `path`, which is in `partition`; none where no other instance says anything of it.
    pub(super) async fn list(self: &Arc<Self>, partition: Partition, path: &str) -> Option<Told> {
        if self.names.is_empty() || self.is_nowhere(partition) {
            return None;
        }
        let owner = self.lock().owners.get(&partition).copied();
        if let Some(owner) = owner
            && let Some(told) = self.ask(owner, path).await
        {
            return Some(told);
        }
        let mut asked = JoinSet::new();
        for &address in self.addresses().await.iter().filter(|&&address| Some(address) != owner) {
            let (peers, path) = (Arc::clone(self), path.to_owned());
            asked.spawn(async move { (address, peers.ask(address, &path).await) });
        }
        while let Some(answer) = asked.join_next().await {
            if let Ok((address, Some(told))) = answer {
                self.lock().owners.insert(partition, address);
                return Some(told);
            }
        }
        let mut known = self.lock();
        known.owners.remove(&partition);
        known.nowhere.insert(partition, Instant::now());
        None
    }

    fn is_nowhere(&self, partition: Partition) -> bool {
        self.lock().nowhere.get(&partition).is_some_and(|at| at.elapsed() < KNOWN_FOR)
    }

    async fn addresses(&self) -> Arc<[SocketAddr]> {
        if let Some((at, addresses)) = &self.lock().addresses
            && at.elapsed() < KNOWN_FOR
        {
            return Arc::clone(addresses);
        }
        let mut all = Vec::new();
        for name in &self.names {
            match timeout(ANSWER_WAIT, lookup_host(name.as_str())).await {
                Ok(Ok(found)) => all.extend(found),
                Ok(Err(error)) => tracing::debug!(name, %error, "an instance of http.peers has no address"),
                Err(_) => tracing::debug!(name, "the address of an instance of http.peers did not come in time"),
            }
        }
        all.sort_unstable();
        all.dedup();
        all.truncate(ADDRESSES_MAX);
        let all: Arc<[SocketAddr]> = all.into();
        self.lock().addresses = Some((Instant::now(), Arc::clone(&all)));
        all
    }

    /// What the instance at `address` says; nothing where it has not the partition, or does not answer.
    async fn ask(&self, address: SocketAddr, path: &str) -> Option<Told> {
        let asked = timeout(ANSWER_WAIT, async {
            // A connection that was kept may have been closed meanwhile: then a new one is tried.
            while let Some(sender) = self.take_idle(address) {
                if let Ok(told) = self.send(sender, address, path).await {
                    return Ok(told);
                }
            }
            self.send(connect(address).await?, address, path).await
        });
        match asked.await {
            Ok(Ok(told)) => told,
            Ok(Err(error)) => {
                tracing::debug!(%address, %error, "an instance of http.peers gave no answer");
                None
            }
            Err(_) => {
                tracing::debug!(%address, "an instance of http.peers gave no answer in time");
                None
            }
        }
    }

    async fn send(
        &self,
        mut sender: SendRequest<Body>,
        address: SocketAddr,
        path: &str,
    ) -> anyhow::Result<Option<Told>> {
        sender.ready().await?;
        let request = Request::get(path).header(header::HOST, address.to_string()).body(Body::empty())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = to_bytes(Body::new(response.into_body()), LIST_BYTES_MAX).await?;
        self.keep(address, sender);
        Ok(match status {
            StatusCode::OK => Some(Told::List(body)),
            StatusCode::NOT_FOUND => Some(Told::NoList),
            StatusCode::SERVICE_UNAVAILABLE => Some(Told::NotReady),
            _ => None,
        })
    }

    fn take_idle(&self, address: SocketAddr) -> Option<SendRequest<Body>> {
        let mut known = self.lock();
        let idle = known.idle.get_mut(&address)?;
        std::iter::from_fn(|| idle.pop()).find(|sender| !sender.is_closed())
    }

    fn keep(&self, address: SocketAddr, sender: SendRequest<Body>) {
        let mut known = self.lock();
        let idle = known.idle.entry(address).or_default();
        if idle.len() < IDLE_MAX {
            idle.push(sender);
        }
        known.idle.retain(|_, idle| {
            idle.retain(|sender| !sender.is_closed());
            !idle.is_empty()
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Body>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Ends when either side closes it; an idle one is closed by the other instance.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%address, %error, "a connection to an instance of http.peers ended");
        }
    });
    Ok(sender)
}
