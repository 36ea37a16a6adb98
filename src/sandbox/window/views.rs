//! What the page asks for.

use super::requests::{Requests, mask, mask_all, service};
use super::stream::{self, Streams};
use super::{faults, reply, tree};
use crate::Clock;
use crate::sandbox::fault::Faults;
use crate::sandbox::glance::Glance;
use crate::sandbox::log::{Log, Recorded};
use crate::sandbox::provider::Provider;
use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// What the window looks at.
pub(in crate::sandbox) struct Inside {
    pub(in crate::sandbox) clock: Arc<dyn Clock>,
    pub(in crate::sandbox) services: BTreeMap<Provider, Arc<dyn Glance>>,
    pub(in crate::sandbox) log: Log,
    pub(in crate::sandbox) faults: Faults,
}

/// All that the window knows.
pub(super) struct Panes {
    pub(super) inside: Inside,
    pub(super) requests: Mutex<Requests>,
    /// The events for all pages that are open.
    pub(super) frames: broadcast::Sender<Bytes>,
    pub(super) streams: Streams,
}

impl Panes {
    /// What is answered to a GET; `None` if there is nothing at this path.
    pub(super) fn look(&self, path: &str, query: &str) -> Option<Response<Body>> {
        let parameter = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let glance = || Some(self.glance(&parameter("service")?)?.1);
        match path {
            "view" => Some(reply::json(&self.view())),
            "room" => {
                let glance = glance()?;
                let mut room = glance.room(&parameter("room")?)?;
                // Before a text is cut into steps, or a credential could be in two of them.
                mask_all(&mut room, &self.secrets());
                depict(&mut room, if glance.has_notation() { tree::steps } else { tree::plain });
                Some(reply::json(&room))
            }
            "requests" => Some(reply::json(&json!(self.requests().shown()))),
            "events" => {
                let events = stream::events(&self.streams, self.frames.subscribe());
                Some(reply::events(Body::from_stream(events)))
            }
            "file" => {
                let (name, content) = glance()?.file(&parameter("room")?, &parameter("id")?)?;
                Some(reply::file(&mask(&name, &self.secrets()), content))
            }
            _ => None,
        }
    }

    pub(super) fn glance(&self, name: &str) -> Option<(Provider, Arc<dyn Glance>)> {
        let services = self.inside.services.iter();
        services
            .map(|(provider, glance)| (*provider, Arc::clone(glance)))
            .find(|(provider, _)| service(*provider) == name)
    }

    /// Takes a request from the log, and sends it to the pages.
    pub(super) fn take(&self, recorded: &Recorded, ended: bool) {
        let shown = self.requests().take(recorded, ended, &self.secrets());
        self.send("request", &shown);
    }

    /// Takes the newest requests from the log itself, after more came at once than wait for this.
    pub(super) fn catch_up(&self) {
        let all = self.inside.log.newest(super::requests::KEPT);
        let newest = all.len().checked_sub(1);
        for (place, recorded) in all.iter().enumerate() {
            // The end of those before may have been missed.
            self.take(recorded, recorded.status.is_some() || Some(place) != newest);
        }
    }

    /// Sends an event to the pages that are open.
    pub(super) fn send(&self, event: &str, data: &Value) {
        if self.frames.receiver_count() > 0 {
            // Whether one is still there does not matter.
            let _ = self.frames.send(stream::frame(event, &data.to_string()));
        }
    }

    /// The longest first, since one may be a part of another.
    fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> =
            self.inside.services.values().flat_map(|glance| glance.secrets()).collect();
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        secrets
    }

    fn view(&self) -> Value {
        let services: Vec<Value> = self
            .inside
            .services
            .iter()
            .map(|(provider, glance)| {
                let mut overview = glance.overview();
                overview["id"] = json!(service(*provider));
                overview["name"] = json!(provider.to_string());
                overview["armed"] = faults::armed(&self.inside.faults, *provider);
                overview["operations"] = json!(faults::operations(*provider));
                overview
            })
            .collect();
        let mut view = json!({
            "now": self.inside.clock.wall().as_millisecond(),
            "services": services,
            "switches": faults::SWITCHES,
        });
        mask_all(&mut view, &self.secrets());
        view
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        // Nothing panics while the lock is held.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes of the texts of a room what the page shows of them.
fn depict(room: &mut Value, steps: fn(&str) -> Value) {
    let depict = |text: &mut Value| *text = steps(text.as_str().unwrap_or_default());
    depict(&mut room["about"]);
    for list in ["messages", "tasks"] {
        for item in room[list].as_array_mut().into_iter().flatten() {
            depict(&mut item["text"]);
        }
    }
}
