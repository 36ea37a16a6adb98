//! What the sandbox received, for assertions and for watching it.

use super::fault::Fault;
use super::provider::Provider;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use bytes::Bytes;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// What stands in the log in place of a secret.
const MASK: &str = "***";

/// One request that the sandbox received.
///
/// Credentials are replaced by `***`: headers that carry one, and the codes, secrets and tokens of queries and of bodies
/// sent to the OAuth endpoint. A body for it that is not a form is replaced as a whole.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// How many requests came before it, those that were forgotten included.
    pub number: usize,
    /// When the request was complete, by the sandbox's clock.
    pub at: Timestamp,
    /// The service that it was sent to.
    pub provider: Provider,
    /// The `operationId` of the service's specification; `None` for a path that the service does not have.
    pub operation: Option<&'static str>,
    /// The method.
    pub method: Method,
    /// The path as sent, percent-encoded.
    pub path: String,
    /// The query as sent, without `?`.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Status of the answer, or of as much of it as was sent; `None` as long as, or if, nothing was answered.
    pub status: Option<u16>,
    /// The fault that was played on it.
    pub fault: Option<Fault>,
    /// Whether the operation took effect so far: its handler ran, did not refuse, and did not [replay](Self::replayed).
    /// With [`Fault::late`] it comes to be true later.
    pub applied: bool,
    /// Whether it was answered as an earlier request under the same `Idempotency-Key`, which had taken effect.
    pub replayed: bool,
}

impl Recorded {
    /// A field of a form body, percent-decoded. The first of that name.
    pub fn form(&self, name: &str) -> Option<String> {
        let body = std::str::from_utf8(&self.body).ok()?;
        field(body, name)
    }

    /// A parameter of the query, percent-decoded. The first of that name.
    pub fn parameter(&self, name: &str) -> Option<String> {
        field(self.query.as_deref()?, name)
    }

