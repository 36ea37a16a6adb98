//! OAuth tokens in SQLite, and who may refresh them.

use super::file::File;
use crate::oauth::{ExposeSecret, RefreshLease, TokenSet, TokenStore};
use crate::sqlite::Access;
use crate::store::lease::{Ask, Leases, lease};
use crate::store_error::StoreError;
use futures::future::{BoxFuture, FutureExt};
use std::fmt;
use std::sync::Arc;

/// The tokens of one person in a SQLite file: see [`Sqlite::tokens`](super::Sqlite::tokens).
#[derive(Clone)]
pub struct SqliteTokens {
    pub(super) file: File,
    pub(super) name: Arc<str>,
}

impl TokenStore for SqliteTokens {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
        let name = Arc::clone(&self.name);
        async move {
            let json = self.file.run(Access::Read, move |queries, _| queries.tokens(&name)).await?;
            let tokens = json.map(|json| TokenSet::from_json(&json)).transpose();
            tokens.map_err(|error| {
                let problem = "remove this row and log in again";
                format!(
                    "the tokens `{}` in {:?} cannot be read: {}; {problem}",
                    self.name,
                    self.file.file,
                    error.kind()
                )
                .into()
            })
        }
        .boxed()
    }

    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
        let (name, json) = (Arc::clone(&self.name), tokens.to_json());
        // The former tokens go from the log as well.
        self.file
            .run(Access::Blank, move |queries, now| queries.save(&name, json.expose_secret(), now))
            .boxed()
    }

    fn lease(&self) -> BoxFuture<'_, Result<RefreshLease, StoreError>> {
        lease(self).boxed()
    }
}

impl Leases for SqliteTokens {
    async fn ask(&self, ask: Ask, id: &str) -> Result<bool, StoreError> {
        let (name, id) = (Arc::clone(&self.name), id.to_owned());
        self.file.run(Access::Write, move |queries, now| queries.lease(&name, &id, ask, now)).await
    }

    fn give_back(&self, id: &str) {
        let (name, id) = (Arc::clone(&self.name), id.to_owned());
        // If it is not given back, the lease ends by itself.
        self.file.file.aside().put(move |queries| queries.give_back(&name, &id));
    }
}

impl fmt::Debug for SqliteTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTokens").field("path", &self.file.file).field("name", &self.name).finish()
    }
}
