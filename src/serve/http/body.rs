//! A body that holds what its answer needs until the last of it has been taken.

use super::connections::Client;
use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

/// Any body, with its place in the budget; tells the connection when it is done.
pub(super) struct HeldBody {
    body: Body,
    client: Client,
    _place: Option<OwnedSemaphorePermit>,
}

impl HeldBody {
    pub(super) fn new(body: Body, client: Client, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { body, client, _place: place }
    }
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.client.has_answer();
    }
}
