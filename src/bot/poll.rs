//! Rooms of TAS-CHA, read again and again as their units allow.

mod budget;
mod room;

use self::budget::{Budget, SHORTEST, least_interval};
use self::room::Place;
use super::incoming::Incoming;
use super::listener::Listener;
use super::settings::DurableBot;
use crate::outbox::{NewEntry, Note};
use crate::tascha::bot::Poll;
use crate::tascha::{Client, Message, RoomId};
use crate::{Clock, Error, Units};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The longest sleep: others may have learned of new units, and a clock may have been set.
const SLICE: Duration = Duration::from_secs(10 * 60);

/// An interval that is worth a warning.
const SELDOM: Duration = Duration::from_secs(60 * 60);

/// How long a room that fails is left alone: at first, and at the most.
const BACKOFF: Duration = Duration::from_secs(10);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60 * 60);

/// What part of the least interval may be asked for: a start later in the month must not be refused because of a few calls more.
const ALLOWED: f64 = 0.95;

/// What is stored.
#[derive(Default, Serialize, Deserialize)]
struct Places {
    budget: Option<Budget>,
    rooms: BTreeMap<String, Place>,
}

impl DurableBot {
    pub(super) async fn poll(&self, poll: Poll, key: String) -> Result<BoxFuture<'_, ()>, Error> {
        let client = match &self.shared.listener {
            Listener::Tascha { bot, .. } => bot.client(),
            #[cfg(feature = "chatwork")]
            Listener::Chatwork { .. } => {
                return Err(Error::config("a poll of TAS-CHA is no source of a bot of Chatwork"));
            }
        };
        if poll.rooms.is_empty() {
            return Err(Error::config("a poll needs at least one room"));
        }
        if let Some(every) = poll.every.filter(|every| *every < SHORTEST) {
            return Err(Error::config(format!(
                "polling every {every:?} is too often: {SHORTEST:?} is the shortest interval, or use webhooks"
            )));
        }
        let places = self.place::<Places>(&key).await?.unwrap_or_default();
        let mut polling = Polling {
            bot: self,
            client,
            poll,
            key,
            stored: String::new(),
            places,
            pages: BTreeMap::new(),
            failing: BTreeMap::new(),
            has_warned: false,
        };
        if polling.units().is_none() {
            // Its answer says which units are left.
            client.me().await?;
        }
        let has_begun = polling.poll.every.is_some();
        if has_begun {
            polling.check()?;
            // What a round costs is known after the first.
            polling.round().await;
            polling.check()?;
        }
        Ok(async move {
            if has_begun {
                polling.pause().await;
            }
            loop {
                polling.round().await;
                polling.pause().await;
            }
        }
        .boxed())
    }
}

struct Polling<'a> {
    bot: &'a DurableBot,
    client: &'a Client,
    poll: Poll,
    key: String,
    stored: String,
    places: Places,
    /// How many pages each room costs.
    pages: BTreeMap<String, u64>,
    /// How often a room has failed, and when it is read again.
    failing: BTreeMap<String, (u32, Instant)>,
    has_warned: bool,
}

