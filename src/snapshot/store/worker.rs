//! The thread on which a store's requests run, for callers that block.

use super::StoreError;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, EnterGuard, Handle};
use tokio::sync::oneshot;

/// How long the end waits for work on files that cannot be stopped.
const END_WAIT: Duration = Duration::from_secs(5);

/// A thread with a runtime. Ends when it is dropped; what it was doing is dropped too.
pub(super) struct Worker {
    handle: Handle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A request that runs.
pub(super) struct Pending<T> {
    result: Receiver<T>,
}

impl Worker {
    pub(super) fn start() -> Result<Self, StoreError> {
        let cannot = |error: std::io::Error| StoreError::of_io("the store's thread", &error);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let run = move || {
            // Either way: somebody wants the end.
            let _ = runtime.block_on(ended);
            runtime.shutdown_timeout(END_WAIT);
        };
        let thread = std::thread::Builder::new().name("snapshot-store".to_owned()).spawn(run).map_err(cannot)?;
        Ok(Self { handle, end: Some(end), thread: Some(thread) })
    }

    /// Makes this thread one of the runtime's, for making clients.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    pub(super) fn begin<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Pending<T> {
        let (done, result) = sync_channel(1);
        self.handle.spawn(async move {
            let value = work.await;
            // Nobody may be waiting any more.
            let _ = done.send(value);
        });
        Pending { result }
    }
}

impl<T> Pending<T> {
    /// `None`: the work has panicked, its thread has ended, or it takes longer than `longest`.
    pub(super) fn done(self, longest: Option<Duration>) -> Option<T> {
        match longest {
            None => self.result.recv().ok(),
            Some(longest) => self.result.recv_timeout(longest).ok(),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
