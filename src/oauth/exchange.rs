//! Requests to the token endpoint, by the `oauth2` crate, and the meaning of its responses.

use super::failure::{TokenFailure, clean};
use super::granted::{Granted, MAX_BODY, expiry, fields};
use super::tokens::TokenSet;
use crate::clock::Clock;
use crate::error::{Innermost, Outcome};
use crate::limits::RateLimit;
use crate::operation::Safety;
use crate::transport::auth::BearerToken;
use crate::transport::body::{Body, ReadFailure};
use crate::transport::evidence;
use crate::transport::http_client::HttpClients;
use crate::transport::timer::{Bound, within};
use crate::transport::verdict::{Repeat, judge};
use futures::future::BoxFuture;
use oauth2::basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse};
use oauth2::{
    AsyncHttpClient, AuthorizationCode, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    PkceCodeVerifier, RefreshToken, RequestTokenError, StandardRevocableToken,
};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a refused HTTP/2 stream is retried.
const MAX_REFUSALS: u32 = 3;

/// The `oauth2` crate's client, with a response type that accepts what services send.
pub(super) type Flow = oauth2::Client<
    BasicErrorResponse,
    Granted,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// The authorization server, as set up by the builder.
pub(super) struct Provider {
    pub(super) flow: Flow,
    pub(super) is_confidential: bool,
    /// The client's credentials in every form, for redaction.
    pub(super) credentials: Vec<SecretString>,
    pub(super) scopes: Vec<String>,
    pub(super) resource: Option<String>,
    pub(super) http: HttpClients,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) timeout: Option<Duration>,
    pub(super) refresh_ahead: Duration,
}

/// The grant for a token request.
pub(super) enum Grant<'a> {
    Code { code: &'a SecretString, verifier: &'a SecretString },
    Refresh { refresh_token: &'a SecretString, previous: &'a TokenSet },
}

impl Provider {
    /// Sends one request to the token endpoint.
    pub(super) async fn request(&self, grant: Grant<'_>) -> Result<TokenSet, TokenFailure> {
        let http = Http { provider: self, seen: Mutex::default() };
        let result = match grant {
            Grant::Code { code, verifier } => {
                let code = AuthorizationCode::new(code.expose_secret().to_owned());
                let verifier = PkceCodeVerifier::new(verifier.expose_secret().to_owned());
                let mut request = self.flow.exchange_code(code).set_pkce_verifier(verifier);
                if let Some(resource) = &self.resource {
                    request = request.add_extra_param("resource", resource);
                }
                request.request_async(&http).await
            }
            Grant::Refresh { refresh_token, .. } => {
                let token = RefreshToken::new(refresh_token.expose_secret().to_owned());
                let mut request = self.flow.exchange_refresh_token(&token);
                if let Some(resource) = &self.resource {
                    request = request.add_extra_param("resource", resource);
                }
                request.request_async(&http).await
            }
        };
        let seen = http.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let granted = result.map_err(|error| self.failure(error, &seen, &grant))?;
        self.tokens(granted, &grant)
    }

    /// The failure for a response without tokens. The texts of the `oauth2` crate's errors are not used: they hold whole
    /// bodies.
    fn failure(
        &self,
        error: RequestTokenError<TokenFailure, BasicErrorResponse>,
        seen: &Seen,
        grant: &Grant<'_>,
    ) -> TokenFailure {
        let status = seen.status.unwrap_or_default();
        match error {
            RequestTokenError::Request(failure) => failure,
            RequestTokenError::ServerResponse(said) => {
                let description = said.error_description().map(|text| self.clean(text, grant));
                let code = self.clean(said.error().as_ref(), grant);
                let mut failure = TokenFailure::refused(status, seen.wait, Some(code));
                failure.messages.extend(description);
                failure
            }
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) if !status.is_success() => {
                TokenFailure::refused(status, seen.wait, None)
            }
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => TokenFailure::undecoded(
                seen.status,
                "the token endpoint's answer is not a JSON object with an `access_token`",
            ),
        }
    }

    fn tokens(&self, granted: Granted, grant: &Grant<'_>) -> Result<TokenSet, TokenFailure> {
        if granted.access_token.secret().is_empty() {
            return Err(match granted.error {
                // An error with a success status.
                Some(code) => {
                    let mut failure =
                        TokenFailure::refused(StatusCode::OK, None, Some(self.clean(&code, grant)));
                    failure.messages.extend(granted.error_description.map(|text| self.clean(&text, grant)));
                    failure
                }
                None => TokenFailure::undecoded(None, "the token endpoint's answer has no `access_token`"),
            });
        }
        // Only these names mean another type; a number or nothing means that the service does not fill the field.
        let is_other =
            |kind: &str| ["mac", "dpop", "pop"].iter().any(|other| kind.eq_ignore_ascii_case(other));
        if granted.token_type.is_some_and(|kind| is_other(kind.trim())) {
            return Err(TokenFailure::undecoded(
                None,
                "the token endpoint issued a token that is not a bearer token",
            ));
        }
        // Checked before it is saved: stored tokens count as valid.
        if BearerToken::new(&granted.access_token.secret().as_str().into()).is_err() {
            return Err(TokenFailure::undecoded(
                None,
                "the token endpoint issued a token that a header cannot hold",
            ));
        }
        let now = self.clock.wall();
        let (old_refresh_token, old_scopes) = match grant {
            Grant::Code { .. } => (None, &self.scopes),
            Grant::Refresh { refresh_token, previous } => (Some((*refresh_token).clone()), &previous.scopes),
        };
        let refresh_token = granted.refresh_token.filter(|token| !token.secret().is_empty());
        Ok(TokenSet {
            access_token: granted.access_token.into_secret().into(),
            refresh_token: refresh_token.map(|token| token.into_secret().into()).or(old_refresh_token),
            expires_at: granted.expires_in.and_then(|value| expiry(value, now)),
            issued_at: Some(now),
            scopes: match granted.scopes {
                Some(scopes) => scopes.iter().map(|scope| scope.to_string()).collect(),
                None => old_scopes.clone(),
            },
            refresh_token_refused: false,
        })
    }

    /// The service's text, shortened and without the secrets that were sent.
    fn clean(&self, text: &str, grant: &Grant<'_>) -> String {
        let sent = match grant {
            Grant::Code { code, verifier } => [*code, *verifier],
            Grant::Refresh { refresh_token, previous } => [*refresh_token, &previous.access_token],
        };
        clean(text, sent.into_iter().chain(&self.credentials))
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |url: &url::Url| format!("{}{}", url.origin().ascii_serialization(), url.path());
        f.debug_struct("Provider")
            .field("confidential", &self.is_confidential)
            .field("auth_url", &place(self.flow.auth_uri().url()))
            .field("token_url", &place(self.flow.token_uri().url()))
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// The HTTP client for one request of the `oauth2` crate. It keeps the status and the wait, which the crate drops.
struct Http<'a> {
    provider: &'a Provider,
    seen: Mutex<Seen>,
}

