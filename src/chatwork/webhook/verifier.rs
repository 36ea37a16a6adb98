//! Whether a request is the service's, is recent, and is new.

use super::PendingDelivery;
use super::error::{MAX_BODY, VerifyError};
use super::event::Delivery;
use crate::webhook::claims::{Claims, wait_for_held};
use crate::webhook::pending::{Entry, Gate, Pending, Refused};
use crate::webhook::{MemoryReplayCache, ReplayCache, StoreFailure};
use crate::{Clock, SystemClock};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How far an event's time may be from now unless [`Verifier::tolerance`] says otherwise.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);

/// How far the machine's clock can be set back without an event passing twice: events are remembered for so much longer
/// than they pass.
const CLOCK_SET_BACK: Duration = Duration::from_secs(60 * 60);

/// How many events are remembered unless [`Verifier::replay_cache`] says otherwise: about a megabyte.
const DEFAULT_CAPACITY: usize = 10_000;

/// Checks requests from the service. Clones share what they remember.
///
/// ```
/// use kaiwa::chatwork::webhook::Verifier;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = Verifier::new("sz6o4tXnI0nm0KBdqHOeCJc6ekI=")?.tolerance(Duration::from_secs(60));
/// verifier.verify_signature(b"test", "rgvtfnFpqHHbwJB9dJ3Gl8YyjT8kW0w9CpMjpzjnUO4=")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<Hmac<Sha256>>,
    tolerance: Duration,
    gate: Gate,
    /// Whether the gate is used.
    remembers: bool,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// A verifier for the webhook with this token, on the system's time, which remembers 10,000 events.
    ///
    /// # Errors
    ///
    /// If the text is not a token: base64 of a key.
    pub fn new(token: &str) -> Result<Self, InvalidToken> {
        Self::with_clock(token, Arc::new(SystemClock))
    }

    /// A verifier that reads the time from `clock`.
    ///
    /// # Errors
    ///
    /// If the text is not a token.
    pub fn with_clock(token: &str, clock: Arc<dyn Clock>) -> Result<Self, InvalidToken> {
        let cache = Arc::new(MemoryReplayCache::with_clock(DEFAULT_CAPACITY, Arc::clone(&clock)));
        Ok(Self {
            keys: vec![key(token)?],
            tolerance: DEFAULT_TOLERANCE,
            gate: Gate::new(Claims::new(cache, Arc::clone(&clock))),
            remembers: true,
            clock,
        })
    }

    /// Accepts another token as well: of another webhook that sends to the same address, or the next one while tokens
    /// are exchanged.
    ///
    /// # Errors
    ///
    /// If the text is not a token.
    pub fn add_token(mut self, token: &str) -> Result<Self, InvalidToken> {
        self.keys.push(key(token)?);
        Ok(self)
    }

    /// How far an event's time may be from now, in either direction; five minutes by default.
    #[must_use = "the verifier is returned"]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Remembers events there: in a store that processes share, or in a [`MemoryReplayCache`] of another size.
    #[must_use = "the verifier is returned"]
    pub fn replay_cache(mut self, cache: impl ReplayCache) -> Self {
        self.gate.claims.cache = Arc::new(cache);
        self.remembers = true;
        self
    }

    /// How long a claim on an event holds, at least a second: after that time another process handles the event of one that
    /// died. [`DEFAULT_LEASE`](crate::webhook::DEFAULT_LEASE) by default.
    #[must_use = "the verifier is returned"]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.gate.claims.set_lease(lease);
        self
    }

    /// What happens to an event while the replay cache fails. By default it counts as new.
    #[must_use = "the verifier is returned"]
    pub fn on_store_failure(mut self, policy: StoreFailure) -> Self {
        self.gate.claims.on_failure = policy;
        self
    }

    /// Remembers nothing: repeats are let through as long as they are recent.
    #[must_use = "the verifier is returned"]
    pub fn without_replay_cache(mut self) -> Self {
        self.remembers = false;
        self
    }

    /// Checks a request, and reads its event. The event is then being handled, and passes no second time unless it is
    /// released or its process dies. Call [`done`](PendingDelivery::done) once it is handled, or at once if it need not be
    /// handled again after a crash.
    ///
    /// `body` is what came, byte for byte; `signature` is from [`signature`](super::signature()).
    ///
    /// # Errors
    ///
    /// Those of [`VerifyError`], in the order that they are listed there. Nothing is remembered of a request that is
    /// refused.
    pub async fn verify(&self, body: &[u8], signature: &str) -> Result<PendingDelivery, VerifyError> {
        let delivery = self.verify_repeats(body, signature)?;
        let entry = self.enter(&delivery, body).await.map_err(|refused| match refused {
            Refused::InProgress(_) => VerifyError::InProgress,
            Refused::Repeat => VerifyError::Repeat,
            Refused::Store => VerifyError::Store,
        })?;
        Ok(Pending::new(delivery, entry))
    }

    /// Checks a request as [`verify`](Self::verify) does, and waits while the event is being handled elsewhere: until it is
    /// done, or until its claim has ended, so that it is to be handled here.
    ///
    /// The service does not send an event again. If one event reaches several processes, each of them that waits is a
    /// substitute for the one that handles it. Respond before: the service gives a response 10 seconds, and this may take
    /// longer than a [lease](Self::lease).
    ///
    /// # Errors
    ///
    /// As of [`verify`](Self::verify), without [`VerifyError::InProgress`].
    pub async fn verify_waiting(&self, body: &[u8], signature: &str) -> Result<PendingDelivery, VerifyError> {
        let delivery = self.verify_repeats(body, signature)?;
        let mut asked = 0;
        loop {
            match self.enter(&delivery, body).await {
                Ok(entry) => return Ok(Pending::new(delivery, entry)),
                Err(Refused::InProgress(left)) => self.clock.sleep(wait_for_held(left, &mut asked)).await,
                Err(Refused::Repeat) => return Err(VerifyError::Repeat),
                Err(Refused::Store) => return Err(VerifyError::Store),
            }
        }
    }

    /// Claims the event, if anything is remembered.
    async fn enter(&self, delivery: &Delivery, body: &[u8]) -> Result<Option<Entry>, Refused> {
        if !self.remembers {
            return Ok(None);
        }
        let (key, remember) = (delivery.replay_key(body).into(), self.passes_for(delivery.time));
        self.gate.enter(key, remember.saturating_add(CLOCK_SET_BACK)).await.map(Some)
    }

    /// Checks a request as [`verify`](Self::verify) does, but without remembering it: repeats pass.
    ///
    /// # Errors
    ///
    /// As of [`verify`](Self::verify), without [`VerifyError::Repeat`].
    pub fn verify_repeats(&self, body: &[u8], signature: &str) -> Result<Delivery, VerifyError> {
        self.verify_signature(body, signature)?;
        let (mut delivery, is_timed) = Delivery::read(body)?;
        if !is_timed {
            delivery.time = self.clock.wall();
        }
        let (time, now) = (delivery.time, self.clock.wall());
        if now.duration_since(time).unsigned_abs() > self.tolerance {
            return Err(VerifyError::Stale { time, now });
        }
        Ok(delivery)
    }

    /// Checks the signature alone, in a time that does not depend on how far it is right.
    ///
    /// # Errors
    ///
    /// [`VerifyError::TooLarge`] if the body is longer than [`MAX_BODY`], [`VerifyError::BadSignature`] if the
    /// signature is not that of the body.
    pub fn verify_signature(&self, body: &[u8], signature: &str) -> Result<(), VerifyError> {
        if body.len() > MAX_BODY {
            return Err(VerifyError::TooLarge);
        }
        let claimed = STANDARD.decode(signature).map_err(|_| VerifyError::BadSignature)?;
        // All keys are tried, so that the time does not show which one it was.
        let matches = self.keys.iter().fold(false, |matches, key| {
            matches | key.clone().chain_update(body).verify_slice(&claimed).is_ok()
        });
        if matches { Ok(()) } else { Err(VerifyError::BadSignature) }
    }

    /// The signature that the service would send with `body`, by the first token: for tests.
    ///
    /// ```
    /// use kaiwa::chatwork::webhook::Verifier;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = Verifier::new("sz6o4tXnI0nm0KBdqHOeCJc6ekI=")?;
    /// assert_eq!(verifier.sign(b"test"), "rgvtfnFpqHHbwJB9dJ3Gl8YyjT8kW0w9CpMjpzjnUO4=");
    /// # Ok(())
    /// # }
    /// ```
    pub fn sign(&self, body: &[u8]) -> String {
        let key = self.keys.first().expect("a verifier is made with a token, and none is ever removed");
        STANDARD.encode(key.clone().chain_update(body).finalize().into_bytes())
    }

    /// How long an event of `time` still passes.
    fn passes_for(&self, time: Timestamp) -> Duration {
        let age = self.clock.wall().duration_since(time);
        let distance = age.unsigned_abs();
        let left = if age.is_negative() {
            self.tolerance.saturating_add(distance)
        } else {
            self.tolerance.saturating_sub(distance)
        };
        // The cache may measure time by another clock than this one.
        left.saturating_add(Duration::from_secs(1))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("tokens", &self.keys.len())
            .field("tolerance", &self.tolerance)
            .field("replay_cache", &self.remembers.then_some(&self.gate))
            .finish_non_exhaustive()
    }
}

fn key(token: &str) -> Result<Hmac<Sha256>, InvalidToken> {
    // Copied from a page or a file, it may end in a line break.
    let key = STANDARD.decode(token.trim()).map_err(|_| InvalidToken(()))?;
    // With an empty key anyone could sign.
    if key.is_empty() {
        return Err(InvalidToken(()));
    }
    Hmac::new_from_slice(&key).map_err(|_| InvalidToken(()))
}

/// A text that is not a webhook's token. The text is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not the token of a webhook, which is text in base64; copy it from the webhook's settings page"
)]
pub struct InvalidToken(());
