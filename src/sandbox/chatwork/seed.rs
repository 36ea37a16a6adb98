//! What is there at the start.

use super::account_seed::Account;
use super::data::{Data, Person};
use super::limits::Limit;
use super::model::{Role, RoomKind};
use super::oauth::{Consent, OAuth, OAuthClient};
use super::recording::Recorded;
use super::room_seed::Room;
use super::settings::Settings;
use super::webhook::{Outgoing, Webhook, Webhooks};
use crate::sandbox::ids::{Ids, require_unique};
use crate::sandbox::provider::Provider;
use crate::sandbox::recording::{Recording, RecordingError};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tokio::sync::mpsc;

/// What Chatwork holds at the start, and how it behaves.
///
/// Each account that it names must be one of its own, and nothing may be there twice; otherwise the sandbox panics at
/// its start.
///
/// [`Default`] has:
///
/// * account 1 "Bot" with the token [`Seed::TOKEN`], and its colleagues 2 "Alice" and 3 "Bob" with
///   `sandbox-chatwork-token-2` and `-3`; 1 and 2 are contacts, and 4 "Carol" asks 1 to become one;
/// * the group chats 100 "開発", which 1 manages, and 200 "Announcements", which 2 manages, with messages and a task;
/// * the OAuth clients `sandbox-client` (secret `sandbox-secret`, redirected to `https://localhost/callback`) and
///   `sandbox-public` (redirected to `kaiwa-sandbox:/callback`).
#[derive(Clone, Debug)]
#[must_use = "a seed does nothing until a sandbox has it"]
pub struct Seed {
    accounts: Vec<Account>,
    rooms: Vec<Room>,
    contacts: Vec<(u64, u64)>,
    requests: Vec<(u64, u64, String)>,
    clients: Vec<OAuthClient>,
    consent: Option<Consent>,
    webhooks: Vec<Webhook>,
    settings: Settings,
    recorded: Recorded,
}

impl Seed {
    /// The API token of [`Seed::ACCOUNT`] in the default.
    pub const TOKEN: &str = "sandbox-chatwork-token";
    /// The API token of [`Seed::COLLEAGUE`] in the default.
    pub const COLLEAGUE_TOKEN: &str = "sandbox-chatwork-token-2";
    /// The account that the default is about: "Bot".
    pub const ACCOUNT: u64 = 1;
    /// The other account, in the same rooms: "Alice".
    pub const COLLEAGUE: u64 = 2;
    /// A group chat that [`Seed::ACCOUNT`] manages.
    pub const ROOM: u64 = 100;
    /// A group chat that [`Seed::COLLEAGUE`] manages.
    pub const SECOND_ROOM: u64 = 200;

    /// Nothing but the service's own limits.
    pub fn new() -> Self {
        Self {
            accounts: Vec::new(),
            rooms: Vec::new(),
            contacts: Vec::new(),
            requests: Vec::new(),
            clients: Vec::new(),
            consent: None,
            webhooks: Vec::new(),
            settings: Settings::default(),
            recorded: Recorded::default(),
        }
    }

    /// What a recording has of Chatwork, as JSON Lines of `cargo run --example contract_check -- --record FILE`: its accounts,
    /// rooms, messages, tasks and files, with the made-up ids, and texts of the recorded lengths. [`Seed::TOKEN`] is the token of
    /// the account that recorded it. What only a count says is made up, up to 1,000 items of a room, or fewer if there are more
    /// than 100 rooms. If the recording has no answers of Chatwork, it is the default.
    ///
    /// # Errors
    ///
    /// A line that is not part of a recording.
    pub fn from_recording(text: &str) -> Result<Self, RecordingError> {
        let Some(recording) = Recording::of(Provider::Chatwork, text)? else { return Ok(Self::default()) };
        let mut recorded = Recorded::read(&recording, Self::ACCOUNT);
        let consent = Some(Consent::Approve(recorded.me));
        recorded.people.entry(recorded.me).and_modify(|me| me.profile.tokens.push(Self::TOKEN.to_owned()));
        Ok(Self { recorded, consent, ..Self::new() })
    }

    /// Adds an account.
    pub fn account(mut self, account: Account) -> Self {
        self.accounts.push(account);
        self
    }

    /// Adds a group chat.
    pub fn room(mut self, room: Room) -> Self {
        self.rooms.push(room);
        self
    }

