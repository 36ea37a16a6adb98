//! Starting the services, and what a running sandbox offers.

use super::backend::Backend;
use super::fault::{FaultPicker, Faults};
#[cfg(feature = "sandbox-window")]
use super::glance::Glance;
use super::log::{Log, Recorded};
use super::provider::Provider;
use super::server::{Server, Shared};
#[cfg(feature = "sandbox-window")]
use super::window::{Inside, Window};
use super::{chatwork, lancers, tascha};
use crate::{Clock, SystemClock};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::sync::broadcast;

/// The three services, each on a port of its own, until this is dropped.
#[must_use = "the services stop when the sandbox is dropped"]
pub struct Sandbox {
    chatwork: Arc<chatwork::State>,
    tascha: Arc<tascha::State>,
    lancers: Arc<lancers::State>,
    servers: BTreeMap<Provider, Server>,
    log: Log,
    faults: Faults,
    #[cfg(feature = "sandbox-window")]
    window: Option<Window>,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether the clock is another one than the system's.
    pub(super) own_clock: bool,
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

    /// Prepares a sandbox with another clock, seed, data or ports.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Base URL of Chatwork's API: `http://127.0.0.1:<port>/v2`.
    pub fn chatwork_url(&self) -> String {
        self.url(Provider::Chatwork, Provider::Chatwork.base_path())
    }

    /// Base URL of TAS-CHA's API: `http://127.0.0.1:<port>/v1`.
    pub fn tascha_url(&self) -> String {
        self.url(Provider::Tascha, Provider::Tascha.base_path())
    }

    /// Base URL of Lancers' API: `http://127.0.0.1:<port>/message_api/v2`.
    pub fn lancers_url(&self) -> String {
        self.url(Provider::Lancers, Provider::Lancers.base_path())
    }

    /// Chatwork's OAuth token endpoint.
    pub fn oauth_token_url(&self) -> String {
        self.url(Provider::Chatwork, "/token")
    }

    /// Chatwork's OAuth consent page. There is no page: it redirects at once, as the seed's
    /// [`Consent`](chatwork::Consent) says.
    pub fn oauth_consent_url(&self) -> String {
        self.url(Provider::Chatwork, "/packages/oauth2/login.php")
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

    /// Receives each request from now on, once its answer is decided. A receiver that is more than 4096 behind misses
    /// the oldest.
    pub fn subscribe_requests(&self) -> broadcast::Receiver<Recorded> {
        self.log.subscribe()
    }

    /// What goes wrong, and when.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Where the [window](Builder::window) is, to be opened in a browser on this machine: `http://127.0.0.1:<port>/<token>/`;
    /// `None` without one. Whoever has this address can see and change what is in the sandbox.
    #[cfg(feature = "sandbox-window")]
    pub fn window_url(&self) -> Option<String> {
        self.window.as_ref().map(Window::url)
    }

    fn url(&self, provider: Provider, path: &str) -> String {
        format!("http://{}{path}", self.servers[&provider].address)
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
    ports: BTreeMap<Provider, u16>,
    #[cfg(feature = "sandbox-window")]
    window: bool,
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
            #[cfg(feature = "sandbox-window")]
            window: false,
        }
    }
}

impl Builder {
    /// Where the services read the time and wait. Give the client the same one. Default: the system's.
    ///
    /// With any other than [`SystemClock`] the sandbox's clients have no timeouts, so that a
    /// [`silence`](super::Fault::silence) is for ever unless you give them one.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.own_clock = !(&clock as &dyn Any).is::<SystemClock>();
        self.clock = Arc::new(clock);
        self
    }

    /// What ids and the chances of [`Chaos`](super::Chaos) follow. Default: 0.
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
    pub fn port(mut self, provider: Provider, port: u16) -> Self {
        self.ports.insert(provider, port);
        self
    }

    /// Serves a page on a port of its own, on this machine only, at [`Sandbox::window_url`]: rooms, people and messages as
    /// they change, the requests of the program under test, and faults that a click switches on. A person can write there as
    /// any account. Default: no.
    ///
    /// Its address has a random token. The page sends nothing to another host, and no credential of the sandbox is sent to it.
    /// What it waits for, it waits for in real time, whatever [`clock`](Self::clock) the services have.
    #[cfg(feature = "sandbox-window")]
    pub fn window(mut self, window: bool) -> Self {
        self.window = window;
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
        let credential_header = self.lancers.header_of_credential().to_owned();
        let chatwork = chatwork::start(Arc::clone(&self.clock), self.seed, self.chatwork);
        let tascha = Arc::new(tascha::State::new(
            Arc::clone(&self.clock),
            self.tascha.build(self.clock.wall(), self.seed),
        ));
        let lancers = Arc::new(lancers::State::new(
            Arc::clone(&self.clock),
            self.lancers.build(self.clock.wall(), self.seed),
        ));

        let log = Log::new(&credential_header);
        let picker = FaultPicker::new(self.seed);
        let shared = Shared { clock: Arc::clone(&self.clock), log: log.clone(), faults: picker.clone() };
        let backends: [(Provider, Arc<dyn Backend>); 3] = [
            (Provider::Chatwork, chatwork.clone()),
            (Provider::Tascha, tascha.clone()),
            (Provider::Lancers, lancers.clone()),
        ];
        let mut servers = BTreeMap::new();
        for (provider, backend) in backends {
            let port = self.ports.get(&provider).copied().unwrap_or(0);
            let server = Server::start(provider, port, backend, shared.clone()).map_err(|error| {
                let choose =
                    "choose another port with `Builder::port`; without one, or with 0, the system chooses";
                io::Error::new(
                    error.kind(),
                    format!("{provider} cannot be served on port {port}: {error}; {choose}"),
                )
            })?;
            servers.insert(provider, server);
        }
        let gates = servers.iter().map(|(provider, server)| (*provider, server.gate.clone())).collect();
        let (clock, own_clock) = (self.clock, self.own_clock);
        let faults = Faults::new(picker, gates);
        #[cfg(feature = "sandbox-window")]
        let window = if self.window {
            let services: [(Provider, Arc<dyn Glance>); 3] = [
                (Provider::Chatwork, chatwork.clone()),
                (Provider::Tascha, tascha.clone()),
                (Provider::Lancers, lancers.clone()),
            ];
            let (clock, log, faults) = (Arc::clone(&clock), log.clone(), faults.clone());
            Some(Window::open(Inside { clock, services: services.into(), log, faults }).await?)
        } else {
            None
        };
        Ok(Sandbox {
            chatwork,
            tascha,
            lancers,
            servers,
            log,
            faults,
            #[cfg(feature = "sandbox-window")]
            window,
            clock,
            own_clock,
        })
    }
}
