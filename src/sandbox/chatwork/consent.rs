//! `/packages/oauth2/login.php`: the consent page, which needs no click.

use super::data::State;
use super::input::Fields;
use super::oauth::{Code, Consent, Grant, OAuthClient, split_scopes};
use crate::sandbox::answer::{Answer, Effect};
use crate::sandbox::backend::Request;
use axum::http::{StatusCode, header};
use std::collections::HashMap;

/// What is asked for on the page.
struct Asked {
    client: String,
    redirect_uri: String,
    /// Whether the request named the address, so that the exchange has to do so too.
    named: bool,
    scopes: Vec<String>,
    challenge: Option<String>,
}

pub(super) fn consent(state: &State, request: &Request) -> Answer {
    let query = Fields::urlencoded(request.uri().query().unwrap_or_default().as_bytes());
    let issued = state.now().wall;
    let mut data = state.lock();
    let data = &mut *data;
    let asked = match check(&data.oauth.clients, &query) {
        Ok(asked) => asked,
        // The error codes are those of the documentation's appendix B.
        Err(code) => {
            let page = format!("<html><body>Error code: {code}</body></html>");
            return Answer::new(StatusCode::BAD_REQUEST, "text/html; charset=utf-8", page);
        }
    };
    // A code that was issued is an effect, though the status is a redirect's.
    let effect = if data.oauth.consent == Consent::Deny { Effect::None } else { Effect::Applied };
    let mut answer = url::form_urlencoded::Serializer::new(String::new());
    match data.oauth.consent {
        Consent::Deny => answer.append_pair("error", "access_denied"),
        Consent::Approve(account) => {
            let grant = Grant { client: asked.client, account, scopes: asked.scopes };
            let redirect_uri = asked.named.then(|| asked.redirect_uri.clone());
            let code = Code { grant, redirect_uri, challenge: asked.challenge, issued };
            let code = data.oauth.issue_code(&mut data.ids, code);
            answer.append_pair("code", &code)
        }
    };
    if let Some(state) = query.get("state") {
        answer.append_pair("state", state);
    }
    let separator = if asked.redirect_uri.contains('?') { '&' } else { '?' };
    let location = format!("{}{separator}{}", asked.redirect_uri, answer.finish());
    Answer::empty(StatusCode::FOUND).header(header::LOCATION, location).with_effect(effect)
}

fn check(clients: &HashMap<String, OAuthClient>, query: &Fields) -> Result<Asked, u32> {
    match query.get("response_type") {
        None => return Err(1001),
        Some("token") => return Err(4001),
        Some("code") => {}
        Some(_) => return Err(4002),
    }
    let client = query.get("client_id").ok_or(11_000_u32)?;
    let client = clients.get(client).ok_or(11_000_u32)?;
    let (redirect_uri, named) = match (query.get("redirect_uri"), &*client.redirect_uris) {
        (Some(uri), _) if url::Url::parse(uri).is_err() => return Err(14_000),
        (Some(uri), known) if known.iter().any(|known| known == uri) => (uri, true),
        (Some(_), _) => return Err(15_000),
        (None, [only]) => (only.as_str(), false),
        (None, _) => return Err(13_000),
    };
    let scopes = split_scopes(query.get("scope").ok_or(5001_u32)?);
    if scopes.is_empty() {
        return Err(5001);
    }
    if scopes.iter().any(|scope| !client.may_ask_for(scope)) {
        return Err(5002);
    }
    let challenge = query.get("code_challenge");
    if query.get("code_challenge_method").is_some_and(|method| method != "S256") {
        return Err(18_000);
    }
    let malformed = challenge.is_some_and(|challenge| !(43..=128).contains(&challenge.len()));
    if malformed || (challenge.is_none() && client.secret.is_none()) {
        return Err(19_000);
    }
    Ok(Asked {
        client: client.id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        named,
        scopes,
        challenge: challenge.map(str::to_owned),
    })
}
