//! Why no connection could be opened: where it failed, and what to do.

use super::text::causes;
use crate::proxy::Proxy;
use std::fmt;

/// What is known of the connection of a request without a response.
#[derive(Clone, Debug)]
pub(crate) struct Connecting {
    proxy: Option<Through>,
    stage: Stage,
    hint: Option<&'static str>,
}

/// The proxy of the connection.
#[derive(Clone, Debug)]
enum Through {
    Known(Proxy),
    /// The caller built the HTTP client, perhaps without a proxy or with another one than the environment names.
    Own(Option<Proxy>),
}

/// Where the connection failed. Only a connection through a proxy has the stages before `Beyond`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// The proxy cannot be reached.
    Unreachable,
    /// The proxy requires a user name and a password.
    Unauthorized,
    /// The proxy refused to open a tunnel, or is not a proxy.
    Refused,
    /// The proxy closed the connection.
    HungUp,
    /// The HTTP client was built without SOCKS.
    Socks,
    /// At the service, as far as is known.
    Beyond,
}

impl Stage {
    /// From the texts of an error and its causes, whose types are private. `is_socks`: whether the proxy speaks SOCKS
    /// and not `CONNECT`.
    fn of(texts: &[String], is_socks: bool) -> Self {
        let after = |prefix: &str| texts.iter().find_map(|text| text.strip_prefix(prefix));
        if texts.iter().any(|text| text.contains("unsupported scheme socks")) {
            return Self::Socks;
        }
        if after("SOCKS error: ") == Some("failed to create underlying connection") {
            return Self::Unreachable;
        }
        match after("tunnel error: ") {
            None => Self::Beyond,
            Some(_) if is_socks => Self::Socks,
            Some("failed to create underlying connection") => Self::Unreachable,
            Some("proxy authorization required") => Self::Unauthorized,
            Some("unexpected end of file" | "io error establishing tunnel") => Self::HungUp,
            Some(_) => Self::Refused,
        }
    }
}

impl Connecting {
    /// `is_own`: whether the HTTP client is one of the caller's own.
    pub(crate) fn new(error: &reqwest::Error, proxy: Option<Proxy>, is_own: bool) -> Self {
        let texts: Vec<String> = causes(error).map(|cause| cause.to_string()).collect();
        let is_socks = proxy.as_ref().is_some_and(|proxy| proxy.scheme().starts_with("socks"));
        let stage = Stage::of(&texts, is_socks && !is_own);
        let proxy = match (proxy, stage) {
            (proxy, Stage::Beyond) if is_own => proxy.map(|proxy| Through::Own(Some(proxy))),
            (proxy, _) if is_own => Some(Through::Own(proxy)),
            (proxy, _) => proxy.map(Through::Known),
        };
        Self { proxy, stage, hint: hint(&texts) }
    }

    /// What is known if the time ended before there was an error.
    pub(crate) fn timed_out(proxy: Option<Proxy>, is_own: bool) -> Option<Self> {
        let proxy = proxy?;
        let proxy = if is_own { Through::Own(Some(proxy)) } else { Through::Known(proxy) };
        Some(Self { proxy: Some(proxy), stage: Stage::Beyond, hint: None })
    }

    /// What happened. `kind` says so without the proxy, and `to` is the request's destination, as in ` to host`.
    pub(crate) fn problem(&self, kind: &dyn fmt::Display, to: Option<&str>) -> String {
        let Some(proxy) = &self.proxy else { return kind.to_string() };
        let to = to.unwrap_or_default();
        match (self.stage, proxy, to) {
            (Stage::Unreachable, ..) => {
                format!("could not connect to {proxy} for the request{to}")
            }
            (Stage::Unauthorized, ..) => match proxy {
                Through::Known(known) if known.has_user() => {
                    format!("{proxy} does not accept the user name and password (status 407)")
                }
                _ => format!("{proxy} requires a user name and a password (status 407)"),
            },
            (Stage::Refused, ..) => {
                format!("{proxy} refused to connect the request{to}")
            }
            (Stage::HungUp, ..) => {
                format!("{proxy} closed the connection before it connected the request{to}")
            }
            (Stage::Socks, ..) => {
                format!("{proxy} is a SOCKS proxy, and the HTTP client was built without SOCKS")
            }
            // It is not known whether the caller's own client uses it.
            (Stage::Beyond, Through::Own(_), _) => kind.to_string(),
            (Stage::Beyond, Through::Known(_), _) => format!("{kind}, through {proxy}"),
        }
    }

    /// Whether the innermost cause adds nothing to the problem.
    pub(crate) fn is_explained(&self) -> bool {
        matches!(self.stage, Stage::Unauthorized | Stage::Refused | Stage::Socks)
    }