impl<'a> AsyncHttpClient<'a> for Http<'_> {
    type Error = TokenFailure;
    type Future = BoxFuture<'a, Result<HttpResponse, TokenFailure>>;

    fn call(&'a self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let Provider { clock, timeout, .. } = self.provider;
            let deadline = Bound::after(clock.now(), *timeout);
            let answered = within(&**clock, deadline, self.send(request)).await;
            answered.unwrap_or_else(|timeout| {
                Err(TokenFailure::unanswered(format!("the token endpoint did not answer within {timeout:?}")))
            })
        })
    }
}

impl Http<'_> {
    /// Sends the request once: a refresh token that may have been used is not sent again. Only an HTTP/2 stream that the
    /// server refused is retried.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TokenFailure> {
        let mut refusals = 0;
        loop {
            let unsent = || TokenFailure::local("the request to the token endpoint cannot be encoded");
            let mut request = reqwest::Request::try_from(request.clone()).map_err(|_| unsent())?;
            if let Some(credential) = request.headers_mut().get_mut(AUTHORIZATION) {
                credential.set_sensitive(true);
            }
            request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            let error = match self.provider.http.kept.execute(request).await {
                Ok(response) => return self.receive(response).await,
                Err(error) => error,
            };
            let verdict = judge(evidence::unanswered(&error), Safety::Unsafe);
            if verdict.repeat == Repeat::AtOnce && refusals < MAX_REFUSALS {
                refusals += 1;
                continue;
            }
            let cause = self.cause(&error);
            return Err(if verdict.outcome == Outcome::NotSent {
                TokenFailure::local(format!("the token endpoint cannot be reached: {cause}"))
            } else {
                TokenFailure::unanswered(format!("the connection to the token endpoint failed: {cause}"))
            });
        }
    }

    /// Why there was no answer. What an error says of a proxy is the same for every client.
    fn cause(&self, error: &reqwest::Error) -> String {
        let url = self.provider.flow.token_uri().url();
        self.provider.http.connecting(error, url).explain(&Innermost(error).to_string())
    }

    async fn receive(&self, mut response: reqwest::Response) -> Result<HttpResponse, TokenFailure> {
        let status = response.status();
        let wait = RateLimit::from_headers(response.headers(), self.provider.clock.wall())
            .and_then(|limit| limit.retry_after);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen { status: Some(status), wait };
        let mut body = Body::default();
        body.read(&mut response, MAX_BODY).await.map_err(|failure| {
            TokenFailure::unanswered(match failure {
                ReadFailure::Cut(_) => "the token endpoint's answer was cut short".to_owned(),
                ReadFailure::TooLarge => {
                    format!("the token endpoint's answer is larger than {MAX_BODY} bytes")
                }
            })
        })?;
        let body = body.into_bytes();
        // Without headers: the `oauth2` crate would check the media type, and quote it in an error.
        // With only the known fields: the crate would otherwise reject the whole body for one bad field.
        let mut answer = HttpResponse::new(fields(&body).to_string().into_bytes());
        *answer.status_mut() = if status.is_success() { StatusCode::OK } else { status };
        Ok(answer)
    }
}

/// The status and the wait of a response.
#[derive(Default)]
struct Seen {
    status: Option<StatusCode>,
    wait: Option<Duration>,
}