    /// The value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

fn field(pairs: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(pairs.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The requests so far, and who subscribes to those that come.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    entries: Arc<Mutex<Entries>>,
    /// The header that Lancers' seed has chosen for the credential.
    lancers_credential: Option<HeaderName>,
    seen: broadcast::Sender<Recorded>,
    /// The requests as they begin, and whether they have ended.
    #[cfg(feature = "sandbox-window")]
    stages: broadcast::Sender<(Recorded, bool)>,
}

#[derive(Debug, Default)]
struct Entries {
    /// How many were forgotten. One that is under way then must not end as another.
    forgotten: usize,
    kept: Vec<Recorded>,
}

impl Log {
    pub(crate) fn new(lancers_credential: &str) -> Self {
        // No request has a header whose name is not one.
        let lancers_credential = HeaderName::try_from(lancers_credential).ok();
        Self {
            entries: Arc::default(),
            lancers_credential,
            seen: broadcast::Sender::new(4096),
            #[cfg(feature = "sandbox-window")]
            stages: broadcast::Sender::new(1024),
        }
    }

    pub(crate) fn entries(&self) -> Vec<Recorded> {
        self.lock().kept.clone()
    }

    pub(crate) fn clear(&self) {
        let mut entries = self.lock();
        entries.forgotten += entries.kept.len();
        entries.kept.clear();
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Recorded> {
        self.seen.subscribe()
    }

    /// Receives each request twice: when it is complete, and when its answer is decided.
    #[cfg(feature = "sandbox-window")]
    pub(crate) fn stages(&self) -> broadcast::Receiver<(Recorded, bool)> {
        self.stages.subscribe()
    }

    /// The newest requests, oldest first.
    #[cfg(feature = "sandbox-window")]
    pub(crate) fn newest(&self, count: usize) -> Vec<Recorded> {
        let entries = self.lock();
        entries.kept[entries.kept.len().saturating_sub(count)..].to_vec()
    }

    /// Writes the request down at once; the entry is completed when the guard is dropped.
    ///
    /// Dropping covers a client that went away while its request was being handled.
    pub(crate) fn open(&self, mut recorded: Recorded) -> Entry {
        mask(&mut recorded, self.lancers_credential.as_ref());
        let mut entries = self.lock();
        recorded.number = entries.forgotten + entries.kept.len();
        entries.kept.push(recorded.clone());
        #[cfg(feature = "sandbox-window")]
        let _ = self.stages.send((recorded.clone(), false));
        Entry { log: self.clone(), recorded }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Nothing panics while the lock is held.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of a request that is being handled.
pub(crate) struct Entry {
    log: Log,
    pub(crate) recorded: Recorded,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut entries = self.log.lock();
        let place = self.recorded.number.checked_sub(entries.forgotten);
        if let Some(entry) = place.and_then(|place| entries.kept.get_mut(place)) {
            *entry = self.recorded.clone();
        }
        drop(entries);
        #[cfg(feature = "sandbox-window")]
        let _ = self.log.stages.send((self.recorded.clone(), true));
        // Without a subscriber it is lost, as it should be.
        let _ = self.log.seen.send(self.recorded.clone());
    }
}

fn mask(recorded: &mut Recorded, lancers_credential: Option<&HeaderName>) {
    let lancers_credential = lancers_credential.filter(|_| recorded.provider == Provider::Lancers);
    for (name, value) in &mut recorded.headers {
        if lancers_credential == Some(name) {
            *value = HeaderValue::from_static(MASK);
        } else if *name == header::AUTHORIZATION || *name == header::PROXY_AUTHORIZATION {
            // The scheme is worth seeing, and is no secret.
            let scheme = value.to_str().ok().and_then(|text| text.split_once(' ')).map(|(scheme, _)| scheme);
            *value = scheme
                .and_then(|scheme| HeaderValue::from_str(&format!("{scheme} {MASK}")).ok())
                .unwrap_or(HeaderValue::from_static(MASK));
        } else if is_secret(name) {
            *value = HeaderValue::from_static(MASK);
        }
    }
    // By the path, since what is meant for the endpoint and misses it is no operation, and carries the same secrets.
    if recorded.provider == Provider::Chatwork && recorded.path.to_ascii_lowercase().contains("token") {
        recorded.body = mask_token_body(&recorded.headers, &recorded.body);
    }
    if let Some(query) = &mut recorded.query {
        *query = mask_form(query);
    }
}

fn mask_token_body(headers: &HeaderMap, body: &Bytes) -> Bytes {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_form = content_type
        .is_some_and(|value| value.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
    match std::str::from_utf8(body) {
        // JSON under the type of a form has quotes; a form has them encoded.
        Ok(form) if is_form && !form.contains(['"', '\n']) => mask_form(form).into(),
        Ok("") => Bytes::new(),
        _ => Bytes::from_static(MASK.as_bytes()),
    }
}

fn is_secret(name: &HeaderName) -> bool {
    let name = name.as_str();
    // An idempotency key is no credential, and tests assert on it.
    name != "idempotency-key"
        && ["token", "secret", "api-key", "auth", "cookie"].iter().any(|word| name.contains(word))
}

/// The form with the values of its secrets replaced and everything else as it was sent.
fn mask_form(form: &str) -> String {
    let masked: Vec<String> = form
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret_field(name) => format!("{name}={MASK}"),
            _ => pair.to_owned(),
        })
        .collect();
    masked.join("&")
}

fn is_secret_field(name: &str) -> bool {
    let name = percent_decode_str(name).decode_utf8_lossy();
    matches!(&*name, "code" | "code_verifier" | "client_secret" | "refresh_token" | "access_token" | "token")
        || name.eq_ignore_ascii_case("x-chatworktoken")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn recorded() -> Recorded {
        Recorded {
            number: 0,
            at: Timestamp::UNIX_EPOCH,
            provider: Provider::Chatwork,
            operation: Some("oauth_token"),
            method: Method::POST,
            path: "/token".to_owned(),
            query: Some("state=1&access_token=abc".to_owned()),
            headers: HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(FORM))]),
            body: Bytes::from_static(b"grant_type=refresh_token&refresh_token=abc&scope=a%3Ab"),
            status: None,
            fault: None,
            applied: false,
            replayed: false,
        }
    }

