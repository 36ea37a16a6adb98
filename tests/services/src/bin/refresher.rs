//! One process with the login of a person whose tokens are in a store of several processes. It makes calls, and prints how many succeeded and whether a
//! login is needed. With HOLD it stops where a test kills it: with the lease and before the request, or
//! before the save; with HOLD=none it takes the lease, gives it back, and ends at once.

use futures_util::future::{BoxFuture, FutureExt, join_all, pending};
use kaiwa::oauth::{RefreshLease, TokenSet, TokenStore};
use kaiwa::store::{Redis, Sqlite};
use kaiwa::{Pace, RetryPolicy, StoreError, chatwork};
use std::sync::Arc;

#[derive(Debug)]
struct Held {
    tokens: Arc<dyn TokenStore>,
    hold: Option<String>,
}

impl Held {
    async fn pass(&self, place: &str) {
        if self.hold.as_deref() == Some(place) {
            println!("{place}");
            pending().await
        }
    }
}

impl TokenStore for Held {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
        self.tokens.load()
    }

    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            self.pass("save").await;
            self.tokens.save(tokens).await
        }
        .boxed()
    }

    fn lease(&self) -> BoxFuture<'_, Result<RefreshLease, StoreError>> {
        async {
            let lease = self.tokens.lease().await?;
            self.pass("lease").await;
            Ok(lease)
        }
        .boxed()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let set = |name| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let tokens: Arc<dyn TokenStore> = match set("SQLITE") {
        Ok(path) => Arc::new(Sqlite::open(path).await?.tokens("person")?),
        Err(_) => Arc::new(Redis::new(set("REDIS")?)?.tokens("person")?),
    };
    if std::env::var("HOLD").is_ok_and(|hold| hold == "none") {
        println!("{}", tokens.lease().await.map_err(|error| error.to_string())?.is_held());
        return Ok(());
    }
    let oauth = chatwork::oauth::confidential("sandbox-client", "sandbox-secret")
        .token_url(set("TOKEN_URL")?)
        .store(Held { tokens, hold: std::env::var("HOLD").ok() })
        .build()?;
    let authorization = oauth.restore().await?.ok_or("the test has saved tokens")?;
    let client = chatwork::Client::builder()
        .base_url(set("SERVICE")?)
        .token_source(authorization.clone())
        .pace(Pace::off())
        .retry(RetryPolicy::none())
        .build()?;
    let calls = join_all((0..250).map(|_| client.me().into_future())).await;
    let good = calls.iter().filter(|result| result.is_ok()).count();
    println!("{good} {}", authorization.needs_login());
    Ok(())
}
