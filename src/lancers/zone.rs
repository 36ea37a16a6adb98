//! The zone of the service's wall-clock times.

use super::LOCAL_TIMES;
use crate::wire;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::sync::LazyLock;

/// The zone of a client: Japan's, unless another one is set.
#[derive(Default)]
pub struct Zone(Option<TimeZone>);

impl Zone {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self(Some(zone))
    }

    /// A time as the service writes it.
    pub(crate) fn format(&self, time: Timestamp) -> String {
        static JAPAN: LazyLock<TimeZone> = LazyLock::new(wire::japan);
        wire::format_local_time(time, self.0.as_ref().unwrap_or(&JAPAN))
    }

    /// The body with its wall-clock times made absolute; Japan's times need no change.
    pub(super) fn absolute_times<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.0 {
            Some(zone) => wire::absolute_times(body, LOCAL_TIMES, zone),
            None => Cow::Borrowed(body),
        }
    }
}
