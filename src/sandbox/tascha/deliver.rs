//! The posts to receivers.

use super::data::State;
use super::events::Outgoing;
use crate::sandbox::poster;
use axum::http::StatusCode;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::oneshot;

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
    let delivery = deliver(Arc::clone(state), outgoing);
    state.spawn(async move {
        // Only a redelivery is waited for.
        let _ = done.send(delivery.await);
    });
    entry
}

/// Makes a delivery, writes the outcome into the log, and returns the entry.
///
/// A webhook without a URL has a receiver that answers 200.
async fn deliver(state: Arc<State>, outgoing: Outgoing) -> Value {
    let before = state.now().instant;
    let outcome = match &outgoing.url {
        None => Ok(StatusCode::OK),
        Some(url) => {
            let headers = [("tascha-webhook-id", outgoing.event_id.as_str())];
            let posted = poster::post(url, &headers, outgoing.payload.to_string()).await;
            posted.map(|receipt| receipt.status)
        }
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
            entry.status_code = Some(status.as_u16());
            entry.success = status.is_success();
            entry.error = (!entry.success).then(|| format!("The receiver answered {}.", status.as_u16()));
        }
        Err(error) => entry.error = Some(error),
    }
    entry.wire()
}
