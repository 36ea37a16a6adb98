//! The three services in memory, on loopback ports, with faults on demand.
//!
//! Nothing leaves the machine, no token is needed, and time stands still if it is told to. The services keep state:
//! what is posted is listed, counted and can be read by the others. What they answer is told in
//! [`chatwork`], [`tascha`] and [`lancers`]; what can go wrong on the way, in [`Fault`].
//!
//! A complete test of a small bot, which has to greet newcomers, and greet nobody twice:
//!
//! ```
//! use kaiwa::VirtualClock;
//! use kaiwa::chatwork::{Client, Reconcile, RoomId};
//! use kaiwa::sandbox::chatwork::{Account, Room, Seed};
//! use kaiwa::sandbox::{Fault, Sandbox, Script, Service};
//!
//! /// The bot: greets all members of a room but itself.
//! async fn greet(chatwork: &Client, room: RoomId) -> Result<(), kaiwa::Error> {
//!     let me = chatwork.me().await?.account_id;
//!     let room = chatwork.room(room);
//!     for member in room.members().await?.iter().filter(|member| member.account_id != me) {
//!         let greeting = format!("[To:{}] Welcome, {}!", member.account_id, member.name);
//!         room.post(greeting).with_reconcile(Reconcile::new().account(me)).await?;
//!     }
//!     Ok(())
//! }
//!
//! # /*
//! #[tokio::test]
//! # */
//! async fn everybody_is_greeted_once() -> Result<(), Box<dyn std::error::Error>> {
//!     let seed = Seed::new()
//!         .account(Account::new(1, "Bot").token("bot-token"))
//!         .account(Account::new(2, "Alice"))
//!         .account(Account::new(3, "Bob"))
//!         .room(Room::group(10, "Builds").admin(1).member(2).member(3));
//!     let clock = VirtualClock::new();
//!     let sandbox = Sandbox::builder().clock(clock.clone()).seed(42).chatwork(seed).start().await?;
//!     let bot = sandbox.chatwork_as("bot-token").build()?;
//!
//!     // Alice's greeting is posted, and the answer lost; a gateway is in the way of Bob's.
//!     let script = Script::on("post_message").then(Fault::reset().after()).then(Fault::bad_gateway());
//!     sandbox.faults().script(Service::Chatwork, script);
//!     clock.drive(greet(&bot, RoomId(10))).await?;
//!
//!     let messages = sandbox.chatwork().room(10).messages();
//!     let bodies: Vec<&str> = messages.iter().map(|message| message.body.as_str()).collect();
//!     assert_eq!(bodies, ["[To:2] Welcome, Alice!", "[To:3] Welcome, Bob!"]);
//!     let posts = sandbox.requests().iter().filter(|request| request.operation == Some("post_message")).count();
//!     assert_eq!(posts, 3, "Bob's was sent again, Alice's was not");
//!     Ok(())
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> { everybody_is_greeted_once().await }
//! ```
//!
//! The guide on [testing](crate::guide::testing) goes through all of it. For programs in other languages
//! `cargo run --example sandbox` serves it on fixed ports, which can be chosen.

pub mod chatwork;
mod clients;
pub(crate) mod context;
mod disposition;
mod fault;
pub mod lancers;
mod log;
mod operations;
mod server;
pub mod tascha;

pub use clients::Clients;
pub use fault::{Chaos, Fault, Faults, Script};
pub use log::Recorded;

use crate::{Clock, SystemClock};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use context::Context;
use fault::{Chooser, Refuses};
use log::Log;
use server::{Backend, Server, Shared};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

/// One of the three services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Chatwork API v2, with its OAuth endpoints.
    Chatwork,
    /// TAS-CHA Public API v1.
    Tascha,
    /// Lancers message API v2.
    Lancers,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chatwork => "Chatwork",
            Self::Tascha => "TAS-CHA",
            Self::Lancers => "Lancers",
        })
    }
}

/// The three services, each on a port of its own, until this is dropped.
#[must_use = "the services stop when the sandbox is dropped"]
pub struct Sandbox {
    chatwork: Arc<chatwork::State>,
    tascha: Arc<tascha::State>,
    lancers: Arc<lancers::State>,
    servers: BTreeMap<Service, Server>,
    webhooks: AbortHandle,
    log: Log,
    faults: Faults,
    clock: Arc<dyn Clock>,
    own_clock: bool,
}

impl Sandbox {
    /// Starts the services as their default seeds have them, on ports that the system chooses.
    ///
    /// # Errors
    ///
    /// If there is no port to be had.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// A sandbox with a clock, a seed, data or ports of one's own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Base URL of Chatwork's API: `http://127.0.0.1:<port>/v2`.
    pub fn chatwork_url(&self) -> String {
        self.url(Service::Chatwork, "/v2")
    }

    /// Base URL of TAS-CHA's API: `http://127.0.0.1:<port>/v1`.
    pub fn tascha_url(&self) -> String {
        self.url(Service::Tascha, "/v1")
    }

    /// Base URL of Lancers' API: `http://127.0.0.1:<port>/message_api/v2`.
    pub fn lancers_url(&self) -> String {
        self.url(Service::Lancers, "/message_api/v2")
    }

    /// Chatwork's OAuth token endpoint.
    pub fn oauth_token_url(&self) -> String {
        self.url(Service::Chatwork, "/token")
    }

