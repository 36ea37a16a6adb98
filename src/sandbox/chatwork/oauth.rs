//! OAuth clients, and what was granted to them.

use super::model::Session;
use super::reply::Refusal;
use super::settings::Settings;
use crate::chatwork::table;
use crate::sandbox::ids::Ids;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// How long a code may be exchanged.
const CODE_LIFETIME: Duration = Duration::from_secs(60);

/// The scope with which a refresh token does not expire. No operation asks for it.
const OFFLINE_ACCESS: &str = "offline_access";

/// A program that people let act for them.
#[derive(Clone)]
pub struct OAuthClient {
    pub(super) id: String,
    pub(super) secret: Option<String>,
    pub(super) redirect_uris: Vec<String>,
    pub(super) scopes: Option<Vec<String>>,
}

/// Without the secret.
impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient")
            .field("id", &self.id)
            .field("redirect_uris", &self.redirect_uris)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl OAuthClient {
    /// A client with a secret, which it sends by HTTP Basic authentication.
    pub fn confidential(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: Some(secret.into()), redirect_uris: Vec::new(), scopes: None }
    }

    /// A client without a secret, which sends its id in the form and must use PKCE. It gets no `offline_access`.
    pub fn public(id: impl Into<String>) -> Self {
        Self { id: id.into(), secret: None, redirect_uris: Vec::new(), scopes: None }
    }

    /// An address to come back to. Given several times, requests have to name one.
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }

    /// A scope that the client may ask for. Default: all.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.get_or_insert_default().push(scope.into());
        self
    }

    pub(super) fn may_ask_for(&self, scope: &str) -> bool {
        let registered = self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|known| known == scope));
        match scope {
            OFFLINE_ACCESS => registered && self.secret.is_some(),
            _ => registered && table::ALL.iter().any(|operation| operation.scopes.contains(&scope)),
        }
    }
}

/// What the people of the sandbox answer on the consent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// This account lets the client act for it.
    Approve(u64),
    /// The page is left with "deny".
    Deny,
}

#[derive(Debug)]
pub(super) struct OAuth {
    pub(super) consent: Consent,
    pub(super) clients: HashMap<String, OAuthClient>,
    codes: HashMap<String, Code>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    /// Refresh tokens that were replaced.
    used: HashMap<String, Refresh>,
    logins: u64,
    key: [u8; 32],
}

/// The number of a login, which all tokens that come from it share.
type Login = u64;

/// What an account granted to a client.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) client: String,
    pub(super) account: u64,
    pub(super) scopes: Vec<String>,
}

/// A code that the consent page sends back.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) redirect_uri: Option<String>,
    pub(super) challenge: Option<String>,
    pub(super) issued: Timestamp,
}

/// What a client sends to exchange a code.
#[derive(Debug)]
pub(super) struct CodeExchange<'a> {
    pub(super) client: &'a str,
    pub(super) code: &'a str,
    pub(super) redirect_uri: Option<&'a str>,
    pub(super) verifier: Option<&'a str>,
}

/// What tokens are made with.
#[derive(Debug)]
pub(super) struct Mint<'a> {
    pub(super) ids: &'a mut Ids,
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
}

#[derive(Debug)]
struct Access {
    grant: Grant,
    /// `None`: it was made without a login.
    login: Option<Login>,
    expires: Timestamp,
}

#[derive(Debug)]
struct Refresh {
    grant: Grant,
    login: Login,
    /// `None`: never, by `offline_access`.
    expires: Option<Timestamp>,
}

/// What the token endpoint hands out.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) refresh: String,
    pub(super) expires_in: u64,
    pub(super) scopes: Vec<String>,
}

/// Why a grant was refused: an error code of RFC 6749, 5.2, and a text.
pub(super) type Denied = (&'static str, &'static str);

impl OAuth {
    pub(super) fn new(clients: Vec<OAuthClient>, consent: Consent, key: [u8; 32]) -> Self {
        let clients = clients.into_iter().map(|client| (client.id.clone(), client)).collect();
        Self {
            consent,
            clients,
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
            used: HashMap::new(),
            logins: 0,
            key,
        }
    }

    /// Who sends this access token.
    pub(super) fn session(&self, token: &str, now: Timestamp) -> Result<Session, Refusal> {
        let access = self.access.get(token).ok_or_else(|| invalid_token("The access token is invalid"))?;
        if now >= access.expires {
            return Err(expired());
        }
        let Grant { client, account, scopes } = &access.grant;
        // The mark of `force=0` outlives the minutes of an access token.
        let name = format!("oauth:{client}:{account}");
        Ok(Session { account: *account, name, scopes: Some(scopes.clone()) })
    }

    /// Remembers a code under the text that the consent page sends back.
    pub(super) fn issue_code(&mut self, ids: &mut Ids, code: Code) -> String {
        let text = ids.secret(21).to_lowercase();
        self.codes.insert(text.clone(), code);
        text
    }