    /// Problem, cause and advice as the end of a sentence, for an error that contains this one.
    #[cfg(feature = "oauth")]
    pub(crate) fn explain(&self, cause: &str) -> String {
        let problem = self.problem(&cause, None);
        let cause = match self.stage {
            Stage::Unreachable | Stage::HungUp => format!(": {cause}"),
            _ => String::new(),
        };
        format!("{problem}{cause}. {}", self.advice(None)).trim_end_matches(['.', ' ']).to_owned()
    }

    /// What to do: sentences that each end in a space, or nothing.
    pub(crate) fn advice(&self, to: Option<&str>) -> String {
        let Some(proxy) = &self.proxy else { return self.hint.map(sentence).unwrap_or_default() };
        let setting = proxy.setting();
        let to = to.and_then(|to| to.strip_prefix(" to ")).unwrap_or("the service's host and port 443");
        let what = match self.stage {
            Stage::Unreachable => self.hint.map(str::to_owned).unwrap_or_else(|| {
                format!("Start the proxy or correct {setting}; hosts in NO_PROXY are reached without it.")
            }),
            Stage::Unauthorized => format!(
                "Set them in {setting}, as in `http://user:password@host:port`, with special characters percent-encoded."
            ),
            Stage::Refused => format!(
                "Its status is not known. 403 says that it does not allow {to}: allow it there. 502, 503 and 504 say that it \
                 cannot reach it. Any other status may come from a server that is not a proxy: check {setting}."
            ),
            Stage::HungUp => format!("Check that {setting} names a proxy that allows {to}."),
            Stage::Socks => format!(
                "Add `reqwest` with its feature `socks` to the program's dependencies, or set an `http` proxy in {setting}."
            ),
            Stage::Beyond => {
                let note = match proxy {
                    Through::Own(Some(proxy)) => sentence(&format!(
                        "Unless the client's own `http_client` says otherwise, it goes through {proxy}."
                    )),
                    _ => String::new(),
                };
                return self.hint.map(sentence).unwrap_or_default() + &note;
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

/// What to do after a failed handshake.
fn hint(texts: &[String]) -> Option<&'static str> {
    let texts: Vec<String> = texts.iter().map(|text| text.to_ascii_lowercase()).collect();
    let said = |words: &[&str]| {
        texts.iter().any(|text| text.contains("certificate") && words.iter().any(|word| text.contains(word)))
    };
    if said(&["expired", "not valid yet", "not yet valid"]) {
        Some("Check the clock of this machine: the certificate is not valid at its time.")
    } else if said(&[
        "unknownissuer",
        "unknown issuer",
        "self-signed",
        "self signed",
        "local issuer",
        "not trusted",
    ]) {
        Some(
            "This machine does not trust the certificate's authority: install the package `ca-certificates`. If a proxy or \
             firewall decrypts TLS, add its certificate to the system's, or to the file that SSL_CERT_FILE names.",
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases that tests/between/proxies.rs cannot produce over sockets: other builds of the HTTP client.
    #[test]
    fn socks_is_recognized_by_the_error_text() {
        let stage = |texts: &[&str], is_socks| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            Stage::of(&texts, is_socks)
        };
        let unreachable = "tunnel error: failed to create underlying connection";
        assert_eq!(stage(&["client error (Connect)", unreachable, "refused"], false), Stage::Unreachable);
        // rustls refuses the scheme, and the system's TLS asks a SOCKS proxy by `CONNECT`.
        assert_eq!(stage(&[unreachable, "unsupported scheme socks5h"], false), Stage::Socks);
        assert_eq!(stage(&["tunnel error: unexpected end of file"], true), Stage::Socks);
        // A build with SOCKS.
        assert_eq!(stage(&["SOCKS error: failed to create underlying connection"], true), Stage::Unreachable);
        assert_eq!(stage(&["SOCKS error: unsupported SOCKS version"], true), Stage::Beyond);
        assert_eq!(stage(&["invalid peer certificate: Expired"], true), Stage::Beyond);
    }

    #[test]
    fn a_failed_handshake_asks_for_the_clock_or_for_an_authority() {
        let hint = |text: &str| hint(&[text.to_owned()]).map(|hint| hint.contains("clock"));
        for clock in [
            "invalid peer certificate: Expired",
            "invalid peer certificate: certificate not valid yet: verification time 1 (UNIX), but …",
            "certificate verify failed (certificate is not yet valid)",
            "certificate verify failed (certificate has expired)",
        ] {
            assert_eq!(hint(clock), Some(true), "{clock}");
        }
        for authority in [
            "invalid peer certificate: UnknownIssuer",
            "certificate verify failed (unable to get local issuer certificate)",
            "certificate verify failed (self-signed certificate in certificate chain)",
            "The certificate was not trusted.",
        ] {
            assert_eq!(hint(authority), Some(false), "{authority}");
        }
        for other in ["invalid peer certificate: certificate not valid for name \"a\"", "Connection refused"]
        {
            assert_eq!(hint(other), None, "{other}");
        }
    }
}
