//! The HTTP endpoint of a command.

use super::UsageError;
use crate::config::{HttpSettings, Settings};
use crate::facts::Facts;
use crate::list_key::ListName;
use crate::serve::http::{Recommending, Server, State};
use anyhow::Context as _;
use std::io::ErrorKind;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, OnceLock};

/// The lists that are on.
pub(super) fn published_lists(settings: &Settings) -> Vec<ListName> {
    ListName::ALL.into_iter().filter(|list| settings.lists[list.index()].enabled).collect()
}

/// What recommendations go by; `facts` where they are known already.
pub(super) fn recommending(settings: &Settings, facts: Option<Arc<Facts>>) -> Arc<Recommending> {
    let recommending =
        Recommending { rules: settings.lists.to_vec(), facts: OnceLock::new(), peers: settings.http.peers.clone() };
    if let Some(facts) = facts {
        let _first = recommending.facts.set(facts);
    }
    Arc::new(recommending)
}

/// Starts the endpoint, if settings want one. `may_move`: when the default port is taken, any other one will do.
pub(super) fn start(settings: &Settings, state: State, may_move: bool) -> anyhow::Result<Option<Server>> {
    let HttpSettings { enabled, listen, .. } = &settings.http;
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