    #[test]
    fn no_credential_is_kept() {
        let log = Log::new("Cookie");
        let mut request = recorded();
        request.headers.insert("authorization", HeaderValue::from_static("Basic abc"));
        request.headers.insert("x-chatworktoken", HeaderValue::from_static("abc"));
        request.headers.insert("x-api-key", HeaderValue::from_static("abc"));
        request.headers.insert("cookie", HeaderValue::from_static("abc"));
        request.headers.insert("idempotency-key", HeaderValue::from_static("order-1"));
        drop(log.open(request));
        let entry = log.entries().remove(0);
        assert!(!format!("{entry:?}").contains("abc"), "{entry:?}");
        assert_eq!(entry.header("authorization"), Some("Basic ***"));
        assert_eq!(entry.header("idempotency-key"), Some("order-1"));
        assert_eq!(entry.form("scope").as_deref(), Some("a:b"));
        assert_eq!(entry.parameter("state").as_deref(), Some("1"));
    }

    #[test]
    fn parameters_of_the_token_endpoint_are_masked_in_every_request() {
        let json = r#"{"client_secret":"abc=","refresh_token":"abc&scope=abc"}"#;
        let log = Log::new("Cookie");
        for (path, content_type, body, kept) in [
            ("/token", FORM, "grant_type=x&client_secret=abc", "grant_type=x&client_secret=***"),
            ("/token/", FORM, "refresh_token=abc", "refresh_token=***"),
            ("/oauth/Token", "application/x-www-form-urlencoded; charset=utf-8", "code=abc", "code=***"),
            ("/token", "application/json", json, MASK),
            ("/token", FORM, json, MASK),
            ("/token/", "text/plain", "abc", MASK),
            ("/token", "text/plain", "", ""),
        ] {
            let mut request = Recorded { path: path.to_owned(), operation: None, ..recorded() };
            request.headers.insert("content-type", HeaderValue::from_static(content_type));
            request.body = Bytes::from_static(body.as_bytes());
            drop(log.open(request));
            assert_eq!(log.entries().pop().expect("it was kept").body, kept, "{path} {content_type}");
        }
    }

    #[test]
    fn the_header_that_lancers_takes_is_masked() {
        let log = Log::new("X-Session");
        for (provider, kept) in [(Provider::Lancers, MASK), (Provider::Chatwork, "abc")] {
            let mut request = Recorded { provider, ..recorded() };
            request.headers.insert("x-session", HeaderValue::from_static("abc"));
            drop(log.open(request));
            assert_eq!(log.entries().pop().expect("it was kept").header("x-session"), Some(kept));
        }
        drop(Log::new("no header").open(recorded()));
    }

    #[test]
    fn a_forgotten_request_does_not_complete_another_entry() {
        let log = Log::new("Cookie");
        let mut before = log.open(recorded());
        log.clear();
        let after = log.open(Recorded { operation: Some("get_me"), ..recorded() });
        before.recorded.status = Some(500);
        drop(before);
        let entries = log.entries();
        assert_eq!((entries.len(), entries[0].operation, entries[0].status), (1, Some("get_me"), None));
        assert_eq!(entries[0].number, 1);
        drop(after);
    }

    #[test]
    fn an_entry_exists_at_once_and_is_completed_later() {
        let log = Log::new("Cookie");
        let mut seen = log.subscribe();
        let mut entry = log.open(recorded());
        assert_eq!(log.entries()[0].status, None);
        entry.recorded.status = Some(200);
        drop(entry);
        assert_eq!(log.entries()[0].status, Some(200));
        assert_eq!(seen.try_recv().expect("it was reported").status, Some(200));
    }
}
