//! Why no connection came up: where on the way it failed, and what to do there.

use super::evidence::causes;
use super::proxy::Proxy;
use std::fmt;

/// What is known of the way that a request without an answer took.
#[derive(Clone, Debug)]
pub(crate) struct Connecting {
    proxy: Option<Through>,
    stage: Stage,
    hint: Option<&'static str>,
}

/// A proxy on the way.
#[derive(Clone, Debug)]
enum Through {
    Known(Proxy),
    /// The client was built by the caller, who may have chosen another one than the environment names, or none.
    Own(Option<Proxy>),
}

/// Where the way ended. Only a connection through a proxy has the stages before `Beyond`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// The proxy is not there.
    Unreachable,
    /// It wants to know who asks.
    Unauthorized,
    /// It answered that it does not open a tunnel, or is no proxy.
    Refused,
    /// It hung up.
    HungUp,
    /// The HTTP client was built without SOCKS.
    Socks,
    /// At the service, as far as is known.
    Beyond,
}

impl Connecting {
    /// `is_own`: whether the HTTP client is one of the caller's own.
    pub(crate) fn new(error: &reqwest::Error, proxy: Option<Proxy>, is_own: bool) -> Self {
        let texts: Vec<String> = causes(error).map(|cause| cause.to_string()).collect();
        let said = |text: &str| texts.iter().any(|cause| cause.contains(text));
        // The HTTP client's errors have types that cannot be named.
        let tunnel = texts.iter().find_map(|cause| cause.strip_prefix("tunnel error: "));
        let is_socks = proxy.as_ref().is_some_and(|proxy| proxy.scheme().starts_with("socks"));
        let stage = match tunnel {
            _ if said("unsupported scheme socks") => Stage::Socks,
            None => Stage::Beyond,
            Some(_) if is_socks && !is_own => Stage::Socks,
            Some("failed to create underlying connection") => Stage::Unreachable,
            Some("proxy authorization required") => Stage::Unauthorized,
            Some("unexpected end of file" | "io error establishing tunnel") => Stage::HungUp,
            Some(_) => Stage::Refused,
        };
        let proxy = match (proxy, stage) {
            (proxy, Stage::Beyond) if is_own => proxy.map(|proxy| Through::Own(Some(proxy))),
            (proxy, _) if is_own => Some(Through::Own(proxy)),
            (proxy, _) => proxy.map(Through::Known),
        };
        Self { proxy, stage, hint: hint(&texts) }
    }

    /// What is known where the time ended before there was an error.
    pub(crate) fn timed_out(proxy: Option<Proxy>, is_own: bool) -> Option<Self> {
        let proxy = proxy?;
        let proxy = if is_own { Through::Own(Some(proxy)) } else { Through::Known(proxy) };
        Some(Self { proxy: Some(proxy), stage: Stage::Beyond, hint: None })
    }

    /// What happened, where `kind` says so without the proxy, and `to` is where the request was to go, as in ` to host`.
    pub(crate) fn problem(&self, kind: &dyn fmt::Display, to: Option<&str>) -> String {
        let Some(proxy) = &self.proxy else { return kind.to_string() };
        let to = to.unwrap_or_default();
        match (self.stage, proxy, to) {
            (Stage::Unreachable, ..) => {
                format!("no connection to {proxy} came up, through which the request{to} goes")
            }
            (Stage::Unauthorized, ..) => match proxy {
                Through::Known(known) if known.has_user() => {
                    format!(
                        "{proxy} does not accept the user name and password that it was given (status 407)"
                    )
                }
                _ => format!("{proxy} wants a user name and a password (status 407)"),
            },
            (Stage::Refused, ..) => {
                format!("{proxy} did not connect the request{to}: it answered with no success")
            }
            (Stage::HungUp, ..) => format!("{proxy} broke off before it connected the request{to}"),
            (Stage::Socks, ..) => {
                format!("{proxy} is a SOCKS proxy, which the HTTP client was built without")
            }
            // Whether the caller's own client goes through it is not known.
            (Stage::Beyond, Through::Own(_), _) => kind.to_string(),
            (Stage::Beyond, Through::Known(_), _) => format!("{kind}, by way of {proxy}"),
        }
    }

