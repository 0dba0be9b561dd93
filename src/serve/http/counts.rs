//! The answer of `/v1/counts`: portions, asked of one worker after another as the client reads.
//!
//! Invariants: besides what the connection buffers, two portions are held; the next one is asked for when there is room, so
//! a client that reads slowly slows down nobody but itself. A text that is not whole ends as a broken transfer.

use super::Shared;
use super::answer::Refusal;
use super::routes::in_time;
use crate::event::EventTime;
use crate::serve::counts::{CountsFrom, Rest, tally_lines};
use crate::serve::query::{AskError, CountsAnswer};
use axum::body::{Body, Bytes, HttpBody};
use http_body::Frame;
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// How long until a worker whose queue is full is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// What goes from the one that asks the workers to the one that writes to the client.
enum Piece {
    Text(Bytes),
    /// All has been given.
    End,
}

/// How far the workers have been asked.
struct Asking {
    shared: Arc<Shared>,
    start: CountsFrom,
    worker: usize,
    from: CountsFrom,
    tallies: Option<BTreeMap<&'static str, u64>>,
}

/// All counts, decayed to `as_of`.
///
/// # Errors
/// When the first worker does not answer: as yet it can be said.
pub(super) async fn counts(shared: Arc<Shared>, as_of: Option<EventTime>) -> Result<Body, Refusal> {
    let deadline = Instant::now() + shared.state.limits.counts;
    let start = CountsFrom::Start { as_of };
    let mut asking = Asking { shared, start, worker: 0, from: start, tallies: Some(BTreeMap::new()) };
    let first = asking.next().await?;
    let (out, pieces) = mpsc::channel(1);
    tokio::spawn(asking.give(first, out));
    Ok(Body::new(CountsBody { pieces, deadline }))
}

impl Asking {
    /// The next lines, perhaps none at the moment; nothing when all have been given.
    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        if self.worker == self.shared.state.queries.workers() {
            return Ok(self.tallies.take().map(|tallies| Bytes::from(tally_lines(&tallies))));
        }
        let portion = in_time(&self.shared, self.ask()).await?;
        let portion = portion.map_err(|moved| Refusal::Busy { message: moved.to_string() })?;
        match portion.rest {
            Rest::Next(next) => self.from = CountsFrom::Next(next),
            Rest::Tallies(tallies) => {
                for (name, count) in tallies {
                    *self.tallies.get_or_insert_default().entry(name).or_default() += count;
                }
                (self.worker, self.from) = (self.worker + 1, self.start);
            }
        }
        Ok(Some(portion.text))
    }

    async fn ask(&self) -> Result<CountsAnswer, AskError> {
        loop {
            match self.shared.state.queries.counts(self.worker, self.from).await {
                Err(AskError::Busy) => sleep(BUSY_PAUSE).await,
                answer => return answer,
            }
        }
    }

    async fn give(mut self, mut text: Option<Bytes>, out: mpsc::Sender<Piece>) {
        while let Some(lines) = text {
            if !lines.is_empty() && out.send(Piece::Text(lines)).await.is_err() || out.is_closed() {
                return; // the client has gone
            }
            text = match self.next().await {
                Ok(text) => text,
                Err(refusal) => {
                    tracing::warn!(reason = refusal.message(), "an answer of /v1/counts was cut short");
                    return;
                }
            };
        }
        let _gone = out.send(Piece::End).await;
    }
}

/// The body, given up when it takes too long.
struct CountsBody {
    pieces: mpsc::Receiver<Piece>,
    deadline: Instant,
}

impl HttpBody for CountsBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        // An error cuts the chunked body short, so the client sees that it is not whole.
        let cut = |kind: io::ErrorKind| Poll::Ready(Some(Err(kind.into())));
        if Instant::now() > self.deadline {
            return cut(io::ErrorKind::TimedOut);
        }
        match ready!(self.pieces.poll_recv(context)) {
            Some(Piece::Text(lines)) => Poll::Ready(Some(Ok(Frame::data(lines)))),
            Some(Piece::End) => Poll::Ready(None),
            None => cut(io::ErrorKind::UnexpectedEof),
        }
    }
}
