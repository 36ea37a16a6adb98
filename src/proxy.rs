//! A proxy between the program and a service.

use std::fmt;

/// A proxy that the environment or the system names, without its user name and password.
///
/// A client without a custom [`http_client`](crate::ClientBuilder::http_client) uses it for every `https` address: from
/// `HTTPS_PROXY`, or else from `ALL_PROXY` (or either in lower case), except for the hosts in `NO_PROXY`. On macOS and
/// Windows the system's settings apply if no variable is set. Plain `http`, which is for loopback only, uses no proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    pub(crate) scheme: String,
    pub(crate) address: String,
    pub(crate) variable: Option<&'static str>,
    pub(crate) has_user: bool,
}

impl Proxy {
    /// The protocol of the proxy: `http`, `https`, `socks5` and so on.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The environment variable that sets it; `None` if the system's settings do.
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
