//! A login, from the URL that a person opens to the tokens.

use super::authorization::Authorization;
use super::client::OAuth;
use super::exchange::Grant;
use super::failure::{TokenFailure, clean};
use crate::error::Error;
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, Scope};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use url::{Url, form_urlencoded};

impl OAuth {
    /// Starts a login. Nothing is sent: the person opens [`Login::url`].
    pub fn login(&self) -> Login {
        Login::new(self.clone())
    }

    /// A login that was started earlier, from its [`state`](Login::state) and [`verifier`](Login::verifier). A web
    /// application keeps these in the session between the two requests.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Token`](crate::ErrorKind::Token) if the state is empty, or if the verifier does not have 43 to 128
    /// valid characters.
    pub fn resume_login(
        &self,
        state: impl Into<SecretString>,
        verifier: impl Into<SecretString>,
    ) -> Result<Login, Error> {
        Login::resume(self.clone(), state.into(), verifier.into())
    }
}

/// A login in progress.
///
/// A program that waits for the redirect itself keeps this value until then. A web application keeps
/// [`state`](Self::state) and [`verifier`](Self::verifier) in the server-side session of the browser, and continues with
/// [`OAuth::resume_login`] when the browser returns:
///
/// ```no_run
/// # async fn example(oauth: kaiwa::oauth::OAuth, session: &mut std::collections::HashMap<&str, String>, query: &str) -> Result<(), kaiwa::Error> {
/// use kaiwa::oauth::ExposeSecret;
///
/// // GET /login
/// let login = oauth.login();
/// session.insert("state", login.state().expose_secret().to_owned());
/// session.insert("verifier", login.verifier().expose_secret().to_owned());
/// println!("303 See Other, Location: {}", login.url());
///
/// // GET /callback
/// let login = oauth.resume_login(session["state"].as_str(), session["verifier"].as_str())?;
/// let authorization = login.finish_redirect(query).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Login {
    oauth: OAuth,
    url: Url,
    state: SecretString,
    verifier: SecretString,
}

impl Login {
    pub(super) fn new(oauth: OAuth) -> Self {
        let (_, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = CsrfToken::new_random_len(32);
        Self::with(oauth, state.into_secret().into(), verifier.into_secret().into())
    }

    pub(super) fn resume(oauth: OAuth, state: SecretString, verifier: SecretString) -> Result<Self, Error> {
        // The `oauth2` crate panics over a verifier of another length.
        let length = verifier.expose_secret().len();
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if !(43..=128).contains(&length) || !verifier.expose_secret().bytes().all(is_unreserved) {
            return Err(refused(
                "the PKCE verifier is not valid: it must have 43 to 128 letters, digits, `-`, `.`, `_` or `~`",
            ));
        }
        if state.expose_secret().is_empty() {
            return Err(refused("the state of the login is empty"));
        }
        Ok(Self::with(oauth, state, verifier))
    }

    fn with(oauth: OAuth, state: SecretString, verifier: SecretString) -> Self {
        let url = url(&oauth, &state, &verifier);
        Self { oauth, url, state, verifier }
    }

    /// The URL that the person opens in a browser. It holds the state, so it is for that person only.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The value that the redirect must return. It distinguishes this login from another person's.
    pub fn state(&self) -> &SecretString {
        &self.state
    }

    /// The PKCE verifier: it proves to the token endpoint that the code is exchanged by the program that started the login.
    pub fn verifier(&self) -> &SecretString {
        &self.verifier
    }

    /// Exchanges the code of the redirect for tokens, and saves them.
    ///
    /// Tokens that cannot be saved are not lost: the authorization works, and [`Authorization::save`] tries again or
    /// returns the reason.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Token`](crate::ErrorKind::Token). If the state is not that of this login, nothing is sent, and
    /// this login can still be finished. If the token endpoint refuses, [`Error::code`] has its `error`, such as
    /// `invalid_grant` for a code that was used or has expired (Chatwork's is valid for a minute). If the outcome is
    /// unknown, the code may be used up: start another login.
    pub async fn finish(&self, code: impl Into<SecretString>, state: &str) -> Result<Authorization, Error> {
        self.check_state(state)?;
        self.exchange(code.into()).await
    }

    /// As [`finish`](Self::finish), from the URL that the browser was redirected to, or its path and query, or only its
    /// query.
    ///
    /// # Errors
    ///
    /// As for [`finish`](Self::finish). If the person has declined, [`Error::code`] is `access_denied`.
    pub async fn finish_redirect(&self, redirect: &str) -> Result<Authorization, Error> {
        let query = match redirect.split_once('?') {
            Some((_, query)) => query,
            None => redirect,
        };
        let query = query.split('#').next().unwrap_or_default();
        let parameter = |name: &str| {
            let mut values = form_urlencoded::parse(query.as_bytes())
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value);
            match (values.next(), values.next()) {
                (value, None) => Ok(value.map(|value| SecretString::from(value.into_owned()))),
                (_, Some(_)) => Err(refused(format!("the redirect has more than one `{name}`"))),
            }
        };
        let state = parameter("state")?.unwrap_or_default();
        self.check_state(state.expose_secret())?;
        if let Some(code) = parameter("error")? {
            let secrets =
                || [&self.state, &self.verifier].into_iter().chain(&self.oauth.provider.credentials);
            let show = |text: SecretString| clean(text.expose_secret(), secrets());
            let description = parameter("error_description")?.map(show);
            return Err(TokenFailure::declined(show(code), description).into_error());
        }
        match parameter("code")? {
            Some(code) => self.exchange(code).await,
            None => Err(refused("the redirect has neither a `code` nor an `error`")),
        }
    }

