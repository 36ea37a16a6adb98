//! Rooms of TAS-CHA, read again and again as their units allow.

use super::incoming::Incoming;
use super::listener::{Listener, Shared};
use super::settings::DurableBot;
use crate::outbox::Note;
use crate::tascha::bot::Poll;
use crate::tascha::{Client, Message, RoomId};
use crate::{Error, Units};
use futures::FutureExt;
use futures::TryStreamExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The shortest interval, and the one of a service that reports no units.
const SHORTEST: Duration = Duration::from_secs(5);
const WITHOUT_UNITS: Duration = Duration::from_secs(5 * 60);

/// The longest time until the next units, if the service does not say.
const MONTH: SignedDuration = SignedDuration::from_hours(31 * 24);

/// How much older than the newest message a message may be that is seen for the first time.
const LATE: SignedDuration = SignedDuration::from_mins(10);

/// How many messages a page has.
const PAGE: i64 = 100;

/// What was read of each room.
type Places = BTreeMap<String, Place>;

#[derive(Clone, Copy, Serialize, Deserialize, PartialEq)]
struct Place {
    /// Messages up to this time were there before the first run.
    since: Timestamp,
    /// The time of the newest message.
    newest: Timestamp,
}

impl DurableBot {
    pub(super) async fn poll(&self, poll: Poll, place: String) -> Result<BoxFuture<'_, ()>, Error> {
        let Shared { listener, .. } = &*self.shared;
        let client = match listener {
            Listener::Tascha { bot, .. } => bot.client(),
            #[cfg(feature = "chatwork")]
            Listener::Chatwork { .. } => {
                return Err(Error::config("a poll of TAS-CHA is no source of a bot of Chatwork"));
            }
        };
        let mut places = self.place::<Places>(&place).await?.unwrap_or_default();
        if units(client).is_none() {
            // Its answer says which units are left.
            client.me().await?;
        }
        let now = listener.clock().wall();
        let least = least_interval(&poll, units(client), 1, now);
        if let Some(every) = poll.every.filter(|every| *every < least) {
            return Err(Error::config(too_often(&poll, every, least, units(client), now)));
        }
        Ok(async move {
            loop {
                let mut calls = 0;
                for room in &poll.rooms {
                    let before = places.get(room.as_ref()).copied();
                    match read_room(client, room, before).await {
                        Ok((messages, found, pages)) => {
                            calls += pages;
                            let entries = messages
                                .into_iter()
                                .map(|message| Incoming::TaschaMessage(Box::new(message)))
                                .filter_map(|message| listener.entry(message).ok().flatten());
                            let entries: Vec<_> = entries.collect();
                            let changed = places.insert(room.to_string(), found) != Some(found);
                            if changed || !entries.is_empty() {
                                let text = serde_json::to_string(&places).expect("places are valid JSON");
                                self.store(Note::new(place.clone(), text), entries).await;
                            }
                        }
                        Err(error) => {
                            calls += 1;
                            tracing::warn!(%error, "a room cannot be read; it is read again");
                        }
                    }
                }
                let least = least_interval(&poll, units(client), calls, listener.clock().wall());
                listener.clock().sleep(poll.every.unwrap_or(SHORTEST).max(least)).await;
            }
        }
        .boxed())
    }
}

/// The messages of a room that may be new, oldest first, where the room stands then, and how many pages were read.
async fn read_room(
    client: &Client,
    room: &RoomId,
    before: Option<Place>,
) -> Result<(Vec<Message>, Place, u64), Error> {
    let mut pages = client.room(room.clone()).messages().limit(PAGE).pages();
    let (mut found, mut count, mut newest_first) = (Vec::new(), 0, None);
    while let Some(page) = pages.try_next().await? {
        let messages = page.into_inner();
        count += 1;
        let times: Vec<_> = messages.iter().filter_map(|message| message.created_at).collect();
        let last = messages.last().and_then(|message| message.created_at);
        if let (None, [first, .., last]) = (newest_first, &times[..]) {
            newest_first = Some(first > last);
        }
        found.extend(messages);
        // The order is not documented. If the newest come first, the rest is known.
        let known = before
            .as_ref()
            .is_some_and(|before| last.is_some_and(|last| before.newest.duration_since(last) > LATE));
        if newest_first == Some(true) && (known || before.is_none()) {
            break;
        }
    }
    found.retain(|message| message.created_at.is_some());
    found.sort_by_key(|message| message.created_at);
    let newest = found.last().and_then(|message| message.created_at);
    let Some(before) = before else {
        let newest = newest.unwrap_or(Timestamp::MIN);
        return Ok((Vec::new(), Place { since: newest, newest }, count));
    };
    let place = Place { newest: newest.map_or(before.newest, |newest| newest.max(before.newest)), ..before };
    let oldest = before.newest.checked_sub(LATE).unwrap_or(before.since);
    found.retain(|message| message.created_at.is_some_and(|time| time > before.since && time >= oldest));
    Ok((found, place, count))
}

