//! Which requests come from the window's own page, or from the person in front of it.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};

/// Where the window is. All of its paths begin with a token that only the person knows who started it.
#[derive(Clone)]
pub(super) struct Address {
    port: u16,
    token: String,
}

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) StatusCode, pub(super) &'static str);

/// A request that may be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The address that the browser has used: `http://127.0.0.1:4013`.
    pub(super) origin: String,
    /// The path behind the token: `""` is the page.
    pub(super) path: String,
}

impl Address {
    pub(super) fn new(port: u16) -> Self {
        // Two of them have 244 bits from the system's source of randomness.
        let part = || uuid::Uuid::new_v4().simple();
        Self { port, token: format!("{}{}", part(), part()) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.base())
    }

    /// What all paths begin with.
    pub(super) fn base(&self) -> String {
        format!("/{}/", self.token)
    }

    /// Admits a request, or says why not. A refusal says nothing of what is there.
    pub(super) fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Admitted, Refusal> {
        let origin = self.own_host(uri, headers)?;
        if *method != Method::GET && *method != Method::POST {
            return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "Only GET and POST are answered."));
        }
        let changes = *method == Method::POST;
        check_origin(headers, &origin, changes)?;
        check_site(headers, changes)?;
        let path = self.behind_token(uri.path()).ok_or(Refusal(
            StatusCode::NOT_FOUND,
            "There is nothing here. The address of the window is the one that the program has printed.",
        ))?;
        if changes && !is_json(headers) {
            return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Only application/json is read."));
        }
        Ok(Admitted { origin, path: path.to_owned() })
    }

    /// The origin of the address that the request was sent to. A name of another machine that leads here is not the
    /// window's: that is DNS rebinding.
    fn own_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<String, Refusal> {
        let refusal = || Refusal(StatusCode::FORBIDDEN, "This is not the address of the window.");
        let host = one(headers, header::HOST).ok().flatten().ok_or_else(refusal)?;
        let own = [format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)];
        // A browser sends a path; only a proxy is sent a whole URL.
        if uri.authority().is_some() || !own.iter().any(|own| own == host) {
            return Err(refusal());
        }
        Ok(format!("http://{host}"))
    }

    /// What follows the token. It takes as long for any other token of this length.
    fn behind_token<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (token, rest) = path.strip_prefix('/')?.split_once('/')?;
        let (own, given) = (self.token.as_bytes(), token.as_bytes());
        let different = own.iter().zip(given).fold(0, |different, (one, other)| different | (one ^ other));
        (own.len() == given.len() && different == 0).then_some(rest)
    }
}

/// The header, if it is there once. An error if it is there more than once, or is no text.
fn one(headers: &HeaderMap, name: header::HeaderName) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(());
    }
    first.map(|value| value.to_str().map_err(|_| ())).transpose()
}

/// A browser names the origin of each request that changes something, and of each that a script of another origin sends.
fn check_origin(headers: &HeaderMap, own: &str, changes: bool) -> Result<(), Refusal> {
    match one(headers, header::ORIGIN) {
        Ok(Some(origin)) if origin == own => Ok(()),
        Ok(None) if !changes => Ok(()),
        Ok(None) => Err(Refusal(StatusCode::FORBIDDEN, "What changes something needs an Origin.")),
        _ => Err(Refusal(StatusCode::FORBIDDEN, "Another origin has no access.")),
    }
}

