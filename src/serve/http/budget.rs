//! Who may be answered at once. What supervisors and watchers ask has places of its own, so that no client of lists, rows or
//! counts, however slow, has a healthy process killed or hides it.

use super::answer::Refusal;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Answers under way at once to what is asked of lists and rows.
pub const REQUESTS_MAX: usize = 64;
/// Answers under way at once of `/metrics`.
pub const SCRAPES_MAX: usize = 4;
/// Answers under way at once of `/v1/counts`: each asks the workers again and again.
pub const COUNTS_MAX: usize = 2;

/// Places for answers, by what is asked.
pub(super) struct Budgets {
    requests: Arc<Semaphore>,
    scrapes: Arc<Semaphore>,
    counts: Arc<Semaphore>,
}

impl Default for Budgets {
    fn default() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { requests: places(REQUESTS_MAX), scrapes: places(SCRAPES_MAX), counts: places(COUNTS_MAX) }
    }
}

impl Budgets {
    /// A place for an answer of `route`, held until it has been sent; a probe needs none.
    pub(super) fn place(&self, route: &str) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
        let (places, count, what) = match route {
            "/livez" | "/readyz" => return Ok(None),
            "/metrics" => (&self.scrapes, SCRAPES_MAX, "scrapes"),
            "/v1/counts" => (&self.counts, COUNTS_MAX, "clients that read the counts"),
            _ => (&self.requests, REQUESTS_MAX, "requests"),
        };
        let busy = |_| Refusal::Busy { message: format!("{count} {what} are being answered; ask again later") };
        Arc::clone(places).try_acquire_owned().map(Some).map_err(busy)
    }
}
