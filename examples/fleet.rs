//! Four processes of one account: they keep its limits together, and renew its access token once.
//!
//! ```text
//! cargo run --example fleet                       # each process has its part of the limits
//! cargo run --example fleet --features redis      # all have them together, if a Redis server listens
//! cargo run --example fleet -- --posts 60         # so many posts for each process; 30 without it
//! ```
//!
//! The sandbox plays Chatwork in this process, which starts itself four times. The server is the one at `REDIS_URL`, or one on
//! this machine. The access token has expired when the processes begin.

use kaiwa::chatwork::{self, RoomId, oauth::Scope};
use kaiwa::oauth::{FileTokenStore, OAuth, TokenStore};
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::{Account, OAuthClient, Room, Seed};
use kaiwa::{Outcome, Pace};
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, process};

const PROCESSES: u32 = 4;
const TASKS: usize = 8;
const ROOMS: u64 = 12;

/// What the sandbox allows the account.
const CALLS: u64 = 60;
const WINDOW: Duration = Duration::from_secs(10);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    // A process of the fleet is told its number.
    if let Ok(number) = env::var("FLEET_MEMBER") {
        return member(&number).await;
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    let posts = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => 30,
        ["--posts", posts] => posts.parse().map_err(|_| "--posts takes a number")?,
        _ => return Err("it takes --posts NUMBER, or nothing".into()),
    };
    let sandbox = Sandbox::builder().chatwork(account()).start().await?;
    let tokens = env::temp_dir().join(format!("kaiwa-fleet-{}.json", process::id()));
    let store = FileTokenStore::new(&tokens);
    let oauth = oauth(&sandbox.oauth_token_url(), store.clone())?;
    log_in(&oauth, &sandbox, &store).await?;

    let redis = redis_url().await?;
    match &redis {
        Some(url) => println!("The budgets are in Redis at {}.", without_password(url)),
        None => println!(
            "No Redis: each process keeps its part of the limits by itself, so some calls may be refused."
        ),
    }
    let mut members = Vec::new();
    for number in 0..PROCESSES {
        let mut command = Command::new(env::current_exe()?);
        command.env("FLEET_MEMBER", number.to_string()).env("FLEET_POSTS", posts.to_string());
        command.env("FLEET_NAME", format!("fleet-{}", process::id())).env("FLEET_TOKENS", &tokens);
        command
            .env("FLEET_CHATWORK", sandbox.chatwork_url())
            .env("FLEET_TOKEN_URL", sandbox.oauth_token_url());
        if let Some(url) = &redis {
            command.env("FLEET_REDIS", url);
        }
        members.push(Member(command.stdin(Stdio::null()).spawn()?));
    }
    let ended = watch(&sandbox, &mut members, posts * PROCESSES as usize).await;
    for file in [tokens.clone(), tokens.with_extension("json.lock")] {
        let _ = std::fs::remove_file(file);
    }
    ended
}

/// A process of the fleet, which ends with this one.
struct Member(Child);

