//! Webhooks out: signed, and posted to an address on this machine.

use super::State;
use super::data::{Data, Ids};
use super::model::RoomData;
use axum::body::Body;
use axum::http::{Request, StatusCode, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::Sha256;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// A receiver has this long to answer; real time, as its socket is.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An answer longer than this counts as an error.
const MAX_ANSWER: usize = 2048;

/// A setting of the webhook page: which events go where.
#[derive(Clone)]
#[must_use = "a webhook does nothing until a seed or a view has it"]
pub struct Webhook {
    account: u64,
    url: String,
    token: Option<String>,
    mentions: bool,
    room: Option<u64>,
    created: bool,
    updated: bool,
}

impl Webhook {
    /// Tells of mentions of this account (`mention_to_me`), in whatever room. To anything but an `http` URL on loopback
    /// nothing is posted, and the [`Delivery`] says so.
    pub fn account(account: u64, url: impl Into<String>) -> Self {
        let url = url.into();
        Self { account, url, token: None, mentions: true, room: None, created: false, updated: false }
    }

    /// Tells this account of new and edited messages (`message_created`, `message_updated`) of one room it is in. To anything
    /// but an `http` URL on loopback nothing is posted, and the [`Delivery`] says so.
    pub fn room(account: u64, room: u64, url: impl Into<String>) -> Self {
        let url = url.into();
        Self { account, url, token: None, mentions: false, room: Some(room), created: true, updated: true }
    }

    /// Of a room, only new messages.
    pub fn only_created(mut self) -> Self {
        self.updated = false;
        self
    }

    /// Of a room, only edited messages.
    pub fn only_updated(mut self) -> Self {
        self.created = false;
        self
    }

    /// The token of the setting: Base64 of the key that signs. Default: one made from the sandbox's seed.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Panics unless its account and its room are there.
    #[track_caller]
    pub(super) fn require(&self, data: &Data) {
        data.require_accounts(&[self.account]);
        if let Some(room) = self.room {
            assert!(data.rooms.contains_key(&room), "there is no room {room} for a webhook");
        }
    }

    fn wants(&self, event: &Event, room: &RoomData) -> bool {
        let of_room = self.room == Some(event.room) && room.members.contains_key(&self.account);
        match event.kind {
            EventKind::Created => of_room && self.created,
            EventKind::Updated => of_room && self.updated,
            EventKind::Mention(account) => self.mentions && account == self.account,
        }
    }
}

/// Without the token.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("account", &self.account)
            .field("room", &self.room)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// What the webhook page shows of a setting.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisteredWebhook {
    /// The `webhook_setting_id` of its events.
    pub setting_id: String,
    /// The token that its signatures are checked with.
    pub token: String,
    /// Where it posts to.
    pub url: String,
    /// Whether it posts: no longer, once too many of its webhooks in a row have failed.
    pub enabled: bool,
}

/// Without the token.
impl fmt::Debug for RegisteredWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredWebhook")
            .field("setting_id", &self.setting_id)
            .field("url", &self.url)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

/// One webhook that was posted, or could not be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Whose setting it came from.
    pub setting_id: String,
    /// `message_created`, `message_updated` or `mention_to_me`.
    pub event_type: &'static str,
    /// Where it was posted to, without the signature.
    pub url: String,
    /// The body as sent.
    pub body: String,
    /// The signature as sent in the header.
    pub signature: String,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
    /// What went wrong: no connection, no answer, one that is too long, or an address that is not on this machine.
    pub error: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    pub(super) room: u64,
    pub(super) message: u64,
    pub(super) now: Timestamp,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum EventKind {
    Created,
    Updated,
    Mention(u64),
}

/// A webhook that waits to be posted.
#[derive(Debug)]
pub(crate) struct Outgoing {
    setting: RegisteredWebhook,
    event_type: &'static str,
    body: String,
}

#[derive(Debug)]
struct Setting {
    webhook: Webhook,
    registered: RegisteredWebhook,
    /// How many of its webhooks in a row have failed.
    errors: u32,
}

#[derive(Debug)]
pub(super) struct Webhooks {
    settings: Vec<Setting>,
    errors_allowed: u32,
    outbox: mpsc::UnboundedSender<Outgoing>,
    pub(super) deliveries: Vec<Delivery>,
}

impl Webhooks {
    pub(super) fn new(outbox: mpsc::UnboundedSender<Outgoing>, errors_allowed: u32) -> Self {
        Self { settings: Vec::new(), errors_allowed, outbox, deliveries: Vec::new() }
    }

    pub(super) fn add(&mut self, ids: &mut Ids, webhook: Webhook) -> RegisteredWebhook {
        let token = webhook.token.clone().unwrap_or_else(|| STANDARD.encode(ids.bytes::<32>()));
        let setting_id = (self.settings.len() + 1).to_string();
        let registered = RegisteredWebhook { setting_id, token, url: webhook.url.clone(), enabled: true };
        self.settings.push(Setting { webhook, registered: registered.clone(), errors: 0 });
        registered
    }

    pub(super) fn registered(&self) -> Vec<RegisteredWebhook> {
        self.settings.iter().map(|setting| setting.registered.clone()).collect()
    }

    pub(super) fn enable(&mut self, setting_id: &str) -> bool {
        let Some(setting) = self.setting(setting_id) else { return false };
        (setting.errors, setting.registered.enabled) = (0, true);
        true
    }

