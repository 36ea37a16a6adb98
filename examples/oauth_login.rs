//! Logs a person in to Chatwork with OAuth2 and PKCE, saves the tokens in a file, and prints the account.
//!
//! ```text
//! cargo run --example oauth_login [TOKENS]     # the file of the tokens: chatwork-tokens.json
//! ```
//!
//! The next run takes the tokens from the file, renews them if they have expired, and asks for another login only if nothing
//! else helps. On Unix only you can read the file. The empty file `<name>.lock` beside it is for programs that share the tokens.
//! No token is printed.
//!
//! | variable | what it is |
//! |---|---|
//! | `CHATWORK_CLIENT_ID` | the OAuth2 client, from Chatwork's settings page |
//! | `CHATWORK_CLIENT_SECRET` | its secret; a public client has none |
//! | `CHATWORK_REDIRECT_URL` | one of its redirect URLs, exactly as it is registered |
//! | `CHATWORK_LISTEN` | the address of the listener for the redirect: `127.0.0.1:8765` |
//!
//! Chatwork accepts no `http` redirect URL, not even to this machine. The URL of a confidential client must be `https`, and that
//! of a public client must not start with `http`. Either let your `https` server (a tunnel or a reverse proxy) forward the
//! redirect to the listener; or let the browser fail to open the page, and paste the address that it shows. Be quick: the code
//! in it is valid for a minute.
//!
//! Without `CHATWORK_CLIENT_ID` the sandbox plays Chatwork, the person and the tunnel, in this process.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use kaiwa::chatwork::{self, oauth::Scope};
use kaiwa::oauth::{Authorization, FileTokenStore, Login, OAuth};
use kaiwa::sandbox::Sandbox;
use kaiwa::{Outcome, VirtualClock};
use std::path::PathBuf;
use std::time::Duration;
use std::{env, error::Error, fs, io, process, thread};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// The time for the login.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Ok(id) = env::var("CHATWORK_CLIENT_ID") else { return play().await };
    let tokens = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| "chatwork-tokens.json".into()));
    let mut scopes = vec![Scope::UsersProfileMeRead];
    let mut builder = match env::var("CHATWORK_CLIENT_SECRET") {
        Ok(secret) => {
            // With this scope the refresh token does not expire. A public client cannot have it.
            scopes.push(Scope::OfflineAccess);
            chatwork::oauth::confidential(id, secret)
        }
        Err(_) => chatwork::oauth::public(id),
    };
    if let Ok(url) = env::var("CHATWORK_REDIRECT_URL") {
        builder = builder.redirect_url(url);
    }
    let oauth = builder.scopes(scopes).store(FileTokenStore::new(&tokens)).build()?;
    let listen = env::var("CHATWORK_LISTEN").unwrap_or_else(|_| "127.0.0.1:8765".to_owned());
    let open = |login: &Login| {
        println!("Open this address in a browser:\n\n{}\n", login.url());
        println!("{listen} waits for the redirect. If it does not come, paste the address it went to here.");
    };
    run(&oauth, chatwork::Client::builder, &listen, open).await?;
    println!("The tokens are in {}.", tokens.display());
    Ok(())
}

/// Prints the account, with the stored tokens if they are valid, or else after a login.
async fn run(
    oauth: &OAuth,
    builder: impl Fn() -> chatwork::Builder,
    listen: &str,
    open: impl FnOnce(&Login),
) -> Result<(), Box<dyn Error>> {
    if let Some(stored) = oauth.restore().await? {
        let client = builder().token_source(stored.clone()).build()?;
        match client.me().await {
            Ok(me) => {
                println!("Still logged in as {} (account {}).", me.name, me.account_id);
                // If a renewed refresh token is not saved, the next run needs a login.
                return Ok(stored.save().await?);
            }
            Err(_) if stored.needs_login() => println!("The stored tokens are of no more use."),
            Err(error) => return Err(error.into()),
        }
    }
    let listener = TcpListener::bind(listen).await.map_err(|error| format!("{listen}: {error}"))?;
    let login = oauth.login();
    open(&login);
    let authorization = wait(login, listener).await?;
    authorization.save().await?;
    let me = builder().token_source(authorization).build()?.me().await?;
    println!("Logged in as {} (account {}).", me.name, me.account_id);
    Ok(())
}

/// The result of a login.
type Ended = Result<Authorization, kaiwa::Error>;

