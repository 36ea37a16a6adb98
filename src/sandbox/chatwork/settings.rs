//! How the service behaves, as far as that can be chosen.

use super::limits::Limit;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Calls of one account.
    pub(super) rate_limit: Limit,
    /// Messages and tasks in one room.
    pub(super) room_limit: Limit,
    /// What the free plan hides: messages older than this.
    pub(super) visible_for: Option<Duration>,
    pub(super) access_token_lifetime: Duration,
    pub(super) refresh_token_lifetime: Duration,
    pub(super) rotate_refresh_tokens: bool,
    pub(super) detect_refresh_token_reuse: bool,
    /// Prints `expires_in` as a string.
    pub(super) expires_in_as_text: bool,
    /// How many webhooks in a row may fail.
    pub(super) webhook_errors: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate_limit: Limit { calls: 300, period: Duration::from_secs(300) },
            room_limit: Limit { calls: 10, period: Duration::from_secs(10) },
            visible_for: None,
            access_token_lifetime: Duration::from_secs(30 * 60),
            refresh_token_lifetime: Duration::from_secs(14 * 24 * 60 * 60),
            rotate_refresh_tokens: true,
            detect_refresh_token_reuse: false,
            expires_in_as_text: false,
            webhook_errors: 100,
        }
    }
}