impl Polling<'_> {
    fn clock(&self) -> &dyn Clock {
        &**self.bot.shared.listener.clock()
    }

    fn units(&self) -> Option<Units> {
        self.client.rate_limit().and_then(|limit| limit.units)
    }

    /// What a round costs.
    fn calls(&self) -> u64 {
        self.poll.rooms.iter().map(|room| self.pages.get(room.as_ref()).copied().unwrap_or(1)).sum()
    }

    async fn round(&mut self) {
        for room in self.poll.rooms.clone() {
            let now = self.clock().now();
            if self.failing.get(room.as_ref()).is_some_and(|(_, again)| now < *again) {
                continue;
            }
            self.renew();
            let (mut calls, wall) = (0, self.clock().wall());
            let before = self.places.rooms.get(room.as_ref());
            let found = room::read(self.client, &room, before, wall, &mut calls).await;
            if let Some(budget) = &mut self.places.budget {
                budget.used += calls;
            }
            self.renew();
            match found {
                Ok(found) => {
                    self.failing.remove(room.as_ref());
                    self.pages.insert(room.to_string(), found.pages);
                    let has_moved = self.places.rooms.get(room.as_ref()) != Some(&found.place);
                    self.places.rooms.insert(room.to_string(), found.place);
                    if has_moved {
                        self.store(found.messages).await;
                    }
                }
                Err(error) => self.leave_alone(&room, &error),
            }
        }
        self.store(Vec::new()).await;
    }

    fn leave_alone(&mut self, room: &RoomId, error: &Error) {
        let now = self.clock().now();
        let (failures, again) = self.failing.entry(room.to_string()).or_insert((0, now));
        let wait = BACKOFF.saturating_mul(1 << (*failures).min(16)).min(LONGEST_BACKOFF);
        (*failures, *again) = (*failures + 1, now + wait);
        tracing::warn!(%room, %error, failures, again = ?wait, "a room cannot be read; it is read again later");
    }

    /// Stores the messages, and where the poll is, if that has changed.
    async fn store(&mut self, messages: Vec<Message>) {
        let listener = &self.bot.shared.listener;
        let messages = messages.into_iter().map(|message| Incoming::TaschaMessage(Box::new(message)));
        let entries: Vec<NewEntry> =
            messages.filter_map(|message| listener.entry(message).ok().flatten()).collect();
        let text = serde_json::to_string(&self.places).expect("places are valid JSON");
        if text != self.stored {
            self.bot.store(Note::new(self.key.clone(), text.clone()), entries).await;
            self.stored = text;
        }
    }

    fn renew(&mut self) {
        self.places.budget = Budget::renew(self.places.budget, self.units().as_ref(), self.clock().wall());
    }

    fn least(&mut self) -> Duration {
        self.renew();
        let (units, now) = (self.units(), self.clock().wall());
        least_interval(self.places.budget.as_ref(), self.poll.share, units.as_ref(), self.calls(), now)
    }

    async fn pause(&mut self) {
        let start = self.clock().now();
        loop {
            let least = self.least();
            let interval = self.poll.every.unwrap_or_default().max(least);
            let is_seldom = least > SELDOM && interval == least;
            if is_seldom && !self.has_warned {
                let (minutes, calls) = (least.as_secs() / 60, self.calls());
                tracing::warn!(
                    minutes,
                    calls,
                    "the units that are left allow a poll of the rooms only after so many minutes"
                );
            }
            self.has_warned = is_seldom;
            let rest = interval.saturating_sub(self.clock().now().saturating_duration_since(start));
            if rest.is_zero() {
                return;
            }
            self.clock().sleep(rest.min(SLICE)).await;
        }
    }

    /// Whether the units allow the interval that is asked for.
    fn check(&mut self) -> Result<(), Error> {
        let least = self.least();
        match self.poll.every {
            Some(every) if every < least.mul_f64(ALLOWED) => Err(Error::config(self.too_often(every, least))),
            _ => Ok(()),
        }
    }

    fn too_often(&self, every: Duration, least: Duration) -> String {
        let (units, now, calls) = (self.units(), self.clock().wall(), self.calls());
        let rooms = match self.poll.rooms.len() {
            1 => "1 room".to_owned(),
            rooms => format!("{rooms} rooms"),
        };
        let instead = format!("poll every {} s or less often, or use webhooks", least.as_secs_f64().ceil());
        let Some((budget, remaining)) =
            self.places.budget.zip(units.as_ref().and_then(|units| units.remaining))
        else {
            return format!("the service does not say how many units are left: {instead}");
        };
        let cost = calls as f64 * budget.time_left(now).as_secs_f64() / every.as_secs_f64();
        let (left, share) = (budget.left(self.poll.share, units.as_ref()), self.poll.share * 100.0);
        let calls = if calls == 1 { "1 call".to_owned() } else { format!("{calls} calls") };
        format!(
            "polling {rooms} every {every:?} costs {calls} per round, and {cost:.0} units until the month ends, of which {remaining} are left and {left:.0} may be used (a share of {share:.0} %): {instead}"
        )
    }
}
