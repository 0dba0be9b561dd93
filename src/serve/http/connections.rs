//! The listener: everybody is let in at once, a bounded number stays, and each must get on.
//!
//! Whoever comes when all places are taken gets that of the connection which has been still for longest and has no answer
//! under way. So a client that asks as soon as it has connected, as probes do, is heard, however many others are idle, send
//! their request by the byte, or do not read. Answers under way are bounded elsewhere ([`super::budget`]), to fewer than
//! there are places.
//!
//! A connection has one deadline. It moves when the server writes, and when the first bytes of a request arrive at an
//! idle connection, not at later ones: a client cannot hold a place by sending a byte now and then, nor by not reading.

use super::Limits;
use crate::watch::metrics::Metrics;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

/// Where a connection stands, and since when.
#[derive(Clone, Copy)]
enum Phase {
    /// A request is to come, or has begun to.
    Asking,
    /// A request has been let through; its answer is not all made yet.
    Answering,
    /// Between requests; the last answer may still be on its way.
    Idle,
}

/// A connection, as its listener and its requests know it.
#[derive(Clone)]
pub(super) struct Client(Arc<Mutex<(Phase, Instant)>>);

impl Client {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((Phase::Asking, Instant::now()))))
    }

    fn get(&self) -> (Phase, Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (phase, Instant::now());
    }

    /// Its request was let through.
    pub(super) fn is_answered(&self) {
        self.set(Phase::Answering);
    }

    /// Its answer has been made, or given up.
    pub(super) fn has_answer(&self) {
        self.set(Phase::Idle);
    }

    fn heard(&self) {
        if matches!(self.get().0, Phase::Idle) {
            self.set(Phase::Asking);
        }
    }

    fn written(&self) {
        match self.get().0 {
            Phase::Answering => self.set(Phase::Answering),
            Phase::Asking | Phase::Idle => self.set(Phase::Idle),
        }
    }

    fn deadline(&self, limits: &Limits) -> Instant {
        match self.get() {
            (Phase::Asking, since) => since + limits.head,
            (Phase::Answering | Phase::Idle, since) => since + limits.silence,
        }
    }
}

/// An open connection: who it is, and, when dropped, its end.
struct Place {
    client: Client,
    _close: oneshot::Sender<Infallible>,
}

/// The open connections, by the number that each got.
#[derive(Default)]
struct Places {
    open: BTreeMap<u64, Place>,
    next: u64,
}

impl Places {
    /// Makes room for one more. Says whether somebody had to go.
    fn make_room(&mut self, connections_max: usize) -> bool {
        if self.open.len() < connections_max {
            return false;
        }
        let standings = self.open.iter().map(|(&number, place)| (place.client.get(), number));
        let may_go = standings.filter(|((phase, _), _)| !matches!(phase, Phase::Answering));
        let Some(((_, _), stillest)) = may_go.min_by_key(|&((_, since), number)| (since, number)) else {
            return false; // not reached: fewer answers than places
        };
        self.open.remove(&stillest).is_some()
    }
}

pub(super) struct Connections {
    listener: TcpListener,
    places: Arc<Mutex<Places>>,
    limits: Limits,
    metrics: Arc<Metrics>,
}

pub(super) struct Connection {
    stream: TcpStream,
    client: Client,
    number: u64,
    places: Arc<Mutex<Places>>,
    limits: Limits,
    deadline: Pin<Box<Sleep>>,
    /// Ready when its place was given to somebody else.
    closed: Pin<Box<oneshot::Receiver<Infallible>>>,
    is_closed: bool,
}

impl Connections {
    pub(super) fn new(listener: TcpListener, limits: Limits, metrics: Arc<Metrics>) -> Self {
        Self { listener, places: Arc::default(), limits, metrics }
    }

    fn open(&self, stream: TcpStream) -> Connection {
        let (client, (close, closed)) = (Client::new(), oneshot::channel());
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.make_room(self.limits.connections) {
            self.metrics.count_http_displaced();
        }
        let number = places.next;
        places.next += 1;
        places.open.insert(number, Place { client: client.clone(), _close: close });
        Connection {
            stream,
            number,
            places: Arc::clone(&self.places),
            limits: self.limits,
            deadline: Box::pin(sleep_until(client.deadline(&self.limits))),
            closed: Box::pin(closed),
            is_closed: false,
            client,
        }
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // axum's own listener waits out a lack of file descriptors.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (self.open(stream), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Connections>> for Client {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        stream.io().client.clone()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&self.number);
    }
}

impl Connection {
    /// Ready when the connection must end.
    fn check(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.is_closed || self.closed.as_mut().poll(context).is_ready() {
            self.is_closed = true;
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        loop {
            let deadline = self.client.deadline(&self.limits);
            if self.deadline.deadline() != deadline {
                self.deadline.as_mut().reset(deadline);
            }
            if self.deadline.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if self.client.deadline(&self.limits) <= Instant::now() {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// What a write came to; a success moves the deadline.
    fn written(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(outcome) => {
                self.client.written();
                Poll::Ready(outcome)
            }
            Poll::Pending => self.check(context).map(Err),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.check(context) {
            return Poll::Ready(Err(error));
        }
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        if outcome.is_ready() {
            self.client.heard();
        }
        outcome
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.written(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
