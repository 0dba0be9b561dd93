//! A client of a schema registry, in the dialect that Confluent's and its likes speak over HTTP.
//!
//! Invariants: a schema is asked for once, since ids never change; every call ends within a named time and every answer
//! within a named size; whether an error passes by itself is in its type, and only an answer that surely says
//! *unknown schema* counts as that: a 404 of something else than a registry is not one, or a wrong path in a URL would
//! make every record a reject. No name, password or token is in a message.
//! Absent: retries and waiting, which are whose records wait; compatibility rules, which are the registry's.

mod address;
mod error;
mod references;

pub use error::RegistryError;

use crate::config::RegistrySettings;
use crate::drive::SchemaSource;
use crate::publish::codec::SchemaFailure;
use address::Address;
use base64::Engine as _;
use references::{REFERENCES_MAX, Reference, Referenced, inline};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A registry that does not take a connection within this is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A call to one URL, from name resolution to the answer's last byte.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read: a schema, with all of JSON's quoting.
const ANSWER_BYTES_MAX: u64 = 8 << 20;
/// Schemas held; with more, the lowest id is asked for again.
const SCHEMAS_MAX: usize = 4096;
/// Connections kept open.
const IDLE_CONNECTIONS_MAX: usize = 2;

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// Codes from here on are a registry's own; below, its HTTP server's.
const OWN_ERROR_CODES: std::ops::RangeInclusive<u32> = 40_401..=40_499;

/// A schema registry. Shared by threads; a call blocks its own.
pub struct Registry {
    agent: ureq::Agent,
    /// In the order in which they are tried; at least one.
    addresses: Vec<Address>,
    /// The address that answered last.
    current: AtomicUsize,
    schemas: Mutex<BTreeMap<u32, Arc<str>>>,
}

impl SchemaSource for Registry {
    fn schema(&self, id: u32) -> Result<Arc<str>, SchemaFailure> {
        Self::schema(self, id).map_err(|error| match error {
            error if error.is_transient() => SchemaFailure::Passing(error.to_string()),
            error @ RegistryError::NotFound { .. } => SchemaFailure::NotFound(error.to_string()),
            error => SchemaFailure::Unusable(error.to_string()),
        })
    }
}

/// What a registry answers, of what is read here. Fields depend on the call.
#[derive(Deserialize)]
struct SchemaAnswer {
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct IdAnswer {
    id: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorAnswer {
    error_code: u32,
    message: String,
}

/// An answer with any status.
struct Answer<'r> {
    address: &'r Address,
    status: u16,
    body: Vec<u8>,
}

impl Registry {
    /// The registry of the settings; none where they name none. Nothing is sent yet.
    ///
    /// # Errors
    /// When the URL cannot be one, or needs what this build lacks.
    pub fn new(settings: &RegistrySettings) -> anyhow::Result<Option<Self>> {
        let Some(urls) = settings.url.as_deref().filter(|urls| !urls.trim().is_empty()) else { return Ok(None) };
        let addresses = Address::parse_all(urls, settings)?;
        Ok(Some(Self { agent: agent(), addresses, current: AtomicUsize::new(0), schemas: Mutex::new(BTreeMap::new()) }))
    }

