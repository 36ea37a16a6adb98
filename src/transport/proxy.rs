//! Which proxy a request goes through. The rules are those of the HTTP client, whose errors do not name the proxy.

use crate::error::Error;
use crate::proxy::Proxy;
use crate::transport::auth::check_url;
use hyper_util::client::proxy::matcher::Matcher;
use std::env::VarError;
use url::Url;

/// The variables for `https`; plain `http` uses no proxy. Of each pair the first one that is set counts.
const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const ALL: [&str; 2] = ["ALL_PROXY", "all_proxy"];
const NO: [&str; 2] = ["NO_PROXY", "no_proxy"];

impl Proxy {
    /// The proxy of a client that is built now for this base URL; `None` if it connects directly.
    ///
    /// # Errors
    ///
    /// If the URL cannot be a base URL, or if the variable that applies to it does not hold a proxy's URL.
    pub fn from_env(base_url: &str) -> Result<Option<Self>, Error> {
        let what = "the base URL";
        let url = Url::parse(base_url)
            .map_err(|error| Error::config(format!("{what} is not a valid URL: {error}")))?;
        check_url(what, &url)?;
        let proxies = Proxies::of_system();
        proxies.check(&url)?;
        Ok(proxies.of(&url))
    }
}

/// The proxies that were set when a client was built, which is when the HTTP client reads them.
#[derive(Debug)]
pub(crate) struct Proxies {
    /// The proxies of the variables; the first one that applies counts.
    named: Vec<(&'static str, Matcher)>,
    /// The rules of the HTTP client.
    system: Option<Matcher>,
    invalid: Option<Invalid>,
}

/// A variable that applies and does not hold a proxy's URL. The HTTP client would ignore it and connect directly.
#[derive(Debug)]
struct Invalid {
    variable: &'static str,
    problem: &'static str,
    /// Matches the URLs that the variable applies to.
    applies: Matcher,
}

impl Proxies {
    pub(crate) fn of_system() -> Self {
        let system = Some(Matcher::from_system());
        Self { system, ..Self::of_variables(|name| std::env::var(name)) }
    }

    fn of_variables(read: impl Fn(&str) -> Result<String, VarError>) -> Self {
        let mut proxies = Self { named: Vec::new(), system: None, invalid: None };
        // The HTTP client uses no proxies under CGI, where a header of the request can set `HTTP_PROXY`.
        if !matches!(read("REQUEST_METHOD"), Err(VarError::NotPresent)) {
            return proxies;
        }
        let first = |names: [&'static str; 2]| {
            let values = names.map(|name| (name, read(name)));
            values.into_iter().find(|(_, value)| !matches!(value, Err(VarError::NotPresent)))
        };
        let except = first(NO).and_then(|(_, value)| value.ok()).unwrap_or_default();
        let matcher = |proxy: &str| Matcher::builder().https(proxy).no(except.as_str()).build();
        for (variable, value) in [HTTPS, ALL].into_iter().filter_map(first) {
            let problem = match &value {
                Ok(value) if value.is_empty() => continue,
                Ok(value) => problem(value),
                Err(_) => Some("is not valid Unicode"),
            };
            match (problem, value) {
                (None, Ok(value)) => proxies.named.push((variable, matcher(&value))),
                // A later variable than a valid one does not matter.
                (Some(problem), _) if proxies.named.is_empty() && proxies.invalid.is_none() => {
                    proxies.invalid = Some(Invalid { variable, problem, applies: matcher("http://any") });
                }
                _ => {}
            }
        }
        proxies
    }

    /// The proxy for a URL.
    pub(crate) fn of(&self, url: &Url) -> Option<Proxy> {
        if url.scheme() != "https" {
            return None;
        }
        let uri = url.as_str().parse().ok()?;
        let named = self.named.iter().find_map(|(name, matcher)| Some((*name, matcher.intercept(&uri)?)));
        let used = match &self.system {
            Some(system) => system.intercept(&uri)?,
            None => named.as_ref()?.1.clone(),
        };
        let place = used.uri();
        let scheme = place.scheme_str().unwrap_or("http").to_owned();
        let port = place.port_u16().unwrap_or(match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => 1080,
        });
        let host = place.host()?;
        let variable = named.filter(|(_, proxy)| proxy.uri() == place).map(|(name, _)| name);
        let has_user = used.basic_auth().is_some() || used.raw_auth().is_some();
        Some(Proxy { scheme, address: format!("{host}:{port}"), variable, has_user })
    }