impl Drop for Member {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

/// An account with enough rooms, so that only its window is short.
fn account() -> Seed {
    let rooms = (1..=ROOMS).map(|room| Room::group(room, format!("室 {room}")).admin(1));
    let client = OAuthClient::confidential("fleet", "a-secret-of-the-sandbox");
    let seed = Seed::new().account(Account::new(1, "Bot")).rate_limit(CALLS, WINDOW);
    let seed = seed.oauth_client(client.redirect_uri("https://localhost/callback"));
    rooms.fold(seed, Seed::room)
}

fn oauth(token_url: &str, store: FileTokenStore) -> Result<OAuth> {
    Ok(chatwork::oauth::confidential("fleet", "a-secret-of-the-sandbox")
        .token_url(token_url)
        .redirect_url("https://localhost/callback")
        .scopes([Scope::RoomsAllReadWrite, Scope::OfflineAccess])
        .store(store)
        .build()?)
}

/// Saves the tokens of a login, whose access token has expired.
async fn log_in(oauth: &OAuth, sandbox: &Sandbox, store: &FileTokenStore) -> Result<()> {
    let login = oauth.login();
    let (_, query) = login.url().as_str().split_once('?').ok_or("a login has a query")?;
    // The sandbox's consent page agrees at once, and redirects.
    let browser =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let page = browser.get(format!("{}?{query}", sandbox.oauth_consent_url())).send().await?;
    let location = page.headers().get("location").ok_or("the consent page redirects")?.to_str()?;
    let tokens = login.finish_redirect(location).await?.tokens();
    store
        .save(&tokens.with_expiry(kaiwa::jiff::Timestamp::now()))
        .await
        .map_err(|error| error.to_string())?;
    sandbox.clear_requests();
    Ok(())
}

/// One process of the fleet.
async fn member(number: &str) -> Result<()> {
    let set = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let posts: usize = set("FLEET_POSTS")?.parse()?;
    let oauth = oauth(&set("FLEET_TOKEN_URL")?, FileTokenStore::new(set("FLEET_TOKENS")?))?;
    let authorization = oauth.restore().await?.ok_or("the tokens were saved before")?;
    let budgets = budgets(&set("FLEET_NAME")?)?;
    let client = chatwork::Client::builder()
        .base_url(set("FLEET_CHATWORK")?)
        .token_source(authorization)
        .pace(budgets.pace())
        .timeout(Duration::from_secs(300))
        .build()?;
    let tasks = (0..TASKS).map(|task| {
        let (client, number) = (client.clone(), number.to_owned());
        tokio::spawn(async move {
            for post in (task..posts).step_by(TASKS) {
                let text = format!("m{number}-{post}");
                while let Err(error) = client.room(RoomId(post as u64 % ROOMS + 1)).post(text.as_str()).await
                {
                    eprintln!("\n{text}: {error}");
                    // Whether it was posted is not known; posting it again could double it.
                    if error.outcome() == Outcome::Unknown {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await?;
    }
    budgets.end().await
}

#[cfg(feature = "redis")]
mod shared {
    use super::{Pace, Result, env};
    use kaiwa::store::{Redis, RedisBudgets};

    pub struct Budgets(pub Option<RedisBudgets>);

    pub fn budgets(name: &str) -> Result<Budgets> {
        let url = env::var("FLEET_REDIS").ok();
        Ok(Budgets(url.map(|url| Redis::new(url)?.budgets(name)).transpose()?))
    }

    impl Budgets {
        pub fn pace(&self) -> Pace {
            self.0.clone().map_or_else(super::own_part, |budgets| Pace::new().store(budgets))
        }

        pub async fn end(&self) -> Result<()> {
            match &self.0 {
                Some(budgets) => Ok(budgets.flush().await?),
                None => Ok(()),
            }
        }
    }

    /// The server at `REDIS_URL`, which has to work, or the one on this machine, if there is one.
    pub async fn redis_url() -> Result<Option<String>> {
        if let Ok(url) = env::var("REDIS_URL") {
            Redis::new(url.clone())?.check().await?;
            return Ok(Some(url));
        }
        let url = "redis://127.0.0.1:6379/";
        Ok(Redis::new(url)?.check().await.is_ok().then(|| url.to_owned()))
    }
}

#[cfg(not(feature = "redis"))]
mod shared {
    use super::{Pace, Result};

    pub struct Budgets;

    pub fn budgets(_: &str) -> Result<Budgets> {
        Ok(Budgets)
    }

    impl Budgets {
        pub fn pace(&self) -> Pace {
            super::own_part()
        }

        pub async fn end(&self) -> Result<()> {
            Ok(())
        }
    }

    pub async fn redis_url() -> Result<Option<String>> {
        Ok(None)
    }
}

use shared::{budgets, redis_url};

/// The limits of one of the processes. The account's window is learned from the responses, which count all of them.
fn own_part() -> Pace {
    Pace::new().room_limit(10 / PROCESSES, Duration::from_secs(10))
}

fn without_password(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, server)| server)
}

/// Shows what the sandbox receives until all processes have ended.
async fn watch(sandbox: &Sandbox, members: &mut [Member], posts: usize) -> Result<()> {
    let began = Instant::now();
    let terminal = std::io::stdout().is_terminal();
    loop {
        let mut running = false;
        for member in &mut *members {
            match member.0.try_wait()? {
                Some(status) if !status.success() => {
                    return Err(format!("a process ended with {status}").into());
                }
                Some(_) => {}
                None => running = true,
            }
        }
        let line = line(sandbox, began.elapsed());
        if terminal {
            print!("\r\x1b[2K{line}");
            std::io::stdout().flush()?;
        } else {
            println!("{line}");
        }
        if !running {
            break;
        }
        tokio::time::sleep(Duration::from_millis(if terminal { 100 } else { 1_000 })).await;
    }
    let requests = sandbox.requests();
    let refused = requests.iter().filter(|request| request.status == Some(429)).count();
    let refreshes = requests.iter().filter(|request| request.operation == Some("oauth_token")).count();
    let mut texts: Vec<_> = requests
        .iter()
        .filter(|request| request.applied)
        .filter_map(|request| request.form("body"))
        .collect();
    texts.sort();
    let done = texts.len();
    texts.dedup();
    println!(
        "\n{done} of {posts} posted, {} twice; {refused} refused; {refreshes} refresh(es).",
        done - texts.len()
    );
    Ok(())
}

/// The window that is open, the posts of each process, the refusals and the refreshes.
fn line(sandbox: &Sandbox, passed: Duration) -> String {
    let requests = sandbox.requests();
    let now = kaiwa::jiff::Timestamp::now();
    let (mut opened, mut used) = (None, 0);
    for request in requests.iter().filter(|request| request.operation != Some("oauth_token")) {
        if opened.is_none_or(|opened| request.at >= opened + WINDOW) {
            (opened, used) = (Some(request.at), 0);
        }
        used += u64::from(request.status != Some(429));
    }
    if opened.is_some_and(|opened| now >= opened + WINDOW) {
        used = 0;
    }
    let bar: String = (0..20).map(|part| if part * CALLS < used * 20 { '█' } else { '·' }).collect();
    let of = |member| {
        let posts = requests.iter().filter(|request| request.applied);
        posts
            .filter(|request| {
                request.form("body").is_some_and(|text| text.starts_with(&format!("m{member}-")))
            })
            .count()
    };
    let members: Vec<String> = (0..PROCESSES).map(|member| format!("{:3}", of(member))).collect();
    let refused = requests.iter().filter(|request| request.status == Some(429)).count();
    let refreshes = requests.iter().filter(|request| request.operation == Some("oauth_token")).count();
    format!(
        "{:5.1} s  window {bar} {used:2} of {CALLS}  posts {}  429: {refused}  refreshes: {refreshes}",
        passed.as_secs_f64(),
        members.join(" ")
    )
}
