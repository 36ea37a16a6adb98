//! Webhooks: their settings, which events they get, and what was posted.

use super::model::RoomData;
use crate::sandbox::ids::Ids;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt;
use tokio::sync::mpsc;

/// A setting of the webhook page: which events go where.
#[derive(Clone)]
#[must_use = "a webhook does nothing until a seed or a view has it"]
pub struct Webhook {
    pub(super) account: u64,
    url: String,
    token: Option<String>,
    mentions: bool,
    pub(super) room: Option<u64>,
    created: bool,
    updated: bool,
}

impl Webhook {
    /// Receives mentions of this account (`mention_to_me`), in any room, and all messages of its direct chats. To anything but an `http` URL on loopback
    /// nothing is posted, and the [`Delivery`] says so.
    pub fn account(account: u64, url: impl Into<String>) -> Self {
        let url = url.into();
        Self { account, url, token: None, mentions: true, room: None, created: false, updated: false }
    }

    /// Receives new and edited messages (`message_created`, `message_updated`) of one room that the account is in. To anything
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
pub(super) struct Outgoing {
    pub(super) setting: RegisteredWebhook,
    pub(super) event_type: &'static str,
    pub(super) body: String,
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

    /// Puts an event into the outbox, for each webhook that wants it.
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

    /// Puts a webhook that was posted, by its place among them, into the outbox again. Returns whether there is one.
    #[cfg(feature = "sandbox-window")]
    pub(super) fn resend(&self, index: usize) -> bool {
        let Some(delivery) = self.deliveries.get(index) else { return false };
        let setting =
            self.settings.iter().find(|setting| setting.registered.setting_id == delivery.setting_id);
        let Some(setting) = setting else { return false };
        let (event_type, body) = (delivery.event_type, delivery.body.clone());
        self.outbox.send(Outgoing { setting: setting.registered.clone(), event_type, body }).is_ok()
    }

    pub(super) fn log(&mut self, delivery: Delivery) {
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
