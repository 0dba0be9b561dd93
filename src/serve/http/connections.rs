//! The listener: everybody is let in at once, a bounded number stays, and each must get on.
//!
//! Whoever comes when all places are taken gets that of the connection which has been still for longest and has no answer
//! under way. So a client that asks as soon as it has connected, as probes do, is heard, however many others are idle, send
//! their request by the byte, or do not read. Nobody has to go before it has been listened to for [`GRACE`]: faster
//! newcomers wait in the kernel's queue. Answers under way are bounded elsewhere ([`super::budget`]), to fewer than there are
//! places.
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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a connection may be still before it can be made to go: longer than it takes to send a request once connected, and
/// short enough that thousands of newcomers do not wait for each other.
const GRACE: Duration = Duration::from_millis(10);

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nobody has listened to it yet.
    New,
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
        Self(Arc::new(Mutex::new((Phase::New, Instant::now()))))
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

    /// It is listened to.
    fn listen(&self) {
        if self.get().0 == Phase::New {
            self.set(Phase::Asking);
        }
    }

    /// It has sent something.
    fn heard(&self) {
        if self.get().0 == Phase::Idle {
            self.set(Phase::Asking);
        }
    }

    fn written(&self) {
        match self.get().0 {
            Phase::Answering => self.set(Phase::Answering),
            Phase::New | Phase::Asking | Phase::Idle => self.set(Phase::Idle),
        }
    }

    fn deadline(&self, limits: &Limits) -> Instant {
        match self.get() {
            (Phase::New | Phase::Asking, since) => since + limits.head,
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

/// Room for one more connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Free,
    /// Somebody had to go.
    Made,
    /// Nobody can be made to go before this.
    NotBefore(Instant),
}

impl Places {
    fn make_room(&mut self, connections_max: usize, now: Instant) -> Room {
        if self.open.len() < connections_max {
            return Room::Free;
        }
        let standings = self.open.iter().map(|(&number, place)| (place.client.get(), number));
        let may_go = standings.filter(|((phase, _), _)| matches!(phase, Phase::Asking | Phase::Idle));
        match may_go.min_by_key(|&((_, since), number)| (since, number)) {
            Some(((_, since), stillest)) if since + GRACE <= now => {
                self.open.remove(&stillest);
                Room::Made
            }
            Some(((_, since), _)) => Room::NotBefore(since + GRACE),
            None => Room::NotBefore(now + GRACE),
        }
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

    /// Waits until there is room for one more.
    async fn room(&self) {
        loop {
            let room = self.places().make_room(self.limits.connections, Instant::now());
            match room {
                Room::Free => return,
                Room::Made => return self.metrics.count_http_displaced(),
                Room::NotBefore(time) => sleep_until(time).await,
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, stream: TcpStream) -> Connection {
        let (client, (close, closed)) = (Client::new(), oneshot::channel());
        let mut places = self.places();
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
        self.room().await;
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
        self.client.listen();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Connections as given, with how long ago in ms each got there.
    fn places(now: Instant, standings: &[(Phase, u64)]) -> Places {
        let place = |&(phase, ago_ms)| {
            let client = Client::new();
            *client.0.lock().unwrap() = (phase, now - Duration::from_millis(ago_ms));
            Place { client, _close: oneshot::channel().0 }
        };
        Places { open: (0..).zip(standings.iter().map(place)).collect(), next: 0 }
    }

    #[test]
    fn the_stillest_without_an_answer_under_way_goes_once_it_has_been_listened_to_for_long_enough() {
        use Phase::{Answering, Asking, Idle, New};
        let now = Instant::now() + Duration::from_secs(3600);
        let ms = Duration::from_millis;
        for (standings, expected, gone) in [
            (&[(Idle, 900), (Idle, 900)][..], Room::Free, None),
            (&[(Idle, 500), (Asking, 900), (Idle, 700)], Room::Made, Some(1)),
            (&[(Answering, 5000), (Idle, 500), (Asking, 500)], Room::Made, Some(1)),
            (&[(New, 5000), (Asking, 11), (Idle, 10)], Room::Made, Some(1)),
            (&[(New, 5000), (Asking, 9), (Idle, 3)], Room::NotBefore(now + ms(1)), None),
            (&[(Answering, 5000), (New, 500), (Answering, 1)], Room::NotBefore(now + GRACE), None),
            (&[(Idle, 10), (Idle, 9), (Idle, 9)], Room::Made, Some(0)),
        ] {
            let mut places = places(now, standings);
            assert_eq!(places.make_room(3, now), expected, "{standings:?}");
            let left: Vec<u64> = places.open.keys().copied().collect();
            let all = 0..standings.len() as u64;
            assert_eq!(left, all.filter(|&number| Some(number) != gone).collect::<Vec<_>>(), "{standings:?}");
        }
    }
}