    /// Exchanges a code, once.
    pub(super) fn exchange(&mut self, mint: Mint<'_>, asked: &CodeExchange<'_>) -> Result<Tokens, Denied> {
        let invalid = |text| ("invalid_grant", text);
        let code = self.codes.remove(asked.code).ok_or(invalid("The authorization code is invalid."))?;
        if code.grant.client != asked.client {
            return Err(invalid("The authorization code was issued to another client."));
        }
        if mint.now >= after(code.issued, CODE_LIFETIME) {
            return Err(invalid("The authorization code expired."));
        }
        if asked.redirect_uri != code.redirect_uri.as_deref()
            && (asked.redirect_uri.is_some() || self.has_several_uris(asked.client))
        {
            return Err(invalid("The redirect_uri is not the one of the authorization request."));
        }
        let answered = asked.verifier.map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
        if answered != code.challenge {
            return Err(invalid("The code_verifier does not match the code_challenge."));
        }
        let scopes = code.grant.scopes.clone();
        let Mint { ids, settings, now } = mint;
        self.logins += 1;
        let login = self.logins;
        let lifetime = settings.access_token_lifetime;
        let (access, expires_in) = self.issue_access(ids, code.grant.clone(), Some(login), lifetime, now);
        let refresh = self.issue_refresh(Mint { ids, settings, now }, code.grant, login);
        Ok(Tokens { access, refresh, expires_in, scopes })
    }

    /// Exchanges a refresh token for fresh tokens, of all scopes granted or of fewer. The refresh token keeps all of them
    /// (RFC 6749, 6).
    pub(super) fn refresh(
        &mut self,
        mint: Mint<'_>,
        client: &str,
        token: &str,
        scopes: Option<Vec<String>>,
    ) -> Result<Tokens, Denied> {
        let Mint { ids, settings, now } = mint;
        if settings.detect_refresh_token_reuse
            && let Some(old) = self.used.get(token).filter(|old| old.grant.client == client)
        {
            self.end(old.login);
            return Err(("invalid_grant", "The refresh token was used before. Its login is ended."));
        }
        let known = self.refresh.get(token).filter(|refresh| {
            refresh.grant.client == client && refresh.expires.is_none_or(|expires| now < expires)
        });
        let known = known.ok_or(("invalid_grant", "The refresh token is invalid or expired."))?;
        let (grant, login) = (known.grant.clone(), known.login);
        let scopes = scopes.unwrap_or_else(|| grant.scopes.clone());
        if scopes.iter().any(|scope| !grant.scopes.contains(scope)) {
            return Err(("invalid_scope", "The scope exceeds the one granted."));
        }
        let narrowed = Grant { scopes: scopes.clone(), ..grant.clone() };
        let lifetime = settings.access_token_lifetime;
        let (access, expires_in) = self.issue_access(ids, narrowed, Some(login), lifetime, now);
        let refresh = if settings.rotate_refresh_tokens {
            let used = self.refresh.remove_entry(token);
            self.used.extend(used);
            self.issue_refresh(Mint { ids, settings, now }, grant, login)
        } else {
            token.to_owned()
        };
        Ok(Tokens { access, refresh, expires_in, scopes })
    }

    /// Ends all tokens of a login.
    fn end(&mut self, login: Login) {
        self.access.retain(|_, access| access.login != Some(login));
        self.refresh.retain(|_, refresh| refresh.login != login);
    }

    fn issue_refresh(&mut self, mint: Mint<'_>, grant: Grant, login: Login) -> String {
        let Mint { ids, settings, now } = mint;
        let refresh = ids.secret(64).to_lowercase();
        let offline = grant.scopes.iter().any(|scope| scope == OFFLINE_ACCESS);
        let expires = (!offline).then(|| after(now, settings.refresh_token_lifetime));
        self.refresh.insert(refresh.clone(), Refresh { grant, login, expires });
        refresh
    }

    /// A JWT, as the service's are, but signed with a key of the sandbox; and its lifetime in seconds.
    pub(super) fn issue_access(
        &mut self,
        ids: &mut Ids,
        grant: Grant,
        login: Option<Login>,
        lifetime: Duration,
        now: Timestamp,
    ) -> (String, u64) {
        let expires = after(now, lifetime);
        let claims = json!({
            "aud": "https://api.chatwork.com",
            "iss": "https://oauth.chatwork.com",
            "sub": grant.account.to_string(),
            "client_id": grant.client,
            "scope": grant.scopes,
            "iat": now.as_second(),
            "exp": expires.as_second(),
            "jti": ids.secret(16),
        });
        let header = json!({ "typ": "JWT", "alg": "HS256" });
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string()),
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of every length");
        mac.update(signed.as_bytes());
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
        self.access.insert(token.clone(), Access { grant, login, expires });
        (token, lifetime.as_secs())
    }

    /// Ends an access or refresh token before its time.
    pub(super) fn revoke(&mut self, token: &str) {
        self.access.remove(token);
        self.refresh.remove(token);
    }

    /// All tokens, codes and secrets that there are.
    #[cfg(feature = "sandbox-window")]
    pub(super) fn secrets(&self) -> Vec<String> {
        let secrets = self.clients.values().filter_map(|client| client.secret.as_ref());
        let tokens = self.access.keys().chain(self.refresh.keys()).chain(self.used.keys());
        secrets.chain(self.codes.keys()).chain(tokens).cloned().collect()
    }

    pub(super) fn has_several_uris(&self, client: &str) -> bool {
        self.clients.get(client).is_some_and(|client| client.redirect_uris.len() > 1)
    }
}

/// The answer to an access token that has expired.
pub(super) fn expired() -> Refusal {
    invalid_token("The access token expired")
}

fn invalid_token(description: &str) -> Refusal {
    let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{description}\"");
    Refusal::unauthorized().header("www-authenticate", challenge)
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    now.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The words of a space-separated list.
pub(super) fn split_scopes(scopes: &str) -> Vec<String> {
    scopes.split_whitespace().map(str::to_owned).collect()
}
