//! A proxy on the way to a service.

use std::fmt;

/// A proxy that the environment or the system names, without its user name and password.
///
/// A client without an [`http_client`](crate::ClientBuilder::http_client) of its own goes through it to every `https`
/// address: by `HTTPS_PROXY`, or else by `ALL_PROXY` (or either in small letters), but for the hosts in `NO_PROXY`. On
/// macOS and Windows the system's settings count where no variable is set. Plain `http`, which is for loopback only,
/// goes through no proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    pub(crate) scheme: String,
    pub(crate) address: String,
    pub(crate) variable: Option<&'static str>,
    pub(crate) has_user: bool,
}

impl Proxy {
    /// How the proxy is talked to: `http`, `https`, `socks5` and so on.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The environment variable that names it; `None` if the system's settings do.
    pub fn variable(&self) -> Option<&'static str> {
        self.variable
    }

    /// Whether a user name is sent to it.
    pub fn has_user(&self) -> bool {
        self.has_user
    }

    /// Where it is set, as the object of "correct".
    pub(crate) fn setting(&self) -> &'static str {
        self.variable.unwrap_or("the system's proxy settings")
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.address;
        match self.variable {
            Some(variable) => {
                write!(f, "the proxy {address} (from the environment variable {variable})")
            }
            None => write!(f, "the proxy {address} (from the system's settings)"),
        }
    }
}
