//! `/token`: codes and refresh tokens become access tokens.

use super::data::State;
use super::input::{Fields, Format};
use super::oauth::{CodeExchange, Mint, OAuthClient, Tokens, split_scopes};
use super::reply::json_answer;
use crate::sandbox::answer::Answer;
use crate::sandbox::backend::{NativeError, Request};
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::collections::HashMap;

pub(super) async fn token(state: &State, request: Request) -> Answer {
    let headers = request.headers().clone();
    let form = Fields::body(request, Format::Form).await;
    let now = state.now().wall;
    let mut data = state.lock();
    let data = &mut *data;
    let client = match authenticate(&data.oauth.clients, &headers, &form) {
        Ok(client) => client,
        Err(description) => return refused(StatusCode::UNAUTHORIZED, "invalid_client", &description),
    };
    // RFC 6749, 3.2.
    if form.has_repeated() {
        return refused(StatusCode::BAD_REQUEST, "invalid_request", "A parameter is there more than once.");
    }
    let mint = Mint { ids: &mut data.ids, settings: &data.settings, now };
    let outcome = match form.get("grant_type") {
        Some("authorization_code") => match form.get("code") {
            Some(code) => {
                let (redirect_uri, verifier) = (form.get("redirect_uri"), form.get("code_verifier"));
                data.oauth.exchange(mint, &CodeExchange { client: &client, code, redirect_uri, verifier })
            }
            None => Err(("invalid_request", "The code is missing.")),
        },
        Some("refresh_token") => match form.get("refresh_token") {
            Some(token) => data.oauth.refresh(mint, &client, token, form.get("scope").map(split_scopes)),
            None => Err(("invalid_request", "The refresh_token is missing.")),
        },
        Some(_) => Err(("unsupported_grant_type", "The grant_type is not supported.")),
        None => Err(("invalid_request", "The grant_type is missing.")),
    };
    match outcome {
        Ok(tokens) => granted(&tokens, data.settings.expires_in_as_text),
        Err((error, description)) => refused(StatusCode::BAD_REQUEST, error, description),
    }
}

/// The endpoint's own errors. Its limit and the text for it are the sandbox's.
pub(super) fn native_error(error: NativeError) -> Answer {
    match error {
        NativeError::ExpiredToken => {
            refused(StatusCode::BAD_REQUEST, "invalid_grant", "The refresh token is invalid or expired.")
        }
        NativeError::TooManyRequests(seconds) => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            refused(status, "temporarily_unavailable", "Rate limit exceeded").retry_after(seconds)
        }
    }
}

/// The id of the client. Only a client without a secret may give its id in the form.
fn authenticate(
    clients: &HashMap<String, OAuthClient>,
    headers: &HeaderMap,
    form: &Fields,
) -> Result<String, String> {
    let unknown = |id: &str| format!("The client ID `{id}` is unknown.");
    match basic(headers) {
        Some((id, secret)) => match clients.get(&id) {
            Some(client) if client.secret.as_deref() == Some(secret.as_str()) => Ok(id),
            Some(_) => Err("The client secret is wrong.".to_owned()),
            None => Err(unknown(&id)),
        },
        None => {
            let id = form.get("client_id").unwrap_or_default();
            match clients.get(id) {
                Some(client) if client.secret.is_none() => Ok(id.to_owned()),
                Some(_) => Err("The client must authenticate with HTTP Basic.".to_owned()),
                None => Err(unknown(id)),
            }
        }
    }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, credentials) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = credentials.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn granted(tokens: &Tokens, expires_in_as_text: bool) -> Answer {
    let expires_in = match expires_in_as_text {
        true => json!(tokens.expires_in.to_string()),
        false => json!(tokens.expires_in),
    };
    let body = json!({
        "access_token": tokens.access,
        "token_type": "Bearer",
        "expires_in": expires_in,
        "refresh_token": tokens.refresh,
        "scope": tokens.scopes.join(" "),
    });
    json_answer(StatusCode::OK, &body)
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::PRAGMA, "no-cache")
}

fn refused(status: StatusCode, error: &str, description: &str) -> Answer {
    json_answer(status, &json!({ "error": error, "error_description": description, "error_uri": null }))
}
