//! Events of a room, on their way to its webhooks.
//!
//! Event names, the body of a delivery and a schedule of retries are not published. The names and the body are the
//! sandbox's own, it retries nothing by itself, and it signs nothing.

use super::model::{Delivery, time};
use super::room::{RoomData, Webhook};
use crate::sandbox::ids::Ids;
use crate::sandbox::state::Now;
use serde_json::{Value, json};

/// A delivery that is in the log and has yet to be made.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) room_id: String,
    pub(super) webhook_id: String,
    pub(super) log_id: String,
    pub(super) event_id: String,
    pub(super) url: Option<String>,
    pub(super) payload: Value,
}

pub(super) struct Event {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) body: Value,
}

/// Reports an event to the webhooks of a room that are subscribed to it.
pub(super) fn emit(
    room: &mut RoomData,
    ids: &mut Ids,
    name: &str,
    subject: &Value,
    now: Now,
) -> Vec<Outgoing> {
    let id = ids.cuid();
    let room_id = room.room.id.clone();
    let body = json!({
        "event": name, "eventId": id, "roomId": room_id, "occurredAt": time(now.wall), "data": subject,
    });
    let event = Event { name: name.to_owned(), id, body };
    room.webhooks
        .iter_mut()
        .filter(|webhook| {
            webhook.events.is_empty() || webhook.events.iter().any(|subscribed| subscribed == name)
        })
        .map(|webhook| enqueue(webhook, &room_id, &event, [ids.cuid(), ids.cuid()]))
        .collect()
}

/// Puts a delivery that has yet to be made into the log, under these ids of the entry and of the delivery.
pub(super) fn enqueue(
    webhook: &mut Webhook,
    room_id: &str,
    event: &Event,
    [log_id, delivery_id]: [String; 2],
) -> Outgoing {
    let attempts = webhook.deliveries.iter().filter(|delivery| delivery.event_id == event.id).count();
    let mut payload = event.body.clone();
    payload["deliveryId"] = delivery_id.as_str().into();
    webhook.deliveries.push(Delivery {
        id: log_id.clone(),
        webhook_id: webhook.id.clone(),
        event: event.name.clone(),
        event_id: event.id.clone(),
        delivery_id,
        success: false,
        status_code: None,
        error: None,
        attempt: i64::try_from(attempts).unwrap_or(i64::MAX - 1) + 1,
        duration_ms: 0,
        delivered_at: None,
        payload: payload.clone(),
    });
    Outgoing {
        room_id: room_id.to_owned(),
        webhook_id: webhook.id.clone(),
        log_id,
        event_id: event.id.clone(),
        url: webhook.url.clone(),
        payload,
    }
}
