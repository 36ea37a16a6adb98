//! TAS-CHA's OAuth 2.1: Authorization Code with PKCE, refresh tokens that rotate, tokens for one resource.
//!
//! ```
//! let oauth = kaiwa::tascha::oauth::client("client id", "https://auth.example.com/authorize", "https://auth.example.com/token")
//!     .redirect_url("https://bot.example.com/callback")
//!     .scopes(["rooms:read", "messages:write"])
//!     .build()?;
//! assert!(oauth.login().url().as_str().contains("resource=https%3A%2F%2Fapi.tas-cha.com%2Fv1"));
//! # Ok::<_, kaiwa::Error>(())
//! ```
//!
//! TAS-CHA registers OAuth2 clients on request only and does not publish where its endpoints are, how clients
//! authenticate, or what the responses hold: take these from your registration. [`oauth`](crate::oauth) describes what
//! happens after the login.

use crate::oauth::{Builder, OAuth};

/// What tokens for this API are asked for (RFC 8707). That the parameter is called `resource` is inferred. A token for
/// another resource, such as `https://api.tas-cha.com/mcp`, is refused here.
pub const RESOURCE: &str = super::BASE_URL;

/// A client of the authorization server at these URLs; for a confidential one add
/// [`client_secret`](Builder::client_secret).
///
/// TAS-CHA treats a refresh token that is used twice as stolen, and ends the login. Share a [store](Builder::store) between
/// processes only if it has [leases](crate::oauth::TokenStore::lease), as a file has on one machine.
pub fn client(
    client_id: impl Into<String>,
    auth_url: impl Into<String>,
    token_url: impl Into<String>,
) -> Builder {
    OAuth::builder(client_id).auth_url(auth_url).token_url(token_url).resource(RESOURCE)
}