fn units(client: &Client) -> Option<Units> {
    client.rate_limit().and_then(|limit| limit.units)
}

/// How long each room must wait, so that the share of the units lasts until there are new ones. One round costs `calls`.
fn least_interval(poll: &Poll, units: Option<Units>, calls: u64, now: Timestamp) -> Duration {
    let calls = calls.max(poll.rooms.len() as u64);
    match units.and_then(|units| Some((units.remaining?, time_left(&units, now)))) {
        None => WITHOUT_UNITS,
        Some((remaining, left)) => {
            let rounds = remaining as f64 * poll.share / calls as f64;
            // With less than one round left, the next one is due with the new units.
            Duration::from_secs_f64(left.as_secs_f64() / rounds.max(1.0)).max(SHORTEST)
        }
    }
}

/// The time until the next units.
fn time_left(units: &Units, now: Timestamp) -> Duration {
    let left = units.reset.map_or(MONTH, |reset| reset.duration_since(now));
    Duration::try_from(left.min(MONTH)).unwrap_or_default()
}

fn too_often(poll: &Poll, every: Duration, least: Duration, units: Option<Units>, now: Timestamp) -> String {
    let rooms = match poll.rooms.len() {
        1 => "1 room".to_owned(),
        rooms => format!("{rooms} rooms"),
    };
    let instead = "or use webhooks";
    let seconds = least.as_secs_f64().ceil();
    match units {
        Some(units) if units.remaining.is_some() => {
            let cost = poll.rooms.len() as f64 * time_left(&units, now).as_secs_f64() / every.as_secs_f64();
            let (remaining, share) = (units.remaining.unwrap_or_default(), poll.share * 100.0);
            format!(
                "polling {rooms} every {every:?} would cost {cost:.0} units until the month ends, of which {remaining} are left and {share:.0} % may be used: poll every {seconds} s or less often, {instead}"
            )
        }
        _ => format!(
            "the service does not say how many units are left: poll every {seconds} s or less often, {instead}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(remaining: u64, reset: &str) -> Option<Units> {
        let reset = Some(reset.parse().expect("a time"));
        Some(Units { remaining: Some(remaining), reset, ..Units::default() })
    }

    #[test]
    fn the_interval_makes_the_units_last() {
        let now: Timestamp = "2026-11-01T00:00:00Z".parse().expect("a time");
        let poll = Poll::new(["a"]).share(1.0);
        let least = |poll: &Poll, remaining, calls| {
            least_interval(poll, some(remaining, "2026-12-01T00:00:00Z"), calls, now)
        };
        // 30 days of 86,400 s, and 20,000 units: every 129.6 s.
        assert_eq!(least(&poll, 20_000, 1), Duration::from_millis(129_600));
        assert_eq!(least(&poll.clone().share(0.5), 20_000, 1), Duration::from_millis(259_200));
        assert_eq!(least(&poll, 20_000, 2), Duration::from_millis(259_200));
        assert_eq!(least(&Poll::new(["a", "b"]).share(1.0), 20_000, 1), Duration::from_millis(259_200));
        assert_eq!(least(&poll, 10_000_000, 1), SHORTEST);
        assert_eq!(least(&poll, 0, 1), Duration::from_secs(30 * 86_400));
        assert_eq!(least_interval(&poll, None, 1, now), WITHOUT_UNITS);
        // Reset is past: the new month's units are not known yet.
        assert_eq!(least_interval(&poll, some(5, "2026-10-01T00:00:00Z"), 1, now), SHORTEST);
    }

    #[test]
    fn a_refusal_has_the_figures() {
        let now: Timestamp = "2026-11-01T00:00:00Z".parse().expect("a time");
        let (poll, every) = (Poll::new(["a"]), Duration::from_secs(5));
        let units = some(19_999, "2026-12-01T00:00:00+09:00");
        let least = least_interval(&poll, units.clone(), 1, now);
        assert_eq!(
            too_often(&poll, every, least, units, now),
            "polling 1 room every 5s would cost 511920 units until the month ends, of which 19999 are left and 50 % may be used: poll every 256 s or less often, or use webhooks",
        );
    }
}
