//! The HTTP endpoint of a command, and Ctrl-C.

use super::UsageError;
use crate::config::{HttpSettings, Settings};
use crate::relation::Relation;
use crate::serve::http::{Server, State};
use anyhow::Context as _;
use console::Term;
use std::io::ErrorKind;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Exit code of a process that a second Ctrl-C ended: 128 + SIGINT.
const INTERRUPTED: i32 = 130;
/// A second signal so soon is the same wish: `timeout` signals a process and its group at once.
const SAME_WISH_MAX: Duration = Duration::from_millis(500);

/// The relations whose lists are on.
pub(super) fn published_lists(settings: &Settings) -> Vec<Relation> {
    Relation::ALL.into_iter().filter(|relation| settings.lists[relation.index()].enabled).collect()
}

/// Starts the endpoint, if settings want one. `may_move`: when the default port is taken, any other one will do.
pub(super) fn start(settings: &Settings, state: State, may_move: bool) -> anyhow::Result<Option<Server>> {
    let HttpSettings { enabled, listen } = &settings.http;
    if !enabled {
        return Ok(None);
    }
    let address = resolve(listen)?;
    let may_move = may_move && *listen == HttpSettings::default().listen;
    match Server::start(address, state.clone()) {
        Ok(server) => Ok(Some(server)),
        Err(error) if error.kind() == ErrorKind::AddrInUse && may_move => {
            tracing::warn!(%address, "port is in use, taking another");
            let any = SocketAddr::new(address.ip(), 0);
            Ok(Some(Server::start(any, state).with_context(|| format!("http on {any}: cannot listen"))?))
        }
        Err(error) => {
            let hint = match error.kind() {
                ErrorKind::AddrInUse => {
                    "the port is in use; give another with --set http.listen=HOST:PORT, port 0 for any free one"
                }
                ErrorKind::PermissionDenied => "not allowed; ports below 1024 need rights",
                ErrorKind::AddrNotAvailable => "this machine does not have that address",
                _ => "cannot listen",
            };
            Err(anyhow::Error::from(error).context(format!("http on {listen}: {hint}")))
        }
    }
}

fn resolve(listen: &str) -> anyhow::Result<SocketAddr> {
    let mut addresses =
        listen.to_socket_addrs().with_context(|| UsageError(format!("http.listen {listen}: no such address")))?;
    addresses.next().with_context(|| UsageError(format!("http.listen {listen}: no such address")))
}

/// Sets `stop` at the first Ctrl-C or SIGTERM, and ends the process at the second. Once per process.
pub(super) fn stop_at_signal(stop: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let stop = Arc::clone(stop);
    let mut first = None;
    ctrlc::set_handler(move || {
        stop.store(true, Ordering::Relaxed);
        if is_another_wish(&mut first, Instant::now()) {
            let term = Term::stdout();
            if term.is_term() {
                let _ = term.show_cursor(); // the live view hides it; a terminal that is gone needs none
            }
            process::exit(INTERRUPTED);
        }
    })
    .context("Ctrl-C cannot be caught")
}

/// Whether a signal at `now` came long enough after the first one, which is noted here.
fn is_another_wish(first: &mut Option<Instant>, now: Instant) -> bool {
    now.duration_since(*first.get_or_insert(now)) >= SAME_WISH_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_signal_well_after_the_first_ends_the_process() {
        let mut first = None;
        let start = Instant::now();
        for (after_ms, ends) in [(0, false), (0, false), (499, false), (500, true), (9_000, true)] {
            let now = start + Duration::from_millis(after_ms);
            assert_eq!(is_another_wish(&mut first, now), ends, "{after_ms} ms");
        }
    }
}