    /// Fails if the variable that applies to a URL does not hold a proxy's URL.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Error> {
        let Some(Invalid { variable, problem, applies }) = &self.invalid else { return Ok(()) };
        let applies = url.as_str().parse().is_ok_and(|uri| applies.intercept(&uri).is_some());
        if !applies {
            return Ok(());
        }
        // The value stays out of the error: it can hold a password.
        Err(Error::config(format!(
            "the environment variable {variable} {problem}, so it is not a valid proxy. Write it as `http://host:port` \
             or `http://user:password@host:port`, with special characters of the password percent-encoded, or remove it"
        )))
    }
}

/// Why a value is not a proxy's URL.
fn problem(value: &str) -> Option<&'static str> {
    if value.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Some("has a space or a line break in it");
    }
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let known = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
    if !known.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Some("has a scheme other than `http`, `https`, `socks4`, `socks4a`, `socks5` and `socks5h`");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.matches('@').count() > 1 {
        return Some("has more than one `@`");
    }
    let place = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (place, None),
    };
    if host.is_empty() {
        return Some("has no host");
    }
    // The HTTP client would take another port instead.
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Some("has a port that is not a number from 1 to 65535");
    }
    let any = "https://any.example".parse().ok()?;
    Matcher::builder().https(value).build().intercept(&any).is_none().then_some("is not a valid URL")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Connecting;
    use std::ffi::OsString;

    const API: &str = "https://api.chatwork.com/v2";

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::of_variables(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned()).ok_or(VarError::NotPresent)
        })
    }

    fn url(url: &str) -> Url {
        url.parse().expect("a URL")
    }

    fn shown(variables: &[(&str, &str)], to: &str) -> Option<String> {
        let proxies = proxies(variables);
        proxies.check(&url(to)).expect("the variables are valid");
        proxies
            .of(&url(to))
            .map(|proxy| format!("{} {} {}", proxy.variable.unwrap_or("?"), proxy.scheme, proxy.address))
    }

    #[test]
    fn the_effective_variable_is_named() {
        let p = "http://proxy.example:3128";
        for (variables, expected) in [
            (&[][..], None),
            (&[("HTTPS_PROXY", p)], Some("HTTPS_PROXY http proxy.example:3128")),
            (&[("https_proxy", p)], Some("https_proxy http proxy.example:3128")),
            (&[("ALL_PROXY", p)], Some("ALL_PROXY http proxy.example:3128")),
            (&[("all_proxy", p)], Some("all_proxy http proxy.example:3128")),
            (&[("HTTP_PROXY", p), ("http_proxy", p)], None),
            (&[("HTTPS_PROXY", "a"), ("https_proxy", p)], Some("HTTPS_PROXY http a:80")),
            (&[("HTTPS_PROXY", "a:1"), ("ALL_PROXY", p)], Some("HTTPS_PROXY http a:1")),
            // If set but empty, it takes precedence over its twin and names no proxy.
            (&[("HTTPS_PROXY", ""), ("https_proxy", p)], None),
            (&[("HTTPS_PROXY", ""), ("ALL_PROXY", p)], Some("ALL_PROXY http proxy.example:3128")),
            (&[("HTTPS_PROXY", "https://a")], Some("HTTPS_PROXY https a:443")),
            (&[("HTTPS_PROXY", "socks5h://a")], Some("HTTPS_PROXY socks5h a:1080")),
            (&[("HTTPS_PROXY", "http://[::1]:8080/")], Some("HTTPS_PROXY http [::1]:8080")),
            (&[("HTTPS_PROXY", "u:canary@a:1")], Some("HTTPS_PROXY http a:1")),
            (&[("HTTPS_PROXY", p), ("ALL_PROXY", "no proxy")], Some("HTTPS_PROXY http proxy.example:3128")),
            (&[("HTTPS_PROXY", p), ("REQUEST_METHOD", "GET")], None),
        ] {
            assert_eq!(shown(variables, API).as_deref(), expected, "{variables:?}");
        }
    }

    #[test]
    fn a_proxy_that_is_not_used_is_not_named() {
        for proxy in ["http://proxy:1", "no proxy"] {
            for except in ["*", "chatwork.com", ".chatwork.com", "x, api.chatwork.com"] {
                assert_eq!(shown(&[("HTTPS_PROXY", proxy), ("NO_PROXY", except)], API), None, "{except}");
                assert_eq!(shown(&[("ALL_PROXY", proxy), ("no_proxy", except)], API), None, "{except}");
            }
            for plain in ["http://127.0.0.1:4010/v2", "http://localhost:4010/v2"] {
                assert_eq!(shown(&[("HTTPS_PROXY", proxy), ("ALL_PROXY", proxy)], plain), None, "{plain}");
            }
            let except = [("HTTPS_PROXY", proxy), ("NO_PROXY", "127.0.0.0/8,::1")];
            assert_eq!(shown(&except, "https://127.0.0.1:1/v2"), None);
            assert_eq!(shown(&except, "https://[::1]:1/v2"), None);
        }
        // Loopback is not an exception by default.
        let proxy = [("HTTPS_PROXY", "a:1"), ("NO_PROXY", "example.com")];
        assert_eq!(shown(&proxy, "https://127.0.0.1:1/").as_deref(), Some("HTTPS_PROXY http a:1"));
    }

    /// The HTTP client ignores most of these and connects directly, and uses another port for some.
    #[test]
    fn an_invalid_proxy_variable_is_refused_without_its_value() {
        for (value, says) in [
            ("canary proxy", "a space or a line break"),
            ("http://canary:1\n", "a space or a line break"),
            (" http://canary:1", "a space or a line break"),
            ("ftp://canary:1", "a scheme other than"),
            ("socks://canary:1", "a scheme other than"),
            ("http//canary:1", "is not a valid URL"),
            ("http:/canary:1", "a port that is not a number"),
            ("http://", "has no host"),
            ("http://:3128", "has no host"),
            ("/canary", "has no host"),
            ("http://canary:port", "a port that is not a number"),
            ("http://canary:99999", "a port that is not a number"),
            ("http://canary:0", "a port that is not a number"),
            ("http://canary:", "a port that is not a number"),
            ("http://user:can/ary@host:1", "a port that is not a number"),
            ("http://user:can@ary@host:1", "more than one `@`"),
            ("http://プロキシ:1", "is not a valid URL"),
        ] {
            for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
                let error = proxies(&[(variable, value)]).check(&url(API)).expect_err(value).to_string();
                assert!(error.contains(&format!("variable {variable} ")), "{value}: {error}");
                assert!(error.contains(says) && error.contains("http://host:port"), "{value}: {error}");
                assert!(!error.contains("canary") && !error.contains("ary@"), "{error}");
            }
        }
        let odd = Proxies::of_variables(|name| match name {
            "https_proxy" => Err(VarError::NotUnicode(OsString::new())),
            _ => Err(VarError::NotPresent),
        });
        assert!(odd.check(&url(API)).expect_err("no text").to_string().contains("not valid Unicode"));
    }

    #[test]
    fn the_error_for_a_request_without_an_answer_in_time_names_its_proxy() {
        let (kind, proxy) = ("no complete answer within 1s", proxies(&[("ALL_PROXY", "a:1")]).of(&url(API)));
        let way = Connecting::timed_out(proxy.clone(), false).expect("there is a proxy");
        let text = format!("{kind}, through the proxy a:1 (from the environment variable ALL_PROXY)");
        assert_eq!((way.problem(&kind, None), way.advice(None)), (text, String::new()));
        // It is not known whether the caller's own client uses that proxy.
        let own = Connecting::timed_out(proxy, true).expect("there is a proxy");
        assert_eq!(own.problem(&kind, None), kind);
        assert!(own.advice(None).contains("Unless the client's own `http_client` says otherwise"));
        assert!(Connecting::timed_out(None, false).is_none());
    }

    #[test]
    fn a_proxy_shows_no_password() {
        let proxies = proxies(&[("HTTPS_PROXY", "http://user:canary@host:1"), ("ALL_PROXY", "canary:x")]);
        let proxy = proxies.of(&url(API)).expect("a proxy");
        assert!(proxy.has_user());
        assert_eq!(proxy.to_string(), "the proxy host:1 (from the environment variable HTTPS_PROXY)");
        assert!(!format!("{proxies:?} {proxy:?}").contains("canary"));
    }
}
