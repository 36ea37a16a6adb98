//! Whether a request is the service's, is recent, and is new.

use super::error::{MAX_BODY, VerifyError};
use super::event::Delivery;
use crate::webhook::{MemoryReplayCache, ReplayCache};
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
    replay_cache: Option<Arc<dyn ReplayCache>>,
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
        Ok(Self {
            keys: vec![key(token)?],
            tolerance: DEFAULT_TOLERANCE,
            replay_cache: Some(Arc::new(MemoryReplayCache::with_clock(DEFAULT_CAPACITY, Arc::clone(&clock)))),
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
    pub fn replay_cache(mut self, cache: Arc<dyn ReplayCache>) -> Self {
        self.replay_cache = Some(cache);
        self
    }

    /// Remembers nothing: repeats are let through as long as they are recent.
    #[must_use = "the verifier is returned"]
    pub fn without_replay_cache(mut self) -> Self {
        self.replay_cache = None;
        self
    }

    /// Checks a request, and reads its event. Every event passes once.
    ///
    /// `body` is what came, byte for byte; `signature` is from [`signature`](super::signature()).
    ///
    /// # Errors
    ///
    /// Those of [`VerifyError`], in the order that they are listed there. Nothing is remembered of a request that is
    /// refused.
    pub async fn verify(&self, body: &[u8], signature: &str) -> Result<Delivery, VerifyError> {
        let delivery = self.verify_repeats(body, signature)?;
        if let Some(cache) = &self.replay_cache {
            let ttl = self.time_left(delivery.time)?.saturating_add(CLOCK_SET_BACK);
            if !cache.first_seen(&delivery.replay_key(body), ttl).await {
                return Err(VerifyError::Repeat);
            }
        }
        Ok(delivery)
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
        self.time_left(delivery.time)?;
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
    fn time_left(&self, time: Timestamp) -> Result<Duration, VerifyError> {
        let now = self.clock.wall();
        let age = now.duration_since(time);
        let distance = age.unsigned_abs();
        if distance > self.tolerance {
            return Err(VerifyError::Stale { time, now });
        }
        let left = if age.is_negative() {
            self.tolerance.saturating_add(distance)
        } else {
            self.tolerance - distance
        };
        // The cache may measure time by another clock than this one.
        Ok(left.saturating_add(Duration::from_secs(1)))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("tokens", &self.keys.len())
            .field("tolerance", &self.tolerance)
            .field("replay_cache", &self.replay_cache)
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