    /// Makes two accounts contacts, with a direct chat.
    pub fn contact(mut self, one: u64, other: u64) -> Self {
        self.contacts.push((one, other));
        self
    }

    /// A contact request that waits for `to` to answer it.
    pub fn incoming_request(mut self, from: u64, to: u64, message: impl Into<String>) -> Self {
        self.requests.push((from, to, message.into()));
        self
    }

    /// Adds an OAuth client.
    pub fn oauth_client(mut self, client: OAuthClient) -> Self {
        self.clients.push(client);
        self
    }

    /// The answer on the consent page. Default: the first account approves.
    pub fn consent(mut self, consent: Consent) -> Self {
        self.consent = Some(consent);
        self
    }

    /// Adds a webhook.
    pub fn webhook(mut self, webhook: Webhook) -> Self {
        self.webhooks.push(webhook);
        self
    }

    /// Calls of one account in a window. Default: 300 in 5 minutes.
    pub fn rate_limit(mut self, calls: u64, period: Duration) -> Self {
        self.settings.rate_limit = Limit { calls, period };
        self
    }

    /// Messages and tasks in one room in a rolling period. Default: 10 in 10 seconds.
    pub fn room_limit(mut self, posts: u64, period: Duration) -> Self {
        self.settings.room_limit = Limit { calls: posts, period };
        self
    }

    /// No limit of calls or posts. The rate headers stay, with figures that no test reaches.
    pub fn unlimited(self) -> Self {
        let period = Duration::from_secs(1);
        self.rate_limit(1_000_000_000, period).room_limit(u64::MAX, period)
    }

    /// Hides messages older than this, as the free plan does (40 days), and says so in the headers. Default: nothing
    /// is hidden.
    pub fn hide_messages_after(mut self, age: Duration) -> Self {
        self.settings.visible_for = Some(age);
        self
    }

    /// Default: 30 minutes.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.access_token_lifetime = lifetime;
        self
    }

    /// Without `offline_access`. Default: 14 days.
    pub fn refresh_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.refresh_token_lifetime = lifetime;
        self
    }

    /// Whether a refresh replaces the refresh token and ends the old one, which the documentation does not say.
    /// Default: yes, the harder case.
    pub fn rotate_refresh_tokens(mut self, rotate: bool) -> Self {
        self.settings.rotate_refresh_tokens = rotate;
        self
    }

    /// Whether a refresh token that was replaced and is used again ends its whole login, the newest access and refresh token
    /// too (RFC 9700, section 4.14.2): somebody may have stolen it. TAS-CHA does this; of Chatwork it is not known. Without
    /// it the request is refused with `invalid_grant`, and nothing else happens. Default: no.
    pub fn detect_refresh_token_reuse(mut self, detect: bool) -> Self {
        self.settings.detect_refresh_token_reuse = detect;
        self
    }

    /// Prints `expires_in` of a token as a string of digits, as the documentation's samples have it, and not as the
    /// number that its text promises.
    pub fn expires_in_as_text(mut self) -> Self {
        self.settings.expires_in_as_text = true;
        self
    }

    /// How many webhooks of a setting may fail in a row before it is switched off, as the service does after an unknown
    /// number. Default: 100.
    pub fn webhook_errors(mut self, errors: u32) -> Self {
        self.settings.webhook_errors = errors;
        self
    }

    pub(super) fn build(self, now: Timestamp, seed: u64, outbox: mpsc::UnboundedSender<Outgoing>) -> Data {
        let Recorded { people, rooms, .. } = self.recorded;
        let accounts = people.values().map(|person| &person.profile).chain(&self.accounts);
        require_unique("account", accounts.clone().map(|account| account.id));
        require_unique("room", rooms.keys().copied().chain(self.rooms.iter().map(|room| room.id)));
        let tokens: Vec<&String> = accounts.flat_map(|account| &account.tokens).collect();
        // The message shows no token, not even one of a sandbox.
        assert_eq!(
            tokens.iter().collect::<BTreeSet<_>>().len(),
            tokens.len(),
            "two accounts have the same token"
        );
        // Beyond the positive numbers of 32 bits, where the ids of the service have arrived.
        let mut ids = Ids::new(seed, 2_200_000_000);
        let first = self.accounts.first().map_or(0, |account| account.id);
        let consent = self.consent.unwrap_or(Consent::Approve(first));
        let oauth = OAuth::new(self.clients, consent, ids.bytes());
        let webhooks = Webhooks::new(outbox, self.settings.webhook_errors);
        let mut data = Data {
            settings: self.settings,
            // 19 digits, as the service gives them today; beyond what a JSON number holds safely.
            message_ids: Ids::new(seed, 1_900_000_000_000_000_000),
            ids,
            people: BTreeMap::new(),
            tokens: HashMap::new(),
            oauth,
            // The rooms with numbers of their own go first, so that those made here keep clear of them.
            rooms: rooms
                .into_iter()
                .chain(self.rooms.iter().map(|room| (room.id, room.empty(now))))
                .collect(),
            marks: HashMap::new(),
            windows: HashMap::new(),
            downloads: HashMap::new(),
            webhooks,
        };
        for (id, mut person) in people {
            data.tokens.extend(person.profile.tokens.iter().map(|token| (token.clone(), id)));
            if person.my_room == 0 {
                person.my_room = data.new_my_room(id, now);
            }
            data.people.insert(id, person);
        }
        for account in self.accounts {
            data.add_account(account, now);
        }
        if let Consent::Approve(account) = consent
            && !data.people.is_empty()
        {
            data.require_accounts(&[account]);
        }
        for (one, other) in self.contacts {
            data.require_accounts(&[one, other]);
            data.befriend(one, other, now);
        }
        for (from, to, message) in self.requests {
            data.require_accounts(&[from, to]);
            data.add_request(from, to, message);
        }
        for room in self.rooms {
            data.require_accounts(&room.accounts());
            room.fill(&mut data, now);
        }
        for webhook in self.webhooks {
            data.require_webhook(&webhook);
            data.webhooks.add(&mut data.ids, webhook);
        }
        data
    }
}