    /// The text of an Avro schema, complete: what it refers to stands in it.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn schema(&self, id: u32) -> Result<Arc<str>, RegistryError> {
        if let Some(known) = self.schemas.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(Arc::clone(known));
        }
        let answer: SchemaAnswer = self.get(&format!("/schemas/ids/{id}"), || format!("schema {id}"))?;
        let text: Arc<str> = self.complete(&format!("schema {id}"), answer)?.into();
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if schemas.len() >= SCHEMAS_MAX {
            schemas.pop_first();
        }
        schemas.insert(id, Arc::clone(&text));
        Ok(text)
    }

    /// Registers a schema under a subject, where it is not yet, and gives its id.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn register(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        let answer = self.post(&format!("/subjects/{}/versions", address::segment(subject)), schema)?;
        if matches!(answer.status, 409 | 422) {
            return Err(RegistryError::Incompatible { subject: subject.to_owned(), message: answer.message() });
        }
        let id: IdAnswer = answer.read(|| format!("subject {subject}"))?;
        Ok(id.id)
    }

    /// The id of a schema under a subject; none where it is not registered there.
    ///
    /// # Errors
    /// See [`RegistryError`], but for `NotFound`.
    pub fn lookup(&self, subject: &str, schema: &str) -> Result<Option<u32>, RegistryError> {
        let answer = self.post(&format!("/subjects/{}", address::segment(subject)), schema)?;
        match answer.read::<IdAnswer>(|| format!("subject {subject}")) {
            Ok(id) => Ok(Some(id.id)),
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a registry answers, and lets us in.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn ping(&self) -> Result<(), RegistryError> {
        self.get::<Vec<String>>("/subjects", || "the list of subjects".to_owned()).map(drop)
    }

    /// Puts what a schema refers to into its text.
    fn complete(&self, what: &str, answer: SchemaAnswer) -> Result<String, RegistryError> {
        avro(what, answer.schema_type)?;
        if answer.references.is_empty() {
            return Ok(answer.schema);
        }
        let (mut open, mut referenced) = (answer.references, Vec::new());
        while let Some(reference) = open.pop() {
            if referenced.iter().any(|known: &Referenced| known.reference == reference) {
                continue;
            }
            let unusable = |reason: String| RegistryError::NotAvro { what: what.to_owned(), reason };
            if referenced.len() >= REFERENCES_MAX {
                return Err(unusable(format!("it refers to more than {REFERENCES_MAX} others")));
            }
            let Reference { subject, version, .. } = &reference;
            let path = format!("/subjects/{}/versions/{version}", address::segment(subject));
            let name = format!("version {version} of subject {subject}, which {what} refers to,");
            let next: SchemaAnswer = self.get(&path, || name.clone())?;
            avro(&name, next.schema_type)?;
            open.extend(next.references);
            referenced.push(Referenced { reference, schema: next.schema });
        }
        inline(&answer.schema, &referenced).map_err(|reason| RegistryError::NotAvro { what: what.to_owned(), reason })
    }

    fn get<T: DeserializeOwned>(&self, path: &str, what: impl Fn() -> String) -> Result<T, RegistryError> {
        self.call(path, None)?.read(what)
    }

    fn post(&self, path: &str, schema: &str) -> Result<Answer<'_>, RegistryError> {
        self.call(path, Some(&serde_json::json!({ "schema": schema })))
    }

    /// Asks one address after the other, from the one that answered last, until one answers with sense.
    fn call(&self, path: &str, body: Option<&serde_json::Value>) -> Result<Answer<'_>, RegistryError> {
        let start = self.current.load(Ordering::Relaxed);
        let mut failed = None;
        for turn in 0..self.addresses.len() {
            let index = (start + turn) % self.addresses.len();
            match self.call_one(&self.addresses[index], path, body) {
                Ok(answer) => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| unreachable_registry("", "no URL is configured".to_owned())))
    }

    fn call_one<'r>(
        &self,
        address: &'r Address,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Answer<'r>, RegistryError> {
        let unavailable = |error: ureq::Error| unreachable_registry(&address.base, reason(&error));
        let url = format!("{}{path}", address.base);
        let result = match body {
            None => address.authorize(self.agent.get(&url)).header("Accept", MEDIA_TYPE).call(),
            Some(body) => {
                let request = address.authorize(self.agent.post(&url));
                request.header("Accept", MEDIA_TYPE).content_type(MEDIA_TYPE).send(body.to_string().as_bytes())
            }
        };
        let mut response = result.map_err(unavailable)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(unavailable)?;
        let answer = Answer { address, status, body };
        match status {
            429 | 500.. => Err(answer.unavailable(format!("answered {status}: {}", answer.message()))),
            _ => Ok(answer),
        }
    }
}

impl fmt::Debug for Registry {
    /// Where it is, without secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.addresses.iter().map(|address| &address.base)).finish()
    }
}

impl Answer<'_> {
    /// The answer as what was asked for; `what` says what that was.
    fn read<T: DeserializeOwned>(&self, what: impl Fn() -> String) -> Result<T, RegistryError> {
        match self.status {
            200..=299 => serde_json::from_slice(&self.body)
                .map_err(|error| self.unavailable(format!("answered what is not {}: {error}", what()))),
            401 | 403 => Err(RegistryError::Refused {
                url: self.address.base.clone(),
                status: self.status,
                what: what(),
                message: self.message(),
            }),
            404 if OWN_ERROR_CODES.contains(&self.error().error_code) => {
                Err(RegistryError::NotFound { url: self.address.base.clone(), what: what() })
            }
            404 => {
                Err(self.unavailable("answered 404, but not as a registry does: is the URL's path right?".to_owned()))
            }
            status => Err(self.unavailable(format!("answered {status}: {}", self.message()))),
        }
    }

    fn error(&self) -> ErrorAnswer {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// What the registry says, cut.
    fn message(&self) -> String {
        const CHARACTERS_MAX: usize = 400;
        let message = self.error().message;
        match message.is_empty() {
            true => "it gives no reason".to_owned(),
            false => message.chars().filter(|character| !character.is_control()).take(CHARACTERS_MAX).collect(),
        }
    }

    fn unavailable(&self, what: String) -> RegistryError {
        unreachable_registry(&self.address.base, what)
    }
}

fn unreachable_registry(url: &str, what: String) -> RegistryError {
    RegistryError::Unavailable { url: url.to_owned(), what }
}

/// What went wrong below HTTP. The library's message may hold a URL, but only ever one of ours, without secrets.
fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("does not answer in time ({error})"),
        ureq::Error::BodyExceedsLimit(limit) => format!("answered more than {limit} bytes"),
        error => format!("does not answer ({error})"),
    }
}

/// Registries leave the type away where it is Avro.
fn avro(what: &str, schema_type: Option<String>) -> Result<(), RegistryError> {
    match schema_type {
        Some(other) if other != "AVRO" => {
            Err(RegistryError::NotAvro { what: what.to_owned(), reason: format!("it is of type {other}") })
        }
        _ => Ok(()),
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(CALL_TIMEOUT))
        .max_idle_connections(IDLE_CONNECTIONS_MAX)
        .http_status_as_error(false)
        .user_agent(concat!("samenloop/", env!("CARGO_PKG_VERSION")));
    #[cfg(feature = "tls")]
    let config = config.tls_config(
        ureq::tls::TlsConfig::builder()
            .provider(ureq::tls::TlsProvider::NativeTls)
            .root_certs(ureq::tls::RootCerts::PlatformVerifier)
            .build(),
    );
    config.build().new_agent()
}

/// `Authorization` for a name and a password.
fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}
