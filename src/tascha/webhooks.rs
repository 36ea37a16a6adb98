//! The log of a webhook's deliveries.

use super::operations::{ListWebhookDeliveries, RedeliverWebhook};
use super::{DeliveryId, RoomHandle, WebhookId, requests, returns};

impl RoomHandle {
    /// A webhook of the room. Webhooks are registered in TAS-CHA's settings; there is no operation for it.
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
    /// The deliveries and their results.
    #[doc = returns!(ListWebhookDeliveries)]
    pub fn deliveries(&self) -> requests::ListWebhookDeliveries {
        self.room.call(ListWebhookDeliveries::new(&self.room.id, &self.id))
    }

    /// Delivers an event once more, under a new delivery id. It has no idempotency key, so it is never sent again once it may
    /// have arrived.
    #[doc = returns!(RedeliverWebhook)]
    pub fn redeliver(&self, delivery: impl Into<DeliveryId>) -> requests::RedeliverWebhook {
        self.room.call(RedeliverWebhook::new(&self.room.id, &self.id, delivery))
    }
}
