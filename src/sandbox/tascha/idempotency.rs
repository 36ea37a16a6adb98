//! What the server remembers of requests with an `Idempotency-Key`.
//!
//! The reference says: kept for 24 hours, the same result for the same key, 409 for another payload. The rest is the
//! sandbox's own choice: keys belong to a credential, the payload is method, path and JSON value, only successes are
//! remembered, and a replay has the status of the first answer and costs the same units.

use super::error::Failure;
use axum::http::StatusCode;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A request with a key.
#[derive(Clone, Debug)]
pub(super) struct KeyedRequest {
    /// The credential, and the key.
    pub(super) name: (String, String),
    pub(super) payload: Payload,
}

/// What must be equal for a request to be the same one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Payload {
    pub(super) target: String,
    pub(super) body: Value,
}

#[derive(Clone, Debug)]
struct Remembered {
    payload: Payload,
    answer: (StatusCode, Value),
}

#[derive(Debug, Default)]
pub(super) struct Store {
    answers: BTreeMap<(String, String), Remembered>,
    /// Oldest first.
    expiry: VecDeque<(Instant, (String, String))>,
}

impl Store {
    /// The answer to replay, or nothing if the key is new.
    pub(super) fn find(
        &mut self,
        request: &KeyedRequest,
        now: Instant,
    ) -> Result<Option<(StatusCode, Value)>, Failure> {
        self.forget_old(now);
        match self.answers.get(&request.name) {
            None => Ok(None),
            Some(known) if known.payload == request.payload => Ok(Some(known.answer.clone())),
            Some(_) => Err(Failure::new(
                StatusCode::CONFLICT,
                "idempotency_key_reused",
                "The Idempotency-Key was used with another payload.",
            )),
        }
    }

    pub(super) fn remember(&mut self, request: KeyedRequest, answer: (StatusCode, Value), now: Instant) {
        let KeyedRequest { name, payload } = request;
        self.expiry.push_back((now + KEPT, name.clone()));
        self.answers.insert(name, Remembered { payload, answer });
    }

    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }

    fn forget_old(&mut self, now: Instant) {
        while self.expiry.front().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, name)) = self.expiry.pop_front() {
                self.answers.remove(&name);
            }
        }
    }
}