    /// Chatwork's OAuth consent page. There is no page: it redirects at once, as the seed's
    /// [`Consent`](chatwork::Consent) says.
    pub fn oauth_consent_url(&self) -> String {
        self.url(Service::Chatwork, "/packages/oauth2/login.php")
    }

    /// Looks at Chatwork's data, and acts on it as the people do who are not under test.
    pub fn chatwork(&self) -> chatwork::View {
        chatwork::View::new(self.chatwork.clone())
    }

    /// Looks at TAS-CHA's data.
    pub fn tascha(&self) -> tascha::View {
        tascha::View::new(self.tascha.clone())
    }

    /// Looks at Lancers' data.
    pub fn lancers(&self) -> lancers::View {
        lancers::View::new(self.lancers.clone())
    }

    /// Every request so far, of all services, in the order in which they were complete.
    pub fn requests(&self) -> Vec<Recorded> {
        self.log.entries()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.log.clear();
    }

    /// Tells each request from now on, once its answer is decided. Whoever is more than 4096 behind misses the oldest.
    pub fn requests_seen(&self) -> broadcast::Receiver<Recorded> {
        self.log.subscribe()
    }

    /// What goes wrong, and when.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    fn url(&self, service: Service, path: &str) -> String {
        format!("http://{}{path}", self.servers[&service].address)
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("chatwork", &self.chatwork_url())
            .field("tascha", &self.tascha_url())
            .field("lancers", &self.lancers_url())
            .finish_non_exhaustive()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.webhooks.abort();
        self.tascha.end_deliveries();
    }
}

/// Prepares a [`Sandbox`].
#[derive(Debug)]
#[must_use = "nothing is started before `start`"]
pub struct Builder {
    clock: Arc<dyn Clock>,
    own_clock: bool,
    seed: u64,
    chatwork: chatwork::Seed,
    tascha: tascha::Seed,
    lancers: lancers::Seed,
    ports: BTreeMap<Service, u16>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            own_clock: false,
            seed: 0,
            chatwork: chatwork::Seed::default(),
            tascha: tascha::Seed::default(),
            lancers: lancers::Seed::default(),
            ports: BTreeMap::new(),
        }
    }
}

impl Builder {
    /// Where the services read the time and wait. Give the client the same one. Default: the system's.
    ///
    /// With any other than [`SystemClock`] the sandbox's clients have no timeouts, so that a
    /// [`silence`](Fault::silence) is for ever unless you give them one.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.own_clock = !(&clock as &dyn Any).is::<SystemClock>();
        self.clock = Arc::new(clock);
        self
    }

    /// What ids and the chances of [`Chaos`] follow. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Chatwork's data at the start.
    pub fn chatwork(mut self, seed: chatwork::Seed) -> Self {
        self.chatwork = seed;
        self
    }

    /// TAS-CHA's data at the start.
    pub fn tascha(mut self, seed: tascha::Seed) -> Self {
        self.tascha = seed;
        self
    }

    /// Lancers' data at the start.
    pub fn lancers(mut self, seed: lancers::Seed) -> Self {
        self.lancers = seed;
        self
    }

    /// A fixed port for a service. Default, and 0: one that the system chooses.
    pub fn port(mut self, service: Service, port: u16) -> Self {
        self.ports.insert(service, port);
        self
    }

    /// Starts the services.
    ///
    /// # Errors
    ///
    /// If a port is taken, or may not be used; the error names it and its service.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or if Chatwork's seed names an account that it does not have.
    pub async fn start(self) -> io::Result<Sandbox> {
        let context = Context { clock: self.clock.clone(), seed: self.seed };
        let clock = self.clock.clone();
        let credential_header = self.lancers.header_of_credential().to_owned();
        let chatwork = Arc::new(chatwork::State::new(context.clone(), self.chatwork));
        let tascha = Arc::new(tascha::State::new(context.clone(), self.tascha));
        let lancers = Arc::new(lancers::State::new(context, self.lancers));

        let log = Log::new(&credential_header);
        let chooser = Chooser::new(self.seed);
        let shared = Shared { clock: self.clock, log: log.clone(), faults: chooser.clone() };
        let mut servers = BTreeMap::new();
        let backends: [(Service, Router, Arc<dyn Refuses>); 3] = [
            (Service::Chatwork, chatwork::router(chatwork.clone()), chatwork.clone()),
            (Service::Tascha, tascha::router(tascha.clone()), tascha.clone()),
            (Service::Lancers, lancers::router(lancers.clone()), lancers.clone()),
        ];
        for (service, router, state) in backends {
            let port = self.ports.get(&service).copied().unwrap_or(0);
            // Uploads are larger than axum's default limit, and the services have limits of their own.
            let router = router.layer(DefaultBodyLimit::disable());
            let backend = Backend { router, state };
            let server = Server::start(service, port, backend, shared.clone()).map_err(|error| {
                let choose =
                    "choose another port with `Builder::port`; without one, or with 0, the system chooses";
                io::Error::new(
                    error.kind(),
                    format!("{service} cannot be served on port {port}: {error}; {choose}"),
                )
            })?;
            servers.insert(service, server);
        }
        let gates = servers.iter().map(|(service, server)| (*service, server.gate.clone())).collect();
        let webhooks = tokio::spawn(chatwork::deliver(chatwork.clone())).abort_handle();
        Ok(Sandbox {
            chatwork,
            tascha,
            lancers,
            servers,
            webhooks,
            log,
            faults: Faults::new(chooser, gates),
            clock,
            own_clock: self.own_clock,
        })
    }
}
