//! Spans and events: OpenTelemetry's names, templates and no values.

use crate::server::{Server, Step, clients};
use kaiwa::VirtualClock;
use kaiwa::chatwork::RoomId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Recorded>>);

#[derive(Default)]
struct Recorded {
    span: BTreeMap<String, String>,
    events: Vec<String>,
}

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if attributes.metadata().name() == "kaiwa.call" {
            attributes.record(&mut Fields(&mut self.0.lock().expect("not poisoned").span));
        }
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut Fields(&mut self.0.lock().expect("not poisoned").span));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("kaiwa") {
            let mut fields = BTreeMap::new();
            event.record(&mut Fields(&mut fields));
            let message = fields.remove("message").unwrap_or_default();
            self.0.lock().expect("not poisoned").events.push(message);
        }
    }
}

#[tokio::test]
async fn a_call_is_a_span_and_each_attempt_and_wait_an_event() {
    let _listening = crate::LISTENING.lock().await;
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
    let clock = VirtualClock::new();
    let server = Server::play([Step::status(502), Step::status(403)]).await;
    let client = clients::chatwork(&server, &clock).build().expect("a client");
    clock.drive(client.room(RoomId(123_456)).members()).await.expect_err("403");

    let recorded = log.0.lock().expect("not poisoned");
    let field = |name: &str| recorded.span.get(name).map(String::as_str);
    assert_eq!(field("otel.name"), Some("GET /rooms/{room_id}/members"));
    assert_eq!(field("url.template"), Some("/rooms/{room_id}/members"));
    assert_eq!(field("http.request.method"), Some("GET"));
    assert_eq!(field("http.response.status_code"), Some("403"));
    assert_eq!(field("http.request.resend_count"), Some("1"));
    assert_eq!(field("error.type"), Some("403"));
    assert_eq!(recorded.events, ["attempt failed", "waiting before the next attempt", "attempt failed"]);
    assert!(!format!("{:?}", recorded.span).contains("123456"), "ids are not named");
}
