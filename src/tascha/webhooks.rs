//! The log of a webhook's deliveries.

use super::operations::{ListWebhookDeliveries, RedeliverWebhook};
use super::{DeliveryId, RoomHandle, WebhookId};
use crate::Request;

impl RoomHandle {
    /// A webhook of the room. Webhooks are registered in TAS-CHA itself; no operation does it.
    pub fn webhook(&self, id: impl Into<WebhookId>) -> WebhookHandle {
        WebhookHandle { room: self.clone(), id: id.into() }
    }
}

/// A webhook, by its room and id.
#[derive(Clone, Debug)]
pub struct WebhookHandle {
    room: RoomHandle,
    id: WebhookId,
}

impl WebhookHandle {
    /// What was delivered, and what became of it.
    pub fn deliveries(&self) -> Request<ListWebhookDeliveries> {
        self.room.call(ListWebhookDeliveries::new(&self.room.id, &self.id))
    }

    /// Delivers an event once more, under a new delivery id. It takes no idempotency key, so that it is never sent
    /// again once it may have arrived.
    pub fn redeliver(&self, delivery: impl Into<DeliveryId>) -> Request<RedeliverWebhook> {
        self.room.call(RedeliverWebhook::new(&self.room.id, &self.id, delivery))
    }
}
