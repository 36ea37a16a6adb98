//! Clients of the sandbox that are ready to use.

use super::{Sandbox, chatwork as chatwork_sandbox, lancers as lancers_sandbox, tascha as tascha_sandbox};
use crate::{ClientBuilder, Service, chatwork, lancers, tascha};
use std::sync::Arc;

/// A client of each service, as the first account of its default seed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Clients {
    /// Account 1 "Bot".
    pub chatwork: chatwork::Client,
    /// The user "alice".
    pub tascha: tascha::Client,
    /// The user "alice".
    pub lancers: lancers::Client,
}

impl Sandbox {
    /// A client of each service, on the sandbox's clock, with the credentials of the default seeds.
    ///
    /// On a clock of your own, such as a [`VirtualClock`](crate::VirtualClock), they have no timeouts, so that
    /// [`drive`](crate::VirtualClock::drive) ends the waits of a call and nothing else.
    pub fn clients(&self) -> Clients {
        const READY: &str = "the sandbox's addresses are loopback and its credentials are plain text";
        Clients {
            chatwork: self.chatwork_client(chatwork_sandbox::Seed::TOKEN).build().expect(READY),
            tascha: self.tascha_client(tascha_sandbox::Seed::TOKEN).build().expect(READY),
            lancers: self.lancers_client(lancers_sandbox::Seed::CREDENTIAL).build().expect(READY),
        }
    }

    /// Begins a Chatwork client of the sandbox, on its clock, with this API token.
    pub fn chatwork_client(&self, token: &str) -> chatwork::Builder {
        self.on_clock(chatwork::Client::builder().base_url(self.chatwork_url())).api_token(token)
    }

    /// Begins a TAS-CHA client of the sandbox, on its clock, with this API key.
    pub fn tascha_client(&self, key: &str) -> tascha::Builder {
        self.on_clock(tascha::Client::builder().base_url(self.tascha_url())).api_key(key)
    }

    /// Begins a Lancers client of the sandbox, on its clock, with this cookie.
    pub fn lancers_client(&self, cookie: &str) -> lancers::Builder {
        self.on_clock(lancers::Client::builder().base_url(self.lancers_url())).cookie(cookie)
    }

    /// A clock that is not the system's does not know how long a socket takes, so that timeouts on it would end calls at
    /// random.
    fn on_clock<S: Service>(&self, builder: ClientBuilder<S>) -> ClientBuilder<S> {
        let builder = builder.clock(Arc::clone(&self.clock));
        if self.own_clock { builder.timeout(None).attempt_timeout(None) } else { builder }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SystemClock, VirtualClock};

    /// Timeouts work only on a real clock, so they are removed for other clocks.
    #[tokio::test]
    async fn timeouts_are_removed_only_for_a_virtual_clock() {
        for (builder, own) in [
            (Sandbox::builder(), false),
            (Sandbox::builder().clock(SystemClock), false),
            (Sandbox::builder().clock(VirtualClock::new()), true),
        ] {
            assert_eq!(builder.start().await.expect("there are ports").own_clock, own);
        }
    }
}
