//! The extractor for axum.

use super::*;
use crate::webhook::Pending;
use axum_core::body::Body;
use axum_core::extract::{FromRef, FromRequest, Request};
use axum_core::response::IntoResponse as _;

#[derive(Clone)]
struct App(Verifier);

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.0.clone()
    }
}

fn request(target: &str, header: Option<&str>, body: impl Into<Body>) -> Request {
    let request = http::Request::post(target).header("content-type", "application/json");
    let request = match header {
        Some(signature) => request.header("X-ChatWorkWebhookSignature", signature),
        None => request,
    };
    request.body(body.into()).expect("a request")
}

async fn status(app: &App, request: Request) -> u16 {
    match Verified::<Event>::from_request(request, app).await {
        Ok(_) => 0,
        Err(rejection) => {
            let response = rejection.into_response();
            let status = response.status().as_u16();
            let body = axum_core::body::Body::new(response.into_body());
            let length = http_body_length(body).await;
            assert!((1..100).contains(&length), "{length}");
            status
        }
    }
}

async fn http_body_length(body: Body) -> usize {
    let request = http::Request::new(body);
    bytes::Bytes::from_request(request, &()).await.expect("a body").len()
}

#[tokio::test]
async fn handlers_get_verified_events_once() {
    let (verifier, _) = verifier();
    let signature = verifier.sign(MENTION.as_bytes());
    let app = App(verifier);
    let event = Verified::<Event>::from_request(request("/hook", Some(&signature), MENTION), &app).await;
    assert!(matches!(event, Ok(Verified(Event::MentionToMe(_)))), "{event:?}");
    assert_eq!(status(&app, request("/hook", Some(&signature), MENTION)).await, 200);

    let second = message("message_created", 0, "a");
    let signature = app.0.sign(second.as_bytes());
    let encoded = signature.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
    let target = format!("/hook?code=1&chatwork_webhook_signature={encoded}");
    // With the verifier itself as the state, and the delivery as the extractor.
    let delivery = Verified::<Delivery>::from_request(request(&target, None, second), &app.0).await;
    assert_eq!(delivery.expect("it is genuine").setting_id, "246");
}

/// A handler that fails, or that the server drops, has not handled the event.
#[tokio::test]
async fn handlers_say_when_an_event_is_done() {
    let (verifier, _) = verifier();
    let app = App(verifier);
    let signature = app.0.sign(MENTION.as_bytes());
    let new = || request("/hook", Some(&signature), MENTION);
    let Verified(first) = Verified::<Pending<Event>>::from_request(new(), &app).await.expect("it is new");
    assert_eq!(first.sender(), Some(AccountId(123456)));
    let held = Verified::<PendingDelivery>::from_request(new(), &app).await.expect_err("it is held");
    assert_eq!((held.status().as_u16(), held), (200, Rejection::Verify(VerifyError::InProgress)));
    drop(first);
    let Verified(second) =
        Verified::<PendingDelivery>::from_request(new(), &app).await.expect("it is new again");
    assert_eq!(second.done().await.setting_id, "12345");
    let repeat = Verified::<Event>::from_request(new(), &app).await.expect_err("it is done");
    assert_eq!(repeat, Rejection::Verify(VerifyError::Repeat));
}

#[tokio::test]
async fn a_refused_delivery_is_answered() {
    let (verifier, clock) = verifier();
    let app = App(verifier);
    let sign = |body: &str| app.0.sign(body.as_bytes());
    assert_eq!(status(&app, request("/", None, MENTION)).await, 401);
    assert_eq!(status(&app, request("/", Some("AAAA"), MENTION)).await, 401);
    assert_eq!(status(&app, request("/", Some(&sign("{}")), "{}")).await, 400);
    let long = " ".repeat(MAX_BODY + 1);
    assert_eq!(status(&app, request("/", Some(&sign(&long)), long)).await, 413);
    clock.advance(Duration::from_secs(301));
    assert_eq!(status(&app, request("/", Some(&sign(MENTION)), MENTION)).await, 401);
}