    fn check_state(&self, state: &str) -> Result<(), Error> {
        // The `oauth2` crate compares digests, so the time it takes does not reveal where they differ.
        let (ours, theirs) = (self.state.expose_secret().to_owned(), state.to_owned());
        if CsrfToken::new(ours) != CsrfToken::new(theirs) {
            return Err(refused(
                "the redirect does not belong to this login: its `state` differs or is missing",
            ));
        }
        Ok(())
    }

    async fn exchange(&self, code: SecretString) -> Result<Authorization, Error> {
        if code.expose_secret().is_empty() {
            return Err(refused("the redirect's `code` is empty"));
        }
        let oauth = self.oauth.clone();
        let verifier = self.verifier.clone();
        // A separate task: the exchange uses up the code, so it must end even if the caller stops waiting.
        let task = async move {
            let tokens = oauth.provider.request(Grant::Code { code: &code, verifier: &verifier }).await;
            let authorization = Authorization::new(oauth, tokens.map_err(TokenFailure::into_error)?, false)?;
            // A failure is traced, and `Authorization::save` returns it.
            let _ = authorization.save().await;
            Ok(authorization)
        };
        tokio::spawn(task).await.unwrap_or_else(|_| Err(refused("the login was ended with its runtime")))
    }
}

fn url(oauth: &OAuth, state: &SecretString, verifier: &SecretString) -> Url {
    let verifier = PkceCodeVerifier::new(verifier.expose_secret().to_owned());
    let provider = &oauth.provider;
    let state = CsrfToken::new(state.expose_secret().to_owned());
    let request = provider
        .flow
        .authorize_url(|| state)
        .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
        .add_scopes(provider.scopes.iter().cloned().map(Scope::new));
    let request = match &provider.resource {
        Some(resource) => request.add_extra_param("resource", resource),
        None => request,
    };
    let (mut url, _) = request.url();
    // Chatwork documents `%20` between scopes; a plus sign of a value is written `%2B` already.
    let query = url.query().map(|query| query.replace('+', "%20"));
    url.set_query(query.as_deref());
    url
}

fn refused(problem: impl Into<String>) -> Error {
    TokenFailure::local(problem).into_error()
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("oauth", &self.oauth).finish_non_exhaustive()
    }
}
