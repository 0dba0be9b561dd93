//! The HTTP endpoint of a command, and Ctrl-C.

use super::UsageError;
use crate::config::{HttpSettings, Settings};
use crate::edge::http::{Server, State};
use crate::relation::Relation;
use anyhow::Context as _;
use std::io::ErrorKind;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of a process that a second Ctrl-C ended: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

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
                ErrorKind::AddrInUse => "the port is in use; give another with --listen HOST:PORT, 0 for any free one",
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
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            process::exit(INTERRUPTED);
        }
    })
    .context("Ctrl-C cannot be caught")
}
