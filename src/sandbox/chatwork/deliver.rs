//! Webhooks out: signed, and posted to an address on this machine.

use super::data::State;
use super::webhook::{Delivery, Outgoing, RegisteredWebhook};
use crate::sandbox::poster::{self, MAX_ANSWER, Receipt};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Posts what comes, one after the other, for as long as it runs. Nothing is posted twice.
pub(super) async fn deliver(state: Arc<State>, mut outbox: mpsc::UnboundedReceiver<Outgoing>) {
    while let Some(Outgoing { setting, event_type, body }) = outbox.recv().await {
        let RegisteredWebhook { setting_id, token, url, .. } = setting;
        let signature = sign(&token, body.as_bytes());
        let headers = [("user-agent", "ChatWork-Webhook/1.0.0"), ("x-chatworkwebhooksignature", &signature)];
        let receipt = poster::post(&target(&url, &signature), &headers, body.clone()).await;
        let (status, error) = match receipt {
            Ok(receipt) => (Some(receipt.status.as_u16()), fault_of(receipt)),
            Err(error) => (None, Some(error)),
        };
        let delivery = Delivery { setting_id, event_type, url, body, signature, status, error };
        state.lock().webhooks.log(delivery);
    }
}

/// What the service takes for an error of the receiver.
fn fault_of(receipt: Receipt) -> Option<String> {
    match receipt {
        Receipt { status, .. } if status != StatusCode::OK => Some(format!("the receiver answered {status}")),
        Receipt { complete: false, .. } => {
            Some(format!("the answer is longer than {MAX_ANSWER} bytes, or was cut"))
        }
        _ => None,
    }
}

/// Base64 of HMAC-SHA256 over the body, with the decoded token as the key.
fn sign(token: &str, body: &[u8]) -> String {
    // A token that is not Base64 signs with an empty key.
    let key = STANDARD.decode(token).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of every length");
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The URL with the signature before the query that it has.
fn target(url: &str, signature: &str) -> String {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let separator = if query.is_empty() { "" } else { "&" };
    let signature = utf8_percent_encode(signature, NON_ALPHANUMERIC);
    format!("{address}?chatwork_webhook_signature={signature}{separator}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_equals_the_published_samples() {
        assert_eq!(
            sign("sz6o4tXnI0nm0KBdqHOeCJc6ekI=", b"test"),
            "rgvtfnFpqHHbwJB9dJ3Gl8YyjT8kW0w9CpMjpzjnUO4="
        );
        let published = br#"{"webhook_setting_id":"246","webhook_event_type":"message_created","webhook_event_time":1511238729,"webhook_event":{"message_id":"984676321621704704","room_id":36818150,"account_id":1484814,"body":"test","send_time":1511238729,"update_time":0}}"#;
        assert_eq!(
            sign("A9ne+ygvdV0IZBaPFV2zC1e5Bk+IsI14BPwieRoBQNU=", published),
            "G7Gtrh5Ee6d8erOVXhWPtUrkNJqqIT5vwLU50KhyLQk="
        );
    }

    #[test]
    fn the_signature_is_also_in_the_query() {
        for (url, expected) in [
            (
                "http://127.0.0.1/hook?code=1",
                "http://127.0.0.1/hook?chatwork_webhook_signature=a%2Fb%3D&code=1",
            ),
            ("http://127.0.0.1:80", "http://127.0.0.1:80?chatwork_webhook_signature=a%2Fb%3D"),
            ("http://[::1]/a#b?c", "http://[::1]/a?chatwork_webhook_signature=a%2Fb%3D"),
        ] {
            assert_eq!(target(url, "a/b="), expected);
        }
    }
}
