//! The delivery log, redelivery, and the posts to receivers.
//!
//! Event names, the body of a delivery and a schedule of retries are not published. The names and the body are the
//! sandbox's own, it retries nothing by itself, and it signs nothing.

use super::State;
use super::call::{Call, Reply};
use super::data::{Data, RoomData, Webhook};
use super::error::Failure;
use super::ids::Ids;
use super::limits::Now;
use super::model::{Delivery, time};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a receiver may take, in real time.
const PATIENCE: Duration = Duration::from_secs(10);

/// A delivery that is in the log and has yet to be made.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    room_id: String,
    webhook_id: String,
    log_id: String,
    event_id: String,
    url: Option<String>,
    payload: Value,
}

pub(super) fn list_deliveries(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let paging = data.settings.paging.clone();
    let webhook_id = call.param("webhookId");
    let webhook = data.room(call.param("roomId"), &call.key)?.webhook(webhook_id)?;
    let list = format!("deliveries/{webhook_id}");
    Reply::ok(call.page.page(&paging, &list, &webhook.deliveries, |_| true, Delivery::wire)?)
}

/// The path parameter may be the `deliveryId` of an entry or its `id`: which one is meant is not published.
pub(super) fn redeliver(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let room_id = call.param("roomId");
    let given = call.param("deliveryId");
    let new_ids = (data.ids.next(), data.ids.next());
    let webhook = data.room(room_id, &call.key)?.webhook(call.param("webhookId"))?;
    let old = webhook
        .deliveries
        .iter()
        .find(|delivery| delivery.delivery_id == given || delivery.id == given)
        .cloned()
        .ok_or_else(|| Failure::not_found("delivery"))?;
    let attempts = webhook.deliveries.iter().filter(|delivery| delivery.event_id == old.event_id).count();
    let attempt = i64::try_from(attempts).unwrap_or(i64::MAX - 1) + 1;
    let event = Event { name: old.event, id: old.event_id, body: old.payload };
    Ok(Reply::Redelivery(enqueue(webhook, room_id, &event, attempt, new_ids)))
}

pub(super) fn list_events(data: &mut Data, _: &Call) -> Result<Reply, Failure> {
    let events: Vec<Value> = data.events.iter().map(super::model::EventType::wire).collect();
    Reply::ok(json!({ "data": events }))
}

struct Event {
    name: String,
    id: String,
    body: Value,
}

/// Reports an event to the webhooks of a room that are subscribed to it.
pub(super) fn emit(
    room: &mut RoomData,
    ids: &mut Ids,
    name: &str,
    subject: &Value,
    now: Now,
) -> Vec<Outgoing> {
    let id = ids.next();
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
        .map(|webhook| enqueue(webhook, &room_id, &event, 1, (ids.next(), ids.next())))
        .collect()
}

/// Puts a delivery that has yet to be made into the log.
fn enqueue(
    webhook: &mut Webhook,
    room_id: &str,
    event: &Event,
    attempt: i64,
    (log_id, delivery_id): (String, String),
) -> Outgoing {
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
        attempt,
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

/// Makes deliveries, each on its own, and waits for none.
pub(super) fn deliver_all(state: &Arc<State>, outbox: Vec<Outgoing>) {
    for outgoing in outbox {
        start(state, outgoing);
    }
}

/// Makes a delivery in a task of its own, so that a caller who hangs up does not leave it half done. The entry of the
/// log comes back, unless the sandbox is dropped before.
pub(super) fn start(state: &Arc<State>, outgoing: Outgoing) -> oneshot::Receiver<Value> {
    let (done, entry) = oneshot::channel();
    if let Some(deliveries) = &mut *state.deliveries() {
        // Those that have ended are let go, so that a long run does not pile them up.
        while deliveries.try_join_next().is_some() {}
        let delivery = deliver(Arc::clone(state), outgoing);
        deliveries.spawn(async move {
            // Most are made for nobody who waits.
            let _ = done.send(delivery.await);
        });
    }
    entry
}

/// Makes a delivery, writes into the log what came of it, and returns the entry.
///
/// A webhook without a URL has a receiver that answers 200.
async fn deliver(state: Arc<State>, outgoing: Outgoing) -> Value {
    let before = state.now().instant;
    let outcome = match &outgoing.url {
        None => Ok(200),
        Some(url) => post(url, &outgoing).await,
    };
    let now = state.now();
    let mut data = state.lock();
    let entry = data
        .find_room(&outgoing.room_id)
        .and_then(|room| room.webhook(&outgoing.webhook_id).ok())
        .and_then(|webhook| webhook.deliveries.iter_mut().rfind(|delivery| delivery.id == outgoing.log_id));
    let Some(entry) = entry else { return Value::Null };
    entry.delivered_at = Some(now.wall);
    entry.duration_ms =
        i64::try_from(now.instant.saturating_duration_since(before).as_millis()).unwrap_or(i64::MAX);
    match outcome {
        Ok(status) => {
            entry.status_code = Some(status);
            entry.success = (200..300).contains(&status);
            entry.error = (!entry.success).then(|| format!("The receiver answered {status}."));
        }
        Err(error) => entry.error = Some(error),
    }
    entry.wire()
}

async fn post(url: &str, outgoing: &Outgoing) -> Result<u16, String> {
    let url = url::Url::parse(url).map_err(|error| error.to_string())?;
    // A sandbox must not reach beyond the machine, whatever a test configures.
    if !is_loopback(&url) {
        return Err("The sandbox posts to loopback addresses only.".to_owned());
    }
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .map_err(|error| error.to_string())?;
    let answer =
        client.post(url).header("Tascha-Webhook-Id", &outgoing.event_id).json(&outgoing.payload).send();
    answer.await.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
