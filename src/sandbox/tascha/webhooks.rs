//! The delivery log, redelivery, and the catalogue of events.

use super::call::{Call, Reply};
use super::data::Data;
use super::error::Failure;
use super::events::{Event, enqueue};
use super::model::{Delivery, EventType};
use serde_json::{Value, json};

pub(super) fn list_deliveries(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let webhook_id = call.param("webhookId");
    let webhook = data.room(call.param("roomId"), &call.key)?.webhook(webhook_id)?;
    let list = format!("deliveries/{webhook_id}");
    Reply::ok(call.page.page(&list, &webhook.deliveries, |_| true, Delivery::wire)?)
}

/// The path parameter may be the `deliveryId` of an entry or its `id`: which one is meant is not published.
pub(super) fn redeliver(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let room_id = call.param("roomId");
    let given = call.param("deliveryId");
    let new_ids = [data.ids.cuid(), data.ids.cuid()];
    let webhook = data.room(room_id, &call.key)?.webhook(call.param("webhookId"))?;
    let old = webhook
        .deliveries
        .iter()
        .find(|delivery| delivery.delivery_id == given || delivery.id == given)
        .cloned()
        .ok_or_else(|| Failure::not_found("delivery"))?;
    let event = Event { name: old.event, id: old.event_id, body: old.payload };
    Ok(Reply::Redelivery(enqueue(webhook, room_id, &event, new_ids)))
}

pub(super) fn list_events(data: &mut Data, _: &Call) -> Result<Reply, Failure> {
    let events: Vec<Value> = data.events.iter().map(EventType::wire).collect();
    Reply::ok(json!({ "data": events }))
}
