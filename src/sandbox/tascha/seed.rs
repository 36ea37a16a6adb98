//! What is there when the sandbox starts.

use super::auth::{Actor, Key};
use super::data::{Data, Settings};
use super::error::ErrorShape;
use super::idempotency::Store;
use super::limits::Limits;
use super::model::{EventType, Organization, User};
use super::page::EndOfList;
use super::recording::Recorded;
use super::room::RoomData;
use super::room_seed::{RoomSeed, WebhookSeed};
use crate::sandbox::ids::{Ids, require_unique};
use crate::sandbox::provider::Provider;
use crate::sandbox::recording::{Recording, RecordingError};
use axum::http::StatusCode;
use jiff::Timestamp;
use std::time::Duration;

/// What TAS-CHA holds at the start, and how it behaves.
///
/// No user and no room may be there twice: the sandbox panics at its start.
///
/// The default has Alice with the token [`Seed::TOKEN`], her colleague Bob, and two rooms. Build on it, or on
/// [`Seed::new`]:
///
/// ```
/// use kaiwa::sandbox::tascha::{Key, RoomSeed, Seed};
///
/// let seed = Seed::default()
///     .key(Key::user("reader", Seed::USER).scopes(["me:read", "rooms:read"]))
///     .room(RoomSeed::new("big", "A big room").members([Seed::USER]).messages(10_000));
/// # let _ = seed;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Seed {
    users: Vec<User>,
    organizations: Vec<Organization>,
    keys: Vec<Key>,
    rooms: Vec<RoomSeed>,
    recorded: Vec<RoomData>,
    events: Vec<EventType>,
    settings: Settings,
}

impl Default for Seed {
    fn default() -> Self {
        Self::new()
            .organization(Organization::new(Self::ORGANIZATION, "サンドボックス株式会社"))
            .user(User::new(Self::USER, "Alice").organization(Self::ORGANIZATION))
            .user(User::new(Self::COLLEAGUE, "Bob").organization(Self::ORGANIZATION))
            .key(Key::user(Self::TOKEN, Self::USER))
            .key(Key::user(Self::COLLEAGUE_TOKEN, Self::COLLEAGUE))
            .key(Key::organization(Self::ORGANIZATION_TOKEN, Self::ORGANIZATION))
            .room(
                RoomSeed::new(Self::ROOM, "全体")
                    .organization(Self::ORGANIZATION)
                    .members([Self::USER, Self::COLLEAGUE])
                    .board(Self::BOARD)
                    .messages(3)
                    .tasks(1)
                    .records(1)
                    .files(1)
                    .webhook(WebhookSeed::new(Self::WEBHOOK).deliveries(2)),
            )
            .room(
                RoomSeed::new(Self::SECOND_ROOM, "雑談")
                    .organization(Self::ORGANIZATION)
                    .members([Self::USER, Self::COLLEAGUE])
                    .messages(2),
            )
    }
}

impl Seed {
    /// The token of [`Seed::USER`] in the default.
    pub const TOKEN: &str = "sandbox-tascha-token";
    /// The token of [`Seed::COLLEAGUE`] in the default.
    pub const COLLEAGUE_TOKEN: &str = "sandbox-tascha-colleague-token";
    /// The key of [`Seed::ORGANIZATION`] in the default.
    pub const ORGANIZATION_TOKEN: &str = "sandbox-tascha-organization-token";
    /// Alice, whose token the default is about.
    pub const USER: &str = "ckuseralice";
    /// Bob, who is in the same rooms.
    pub const COLLEAGUE: &str = "ckuserbob";
    /// The organization of both.
    pub const ORGANIZATION: &str = "ckorgsandbox";
    /// A room with a board, messages, a task, a record, a file and a webhook.
    pub const ROOM: &str = "ckroomgeneral";
    /// A room with messages and without a board.
    pub const SECOND_ROOM: &str = "ckroomrandom";
    /// The board of [`Seed::ROOM`].
    pub const BOARD: &str = "ckboardgeneral";
    /// The webhook of [`Seed::ROOM`], without a URL.
    pub const WEBHOOK: &str = "ckwebhookgeneral";

    /// Nothing but a catalogue of events.
    pub fn new() -> Self {
        let events = vec![
            EventType::new("message.created", "A message was posted."),
            EventType::new("task.created", "A task was created."),
            EventType::new("task.updated", "A task was changed."),
            EventType::new("record.created", "A record was created.").preview(),
            EventType::new("record.updated", "A record was changed.").preview(),
        ];
        Self {
            users: Vec::new(),
            organizations: Vec::new(),
            keys: Vec::new(),
            rooms: Vec::new(),
            recorded: Vec::new(),
            events,
            settings: Settings::default(),
        }
    }