    /// Whether the innermost cause says no more than the problem does.
    pub(crate) fn is_explained(&self) -> bool {
        matches!(self.stage, Stage::Unauthorized | Stage::Refused | Stage::Socks)
    }

    /// All of it, as the end of a sentence, for an error of which this is a part.
    pub(crate) fn explain(&self, cause: &str) -> String {
        let problem = self.problem(&cause, None);
        let cause = match self.stage {
            Stage::Unreachable | Stage::HungUp => format!(": {cause}"),
            _ => String::new(),
        };
        format!("{problem}{cause}. {}", self.advice(None)).trim_end_matches(['.', ' ']).to_owned()
    }

    /// What to do: sentences that each end in a blank, or nothing.
    pub(crate) fn advice(&self, to: Option<&str>) -> String {
        let Some(proxy) = &self.proxy else { return self.hint.map(sentence).unwrap_or_default() };
        let setting = proxy.setting();
        let to = to.and_then(|to| to.strip_prefix(" to ")).unwrap_or("the service's host and port 443");
        let what = match self.stage {
            Stage::Unreachable => self.hint.map(str::to_owned).unwrap_or_else(|| {
                format!(
                    "Start the proxy or correct {setting}; hosts in NO_PROXY are connected to without it."
                )
            }),
            Stage::Unauthorized => format!(
                "Give them in {setting}, as in `http://user:password@host:port`, with special characters percent-encoded."
            ),
            Stage::Refused => format!(
                "Its status is not known: 403 says that it does not allow {to}, so have it allowed there; 502, 503 and \
                 504 say that it cannot reach it; any other can be that of a server that is no proxy, so check {setting}."
            ),
            Stage::HungUp => format!("Check that {setting} names a proxy that allows {to}."),
            Stage::Socks => format!(
                "Add `reqwest` with its feature `socks` to the dependencies of the program, or name an `http` proxy in \
                 {setting}."
            ),
            Stage::Beyond => {
                let doubt = match proxy {
                    Through::Own(Some(proxy)) => sentence(&format!(
                        "Unless the client's own `http_client` says otherwise, it goes through {proxy}."
                    )),
                    _ => String::new(),
                };
                return self.hint.map(sentence).unwrap_or_default() + &doubt;
            }
        };
        sentence(&what)
    }
}

fn sentence(text: &str) -> String {
    format!("{text} ")
}

impl Through {
    fn setting(&self) -> &'static str {
        match self {
            Self::Known(proxy) => proxy.setting(),
            Self::Own(_) => "the client's own `http_client`",
        }
    }
}

impl fmt::Display for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(proxy) => proxy.fmt(f),
            Self::Own(None) => f.write_str("the proxy of the client's own `http_client`"),
            Self::Own(Some(proxy)) => {
                write!(f, "the proxy that the client's own `http_client` names, or else {proxy}")
            }
        }
    }
}

/// What a failed handshake asks for.
fn hint(texts: &[String]) -> Option<&'static str> {
    let texts: Vec<String> = texts.iter().map(|text| text.to_ascii_lowercase()).collect();
    let said = |words: &[&str]| {
        texts.iter().any(|text| text.contains("certificate") && words.iter().any(|word| text.contains(word)))
    };
    if said(&["expired", "not valid yet", "not yet valid"]) {
        Some("Check the clock of this machine: the certificate is not valid at the time that it shows.")
    } else if said(&[
        "unknownissuer",
        "unknown issuer",
        "self-signed",
        "self signed",
        "local issuer",
        "not trusted",
    ]) {
        Some(
            "The certificate's authority is not trusted here: install the package `ca-certificates`; where a proxy or \
             firewall reads TLS, name a file of its authority's certificate in SSL_CERT_FILE.",
        )
    } else {
        None
    }
}
