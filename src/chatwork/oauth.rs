//! Chatwork's OAuth2: endpoints and scopes.
//!
//! ```
//! use kaiwa::chatwork::oauth::{self, Scope};
//!
//! let oauth = oauth::public("client id")
//!     .redirect_url("com.example.bot:callback")
//!     .scopes([Scope::UsersProfileMeRead, Scope::RoomsMessagesWrite])
//!     .build()?;
//! let login = oauth.login();
//! assert!(login.url().as_str().starts_with(oauth::AUTH_URL));
//! # Ok::<_, kaiwa::Error>(())
//! ```
//!
//! [`oauth`](crate::oauth) describes what happens after the login.
//!
//! # Lifetimes
//!
//! According to Chatwork's documentation an access token is valid for 15 minutes and a refresh token for 14 days, and both
//! may change; this crate uses the lifetimes in the responses. With [`Scope::OfflineAccess`], which only confidential clients
//! can have, a refresh token is valid until it is revoked. The code of a login is valid for one minute.
//!
//! # When the consent page shows an error
//!
//! The page then shows a number and does not redirect the browser:
//!
//! | number | what is wrong |
//! |---|---|
//! | 3001 | the account's owner has declined |
//! | 5001, 5002 | no scope was requested, or one that Chatwork does not know |
//! | 11000 | the client id is missing |
//! | 13000 | no redirect URL was given, though several are registered |
//! | 14000, 15000 | the redirect URL is malformed, or not registered for this client |
//! | 1001, 4001, 4002 | the response type is missing, `token`, or not known: not sent by this crate |
//! | 18000, 19000, 20000 | the PKCE method, challenge or verifier is not right: not sent by this crate |
//!
//! The login page takes no SAML login.

use crate::oauth::{Builder, OAuth, SecretString};
use crate::wire::open_enum;

/// The consent page.
pub const AUTH_URL: &str = "https://www.chatwork.com/packages/oauth2/login.php";

/// The token endpoint.
pub const TOKEN_URL: &str = "https://oauth.chatwork.com/token";

/// A confidential client: a server that can keep a secret. Its redirect URL must be `https`.
pub fn confidential(client_id: impl Into<String>, client_secret: impl Into<SecretString>) -> Builder {
    public(client_id).client_secret(client_secret)
}

/// A public client: an app on the person's own machine. Its redirect URL must not start with `http`, and it cannot have
/// [`Scope::OfflineAccess`].
pub fn public(client_id: impl Into<String>) -> Builder {
    OAuth::builder(client_id).auth_url(AUTH_URL).token_url(TOKEN_URL)
}

open_enum! {
    /// What an access token may do. Which scopes an operation takes is in its documentation.
    Scope {
        /// Refresh tokens that do not expire. For confidential clients only.
        OfflineAccess = "offline_access",
        /// Everything that can be read of the person's own account.
        UsersAllRead = "users.all:read",
        /// The person's profile.
        UsersProfileMeRead = "users.profile.me:read",
        /// The numbers of the person's unread messages and open tasks.
        UsersStatusMeRead = "users.status.me:read",
        /// The person's tasks.
        UsersTasksMeRead = "users.tasks.me:read",
        /// Everything in rooms, to read and to write.
        RoomsAllReadWrite = "rooms.all:read_write",
        /// Everything in rooms, to read.
        RoomsAllRead = "rooms.all:read",
        /// Everything in rooms, to write.
        RoomsAllWrite = "rooms.all:write",
        /// Creating and deleting rooms.
        RoomsWrite = "rooms:write",
        /// Names, settings and descriptions of rooms, to read.
        RoomsInfoRead = "rooms.info:read",
        /// Names, settings and descriptions of rooms, to write.
        RoomsInfoWrite = "rooms.info:write",
        /// Members of rooms, to read.
        RoomsMembersRead = "rooms.members:read",
        /// Members of rooms, to write.
        RoomsMembersWrite = "rooms.members:write",
        /// Messages, to read.
        RoomsMessagesRead = "rooms.messages:read",
        /// Messages, to write.
        RoomsMessagesWrite = "rooms.messages:write",
        /// Tasks of rooms, to read.
        RoomsTasksRead = "rooms.tasks:read",
        /// Tasks of rooms, to write.
        RoomsTasksWrite = "rooms.tasks:write",
        /// Files of rooms, to read.
        RoomsFilesRead = "rooms.files:read",
        /// Files of rooms, to write.
        RoomsFilesWrite = "rooms.files:write",
        /// Contacts and contact requests, to read and to write.
        ContactsAllReadWrite = "contacts.all:read_write",
        /// Contacts and contact requests, to read.
        ContactsAllRead = "contacts.all:read",
        /// Contacts and contact requests, to write.
        ContactsAllWrite = "contacts.all:write",
    }
}