    /// What a recording has of TAS-CHA, as JSON Lines of `cargo run --example contract_check -- --record FILE`: its users,
    /// organizations, rooms and what is in them, with the made-up ids, and texts of the recorded lengths. [`Seed::TOKEN`] is the
    /// token of the user or the organization that recorded it. Each room gets the board [`Seed::BOARD`], since no answer has
    /// boards. If the recording has no answers of TAS-CHA, it is the default.
    ///
    /// # Errors
    ///
    /// A line that is not part of a recording.
    pub fn from_recording(text: &str) -> Result<Self, RecordingError> {
        let Some(recording) = Recording::of(Provider::Tascha, text)? else { return Ok(Self::default()) };
        let Recorded { actor, users, organizations, rooms, events } =
            Recorded::read(&recording, Self::USER, Self::BOARD);
        let key = match actor {
            Actor::User(id) | Actor::Agent(id) => Key::user(Self::TOKEN, id),
            Actor::Organization(id) => Key::organization(Self::TOKEN, id),
        };
        let seed = Self { users, organizations, recorded: rooms, ..Self::new().key(key) };
        Ok(if events.is_empty() { seed } else { seed.events(events) })
    }

    /// Adds a person.
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Adds an organization.
    pub fn organization(mut self, organization: Organization) -> Self {
        self.organizations.push(organization);
        self
    }

    /// Adds a credential.
    pub fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// Adds a room.
    pub fn room(mut self, room: RoomSeed) -> Self {
        self.rooms.push(room);
        self
    }

    /// Replaces the catalogue of events. The names in the default are made up.
    pub fn events(mut self, events: impl IntoIterator<Item = EventType>) -> Self {
        self.events = events.into_iter().collect();
        self
    }

    /// Where the fields of an error stand.
    pub fn error_shape(mut self, shape: ErrorShape) -> Self {
        self.settings.error_shape = shape;
        self
    }

    /// How the last page of a list is marked.
    pub fn end_of_list(mut self, end: EndOfList) -> Self {
        self.settings.paging.end = end;
        self
    }

    /// The size of a page without `limit`; 50 by default.
    pub fn page_size(mut self, items: usize) -> Self {
        self.settings.paging.default = items.max(1);
        self
    }

    /// The largest page; a greater `limit` is lowered to it. 200 by default.
    pub fn page_cap(mut self, items: usize) -> Self {
        self.settings.paging.cap = items.max(1);
        self
    }

    /// How many requests a user or an organization may make in a window; 300 in 60 seconds by default.
    ///
    /// A window begins with its first request.
    pub fn burst_limit(mut self, requests: u64, window: Duration) -> Self {
        self.settings.quota.burst = requests;
        self.settings.quota.window = window;
        self
    }

    /// How many units a user or an organization may use in a month of Japan; 20,000 by default.
    pub fn units_limit(mut self, units: u64) -> Self {
        self.settings.quota.units = units;
        self
    }

    /// Lifts both limits, for tests of something else.
    pub fn unlimited(self) -> Self {
        self.burst_limit(1_000_000_000, Duration::from_secs(60)).units_limit(1_000_000_000)
    }

    /// The status when the units are spent: 429 by default, 403 being the other likely one.
    ///
    /// # Panics
    ///
    /// If `status` is not a status of three digits.
    pub fn units_exhausted_status(mut self, status: u16) -> Self {
        self.settings.quota.units_exhausted = StatusCode::from_u16(status).expect("a status of three digits");
        self
    }

    pub(crate) fn build(self, started: Timestamp, seed: u64) -> Data {
        require_unique("user", self.users.iter().map(|user| &user.id));
        let recorded = self.recorded.iter().map(|room| room.room.id.as_str());
        require_unique("room", recorded.chain(self.rooms.iter().map(RoomSeed::id)));
        let mut ids = Ids::new(seed, 0);
        let seeded = self.rooms.into_iter().map(|room| room.build(started, &mut ids));
        let rooms = self.recorded.into_iter().chain(seeded).collect();
        Data {
            started,
            limits: Limits::new(self.settings.quota.clone()),
            settings: self.settings,
            users: self.users,
            organizations: self.organizations,
            keys: self.keys,
            rooms,
            events: self.events,
            ids,
            answers: Store::default(),
            outbox: Vec::new(),
        }
    }
}