/// Waits for the redirect, or for its address to be pasted.
async fn wait(login: Login, listener: TcpListener) -> Result<Authorization, Box<dyn Error>> {
    let (ended, mut redirected) = mpsc::channel(1);
    let (stop, stopped) = oneshot::channel::<()>();
    // Any path: the registered redirect URL determines it.
    let pages = Router::new().fallback(redirect).with_state((login.clone(), ended));
    let pages = axum::serve(listener, pages).with_graceful_shutdown(async { drop(stopped.await) });
    let pages = tokio::spawn(pages.into_future());

    // A separate thread, since reading from a terminal cannot be cancelled.
    let (line, mut pasted) = mpsc::channel(1);
    thread::spawn(move || {
        io::stdin().lines().map_while(Result::ok).try_for_each(|text| line.blocking_send(text))
    });
    let too_late = tokio::time::sleep(PATIENCE);
    tokio::pin!(too_late);
    let ended = loop {
        tokio::select! {
            Some(ended) = redirected.recv() => break ended,
            Some(text) = pasted.recv() => {
                if let Some(ended) = finish(&login, text.trim()).await {
                    break ended;
                }
            }
            () = &mut too_late => return Err("the login has timed out".into()),
            _ = tokio::signal::ctrl_c() => return Err("stopped".into()),
        }
    };
    // The browser gets its page, but a connection that it keeps open must not block the end.
    drop(stop);
    let _ = tokio::time::timeout(Duration::from_secs(1), pages).await;
    Ok(ended?)
}

/// Responds to the redirected browser.
async fn redirect(
    State((login, ended)): State<(Login, mpsc::Sender<Ended>)>,
    RawQuery(query): RawQuery,
) -> (StatusCode, &'static str) {
    let (result, page) = match finish(&login, &query.unwrap_or_default()).await {
        Some(Ok(authorization)) => {
            (Ok(authorization), (StatusCode::OK, "Logged in. You can close this page."))
        }
        Some(Err(error)) => (Err(error), (StatusCode::BAD_REQUEST, "Not logged in; the terminal says why.")),
        None => return (StatusCode::BAD_REQUEST, "This is not the login that is waited for."),
    };
    // If it has ended already, there is no receiver.
    let _ = ended.send(result).await;
    page
}

/// The end of the login; `None` if it continues, because this redirect belongs to another login.
async fn finish(login: &Login, redirect: &str) -> Option<Ended> {
    match login.finish_redirect(redirect).await {
        Err(error) if error.outcome() == Outcome::NotSent => {
            eprintln!("ignored: {error}");
            None
        }
        ended => Some(ended),
    }
}

/// Three runs of this program against the sandbox.
async fn play() -> Result<(), Box<dyn Error>> {
    println!("CHATWORK_CLIENT_ID is not set, so the sandbox plays Chatwork, the person and the tunnel.");
    let clock = VirtualClock::new();
    let sandbox = Sandbox::builder().clock(clock.clone()).start().await?;
    let tokens = env::temp_dir().join(format!("kaiwa-oauth-login-{}.json", process::id()));
    let oauth = chatwork::oauth::confidential("sandbox-client", "sandbox-secret")
        .auth_url(sandbox.oauth_consent_url())
        .token_url(sandbox.oauth_token_url())
        .redirect_url("https://localhost/callback")
        .scopes([Scope::UsersProfileMeRead, Scope::OfflineAccess])
        .store(FileTokenStore::new(&tokens))
        .clock(clock.clone())
        .build()?;
    let builder = || chatwork::Client::builder().base_url(sandbox.chatwork_url()).clock(clock.clone());
    // A free port.
    let listen = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string();
    let mut ended = Ok(());
    for (title, later) in [("First run", 0), ("Second run", 0), ("An hour later", 3600)] {
        println!("\n── {title} ──");
        clock.advance(Duration::from_secs(later));
        let before = sandbox.requests().len();
        let open = |login: &Login| drop(tokio::spawn(browse(login.url().to_string(), listen.clone())));
        ended = run(&oauth, builder, &listen, open).await;
        if ended.is_err() {
            break;
        }
        let requests = sandbox.requests();
        let names: Vec<&str> = requests[before..].iter().filter_map(|request| request.operation).collect();
        println!("Requests: {}", names.join(", "));
    }
    // Only the results of the runs matter.
    let _ = fs::remove_file(&tokens);
    // Nobody else knows this file, so nobody waits for its lock.
    let _ = fs::remove_file(tokens.with_extension("json.lock"));
    ended
}

/// Plays the person, who agrees at once, and the tunnel, which forwards the redirect.
async fn browse(page: String, listen: String) -> Result<(), reqwest::Error> {
    let browser =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    println!("The browser opens the consent page.");
    let answer = browser.get(page).send().await?;
    let location = answer.headers().get("location").and_then(|location| location.to_str().ok());
    let Some((_, query)) = location.and_then(|location| location.split_once('?')) else { return Ok(()) };
    let page = browser.get(format!("http://{listen}/callback?{query}")).send().await?;
    println!("The browser shows: {}", page.text().await?);
    Ok(())
}