/// Where a request comes from, as browsers of today say for each. `none` is the person, who has typed the address.
fn check_site(headers: &HeaderMap, changes: bool) -> Result<(), Refusal> {
    match one(headers, header::HeaderName::from_static("sec-fetch-site")) {
        Ok(None | Some("same-origin")) => Ok(()),
        Ok(Some("none")) if !changes => Ok(()),
        _ => Err(Refusal(
            StatusCode::FORBIDDEN,
            "Another site has no access. If you followed a link, copy the address into the address bar instead.",
        )),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = one(headers, header::CONTENT_TYPE).ok().flatten().unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn address() -> Address {
        Address { port: 4013, token: "secret".to_owned() }
    }

    fn admit(method: Method, uri: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).expect("a name");
            map.append(name, value.parse().expect("a value"));
        }
        let uri = uri.parse().expect("a URI");
        address()
            .admit(&method, &uri, &map)
            .map(|admitted| admitted.path)
            .map_err(|Refusal(status, _)| status.as_u16())
    }

    const HOST: (&str, &str) = ("host", "127.0.0.1:4013");
    const ORIGIN: (&str, &str) = ("origin", "http://127.0.0.1:4013");
    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn the_person_and_the_page_are_admitted() {
        let get = |headers: &[(&str, &str)]| admit(Method::GET, "/secret/view?a=b", headers);
        assert_eq!(get(&[HOST]), Ok("view".to_owned()));
        assert_eq!(get(&[("host", "localhost:4013")]), Ok("view".to_owned()));
        assert_eq!(get(&[HOST, ("sec-fetch-site", "none")]), Ok("view".to_owned()));
        assert_eq!(get(&[HOST, ORIGIN, ("sec-fetch-site", "same-origin")]), Ok("view".to_owned()));
        let post = |headers: &[(&str, &str)]| admit(Method::POST, "/secret/post", headers);
        assert_eq!(post(&[HOST, ORIGIN, JSON]), Ok("post".to_owned()));
        let charset = ("content-type", "Application/JSON; charset=utf-8");
        assert_eq!(post(&[HOST, ORIGIN, charset, ("sec-fetch-site", "same-origin")]), Ok("post".to_owned()));
        let by_name = [("host", "localhost:4013"), ("origin", "http://localhost:4013"), JSON];
        assert_eq!(post(&by_name), Ok("post".to_owned()));
    }

    #[test]
    fn others_are_not() {
        for host in [
            "evil.example",
            "evil.example:4013",
            "127.0.0.1",
            "127.0.0.1:4014",
            "127.0.0.1:4013.evil.example",
            "[::1]:4013",
        ] {
            assert_eq!(admit(Method::GET, "/secret/", &[("host", host)]), Err(403), "{host}");
        }
        let get = |headers: &[(&str, &str)]| admit(Method::GET, "/secret/", headers);
        assert_eq!(get(&[]), Err(403), "HTTP/1.0 needs no Host");
        assert_eq!(get(&[HOST, HOST]), Err(403));
        assert_eq!(admit(Method::GET, "http://127.0.0.1:4013/secret/", &[HOST]), Err(403));
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost:4013",
            "https://127.0.0.1:4013",
            "http://127.0.0.1",
        ] {
            assert_eq!(get(&[HOST, ("origin", origin)]), Err(403), "{origin}");
            assert_eq!(
                admit(Method::POST, "/secret/post", &[HOST, ("origin", origin), JSON]),
                Err(403),
                "{origin}"
            );
        }
        assert_eq!(get(&[HOST, ORIGIN, ORIGIN]), Err(403));
        for site in ["cross-site", "same-site", "new"] {
            assert_eq!(get(&[HOST, ("sec-fetch-site", site)]), Err(403), "{site}");
        }
        let post = |headers: &[(&str, &str)]| admit(Method::POST, "/secret/post", headers);
        assert_eq!(post(&[HOST, JSON]), Err(403), "a browser would send an Origin");
        assert_eq!(post(&[HOST, JSON, ("sec-fetch-site", "none")]), Err(403));
        assert_eq!(post(&[HOST, ORIGIN, JSON, ("sec-fetch-site", "none")]), Err(403));
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/jsonp",
            "",
        ] {
            assert_eq!(post(&[HOST, ORIGIN, ("content-type", kind)]), Err(415), "{kind}");
        }
        assert_eq!(post(&[HOST, ORIGIN]), Err(415));
        assert_eq!(post(&[HOST, ORIGIN, JSON, JSON]), Err(415));
        for method in [Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE] {
            assert_eq!(admit(method, "/secret/", &[HOST, ORIGIN]), Err(405));
        }
        for path in
            ["/", "/secret", "/secreT/", "/secre/", "/secrets/", "//secret/", "/%73ecret/", "/x/secret/"]
        {
            assert_eq!(admit(Method::GET, path, &[HOST]), Err(404), "{path}");
        }
    }

    #[test]
    fn each_window_has_another_token() {
        let (one, other) = (Address::new(1), Address::new(1));
        assert!(one.token.len() == 64 && one.token != other.token);
        assert_eq!(one.url(), format!("http://127.0.0.1:1/{}/", one.token));
    }
}