    /// Puts an event into the outbox of everybody who wants it.
    pub(super) fn notify(&self, event: Event, room: &RoomData) {
        for Setting { webhook, registered, .. } in &self.settings {
            if registered.enabled && webhook.wants(&event, room) {
                let (event_type, body) = envelope(&event, room, &registered.setting_id);
                // Without a receiver the sandbox is being dropped.
                let _ = self.outbox.send(Outgoing {
                    setting: registered.clone(),
                    event_type,
                    body: body.to_string(),
                });
            }
        }
    }

    fn log(&mut self, delivery: Delivery) {
        let allowed = self.errors_allowed;
        if let Some(setting) = self.setting(&delivery.setting_id) {
            setting.errors = if delivery.error.is_some() { setting.errors + 1 } else { 0 };
            if setting.errors > allowed {
                setting.registered.enabled = false;
            }
        }
        self.deliveries.push(delivery);
    }

    fn setting(&mut self, setting_id: &str) -> Option<&mut Setting> {
        self.settings.iter_mut().find(|setting| setting.registered.setting_id == setting_id)
    }
}

fn envelope(event: &Event, room: &RoomData, setting_id: &str) -> (&'static str, Value) {
    let message = room.messages.get(&event.message);
    let author = message.map_or(0, |message| message.author);
    let mut content = json!({
        "message_id": event.message.to_string(),
        "room_id": room.id,
        "body": message.map_or("", |message| &message.body),
        "send_time": message.map_or(0, |message| message.sent.as_second()),
        "update_time": message.and_then(|message| message.updated).map_or(0, Timestamp::as_second),
    });
    let event_type = match event.kind {
        EventKind::Created | EventKind::Updated => {
            content["account_id"] = json!(author);
            if matches!(event.kind, EventKind::Created) { "message_created" } else { "message_updated" }
        }
        EventKind::Mention(account) => {
            content["from_account_id"] = json!(author);
            content["to_account_id"] = json!(account);
            "mention_to_me"
        }
    };
    let envelope = json!({
        "webhook_setting_id": setting_id,
        "webhook_event_type": event_type,
        "webhook_event_time": event.now.as_second(),
        "webhook_event": content,
    });
    (event_type, envelope)
}

/// Posts what comes, one after the other, for as long as it runs. Nothing is posted twice.
pub(crate) async fn deliver(state: Arc<State>) {
    let outbox = state.outbox.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    let Some(mut outbox) = outbox else { return };
    while let Some(Outgoing { setting, event_type, body }) = outbox.recv().await {
        let signature = sign(&setting.token, body.as_bytes());
        let posting = post(&setting.url, &signature, body.clone());
        let outcome = match tokio::time::timeout(TIMEOUT, posting).await {
            Ok(outcome) => outcome,
            Err(_) => Err("no answer in 10 seconds".into()),
        };
        let RegisteredWebhook { setting_id, url, .. } = setting;
        let (status, error) = match outcome {
            Ok((status, error)) => (Some(status), error),
            Err(error) => (None, Some(error.to_string())),
        };
        let delivery = Delivery { setting_id, event_type, url, body, signature, status, error };
        state.lock().webhooks.log(delivery);
    }
}

/// Base64 of HMAC-SHA256 over the body, with the decoded token as the key.
fn sign(token: &str, body: &[u8]) -> String {
    // A token that is no Base64 signs with the key that is left: none.
    let key = STANDARD.decode(token).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of every length");
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The status, and what is wrong with the answer.
async fn post(url: &str, signature: &str, body: String) -> Result<(u16, Option<String>), BoxError> {
    let uri: Uri = url.parse()?;
    let host = uri.host().ok_or("the URL has no host")?;
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if uri.scheme_str() != Some("http") || !loopback {
        return Err("the sandbox posts to http URLs of loopback addresses only".into());
    }
    let stream = TcpStream::connect((name, uri.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::post(target(&uri, signature))
        .header(header::HOST, uri.authority().map_or(host, |authority| authority.as_str()))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "ChatWork-Webhook/1.0.0")
        .header("x-chatworkwebhooksignature", signature)
        .body(Body::from(body))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = axum::body::to_bytes(Body::new(response.into_body()), MAX_ANSWER).await;
        let error = if status != StatusCode::OK {
            Some(format!("the receiver answered {status}"))
        } else {
            answer.is_err().then(|| "the answer is longer than 2048 bytes, or was cut".to_owned())
        };
        Ok((status.as_u16(), error))
    };
    // The connection moves only while it is polled; it is dropped with the exchange.
    match futures::future::select(std::pin::pin!(exchange), std::pin::pin!(connection)).await {
        futures::future::Either::Left((outcome, _)) => outcome,
        futures::future::Either::Right((Err(error), _)) => Err(error.into()),
        futures::future::Either::Right((Ok(()), exchange)) => exchange.await,
    }
}

/// Path and query, with the signature before the query that the URL has.
fn target(uri: &Uri, signature: &str) -> String {
    let signature = utf8_percent_encode(signature, NON_ALPHANUMERIC);
    let query = uri.query().map(|query| format!("&{query}")).unwrap_or_default();
    format!("{}?chatwork_webhook_signature={signature}{query}", uri.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_published_samples_say() {
        assert_eq!(
            sign("sz6o4tXnI0nm0KBdqHOeCJc6ekI=", b"test"),
            "rgvtfnFpqHHbwJB9dJ3Gl8YyjT8kW0w9CpMjpzjnUO4="
        );
    }

    #[test]
    fn the_signature_stands_in_the_query_as_well() {
        let uri: Uri = "http://127.0.0.1:80/hook?code=1".parse().expect("it is a URL");
        assert_eq!(target(&uri, "a/b="), "/hook?chatwork_webhook_signature=a%2Fb%3D&code=1");
    }
}
