//! Who is calling, and what they may do.

use super::error::Failure;
use super::limits::Payer;
use crate::operation::Operation;
use crate::tascha::table;
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt;

/// What a credential acts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    User(String),
    Agent(String),
    Organization(String),
}

/// A credential: an API key or an access token, sent as `Authorization: Bearer …` or as `X-Api-Key`.
#[derive(Clone)]
#[must_use]
pub struct Key {
    pub(super) token: String,
    pub(super) actor: Actor,
    pub(super) scopes: Vec<String>,
    pub(super) revoked: bool,
}

impl Key {
    /// A credential of a person, with all scopes.
    pub fn user(token: impl Into<String>, user_id: impl Into<String>) -> Self {
        Self::new(token, Actor::User(user_id.into()))
    }

    /// A credential of a program that acts on behalf of a person, with all scopes. It may do what the person may.
    pub fn agent(token: impl Into<String>, user_id: impl Into<String>) -> Self {
        Self::new(token, Actor::Agent(user_id.into()))
    }

    /// A key of an organization, with all scopes. It acts for no user, so that creating messages, tasks and
    /// records is answered with 403.
    pub fn organization(token: impl Into<String>, organization_id: impl Into<String>) -> Self {
        Self::new(token, Actor::Organization(organization_id.into()))
    }

    /// Grants these scopes only.
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Makes it a revoked one, which is answered with 401.
    pub fn revoked(mut self) -> Self {
        self.revoked = true;
        self
    }

    fn new(token: impl Into<String>, actor: Actor) -> Self {
        let scopes: BTreeSet<&str> =
            table::ALL.iter().flat_map(|operation| operation.scopes).copied().collect();
        let scopes = scopes.into_iter().map(str::to_owned).collect();
        Self { token: token.into(), actor, scopes, revoked: false }
    }

    pub(super) fn payer(&self) -> Payer {
        match &self.actor {
            Actor::User(id) | Actor::Agent(id) => Payer { scope: "user", id: id.clone() },
            Actor::Organization(id) => Payer { scope: "organization", id: id.clone() },
        }
    }

    /// The person the credential acts for.
    pub(super) fn user_id(&self) -> Option<&str> {
        match &self.actor {
            Actor::User(id) | Actor::Agent(id) => Some(id),
            Actor::Organization(_) => None,
        }
    }

    pub(super) fn require_scope_of(&self, operation: &Operation) -> Result<(), Failure> {
        if operation.scopes.iter().any(|scope| self.scopes.iter().any(|granted| granted == scope)) {
            return Ok(());
        }
        let message = format!("The operation needs the scope {}.", operation.scopes.join(" or "));
        Err(Failure::new(StatusCode::FORBIDDEN, "insufficient_scope", message)
            .details(json!({ "granted": self.scopes })))
    }

    pub(super) fn require_user(&self) -> Result<&str, Failure> {
        self.user_id().ok_or_else(|| {
            let message =
                "An organization's key alone cannot do this; it needs a token that acts for a user.";
            Failure::new(StatusCode::FORBIDDEN, "user_actor_required", message)
        })
    }
}

/// Without the token.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("actor", &self.actor)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// The credential of a request. `Authorization` goes before `X-Api-Key` if both are there.
pub(super) fn authenticate(keys: &[Key], headers: &HeaderMap) -> Result<Key, Failure> {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION.as_str()).map(|value| match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    });
    let token = bearer.or_else(|| text("x-api-key")).unwrap_or_default();
    let key = keys.iter().find(|key| key.token == token && !key.revoked).cloned();
    key.ok_or_else(|| Failure::unauthorized("The credential is missing or not valid."))
}
