//! The body of `/v1/counts`: merged lines, made as the client reads them, given up when it takes too long.

use crate::serve::counts::Merge;
use axum::body::{Bytes, HttpBody};
use http_body::Frame;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

pub(super) struct CountsBody {
    pub(super) merge: Merge,
    pub(super) deadline: Instant,
    /// Held while the text is in memory.
    pub(super) _turn: OwnedSemaphorePermit,
}

impl HttpBody for CountsBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        // An error cuts the chunked body short, so the client sees that it is not whole.
        if Instant::now() > self.deadline {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        Poll::Ready(self.merge.next_chunk().map(|chunk| Ok(Frame::data(chunk))))
    }
}