impl Default for Seed {
    fn default() -> Self {
        let account = |id, name, token: &str| {
            Account::new(id, name).token(token).organization(10, "Example Inc.").department("Development")
        };
        Self::new()
            .account(account(Self::ACCOUNT, "Bot", Self::TOKEN).chatwork_id("bot").mail("bot@example.com"))
            .account(account(Self::COLLEAGUE, "Alice", Self::COLLEAGUE_TOKEN).chatwork_id("alice"))
            .account(account(3, "Bob", "sandbox-chatwork-token-3"))
            .account(Account::new(4, "Carol"))
            .contact(1, 2)
            .incoming_request(4, 1, "Hello, may I?")
            .room(
                Room::group(Self::ROOM, "開発")
                    .description("[info]Where the builds are[/info]")
                    .admin(1)
                    .member(2)
                    .member(3)
                    .message(2, "おはようございます")
                    .message(3, "[To:1] Bot\nIs the build green?")
                    .task(2, &[1], "Write the release notes"),
            )
            .room(
                Room::group(Self::SECOND_ROOM, "Announcements")
                    .admin(2)
                    .member(1)
                    .readonly(3)
                    .message(2, "[toall] Welcome!")
                    .message(1, "Thank you."),
            )
            .oauth_client(
                OAuthClient::confidential("sandbox-client", "sandbox-secret")
                    .redirect_uri("https://localhost/callback"),
            )
            .oauth_client(OAuthClient::public("sandbox-public").redirect_uri("kaiwa-sandbox:/callback"))
    }
}

impl Data {
    pub(super) fn add_account(&mut self, account: Account, now: Timestamp) {
        let id = account.id;
        for token in &account.tokens {
            self.tokens.insert(token.clone(), id);
        }
        let my_room = self.new_my_room(id, now);
        let person =
            Person { profile: account, my_room, contacts: BTreeMap::new(), requests: BTreeMap::new() };
        self.people.insert(id, person);
    }

    fn new_my_room(&mut self, account: u64, now: Timestamp) -> u64 {
        self.new_room(RoomKind::My, "My Chat", &[(account, Role::Admin)], now)
    }

    pub(super) fn add_request(&mut self, from: u64, to: u64, message: String) -> u64 {
        let id = self.new_id();
        if let Some(person) = self.people.get_mut(&to) {
            person.requests.insert(id, (from, message));
        }
        id
    }
}
