//! Servers that refuse, hang, or lose their data, and what is said about them.

use futures_util::future::join_all;
use kaiwa::store::{Outage, Redis};
use kaiwa::{Budget, BudgetStore, Denied, RateLimit, Settlement};
use services::redis;
use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;
use std::time::{Duration, Instant};

const ROOM: Budget = Budget::room(7, 10, Duration::from_secs(10));

/// What is written to the log while a test runs, which has a thread of its own.
///
/// There is one subscriber for all: with one for each thread, `tracing` can miss events of a place that another thread has
/// reached first.
struct Log;

thread_local! {
    static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct OwnThread;

impl Write for OwnThread {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        WRITTEN.with_borrow_mut(|written| written.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn begin() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| OwnThread).init());
        WRITTEN.with_borrow_mut(Vec::clear);
        Self
    }

    fn text(&self) -> String {
        WRITTEN.with_borrow(|written| String::from_utf8(written.clone()).expect("UTF-8"))
    }

    fn count(&self, word: &str) -> usize {
        self.text().matches(word).count()
    }
}

/// The text of an error with its causes.
fn whole(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", whole(source)))
}

async fn refused(redis: &Redis) -> String {
    match redis.budgets("b").expect("a name").take(Budget::Account).await {
        Err(Denied::Unavailable(error)) => format!("{error} {error:?} {}", whole(&*error)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_program_starts_while_the_server_is_down_and_uses_it_once_it_is_there() {
    let log = Log::begin();
    let mut server = redis::Redis::start();
    server.kill();
    let budgets = Redis::new(server.url()).expect("a URL").budgets("b").expect("a name");
    let began = Instant::now();
    let lease = budgets.take(ROOM).await.expect("its own part is the whole, as far as it knows");
    assert!(began.elapsed() < Duration::from_secs(5));
    budgets.settle(lease, Settlement::Sent(None));
    server.restart();
    // The keeper tries each second.
    let waits = Instant::now();
    while !server.command("KEYS *").contains("room:7") && waits.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let waits = Instant::now();
    while log.count("can be used again") == 0 && waits.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((log.count(" WARN "), log.count("can be used again")), (1, 1), "{}", log.text());
    for _ in 0..9 {
        let _flying = budgets.take(ROOM).await.expect("the post of the outage counts, and nine are left");
    }
    assert!(matches!(budgets.take(ROOM).await, Err(Denied::Wait { .. })));
}

#[tokio::test]
async fn the_policy_may_be_to_refuse() {
    let mut server = redis::Redis::start();
    let redis = Redis::builder(server.url()).outage(Outage::Refuse).build().expect("a URL");
    redis.check().await.expect("it is there");
    server.kill();
    let text = refused(&redis).await;
    assert!(text.contains("127.0.0.1") && text.contains("reached"), "{text}");
    let text = whole(&redis.check().await.expect_err("it is gone"));
    assert!(text.contains("reached"), "{text}");
    let client =
        kaiwa::chatwork::Client::builder().api_token("a-token-of-a-test").base_url("http://127.0.0.1:9");
    let pace = kaiwa::Pace::new().store(redis.budgets("b").expect("a name"));
    let error = client.pace(pace).build().expect("a client").me().await.expect_err("there is no permit");
    assert!(matches!(error.kind(), kaiwa::ErrorKind::Store(_)), "{error}");
    assert_eq!((error.outcome(), error.resend()), (kaiwa::Outcome::NotSent, kaiwa::Resend::Yes));
    assert!(error.to_string().contains("Nothing was sent"), "{error}");
}

#[tokio::test]
async fn a_server_that_hangs_delays_one_call_a_second_and_no_other() {
    let server = redis::Redis::start();
    let budgets = Redis::new(server.url()).expect("a URL").budgets("b").expect("a name");
    let _first = budgets.take(ROOM).await.expect("it is there");
    server.suspend();
    let slow = join_all((0..8).map(|_| async {
        let began = Instant::now();
        let _lease =
            budgets.take(Budget::room(8, 1_000, Duration::from_secs(10))).await.expect("an own part");
        began.elapsed() > Duration::from_millis(100)
    }));
    // Those that wait behind the one that asks are delayed with it, once.
    let _ = slow.await;
    let mut delayed = 0;
    for _ in 0..200 {
        let began = Instant::now();
        let _lease =
            budgets.take(Budget::room(9, 1_000, Duration::from_secs(10))).await.expect("an own part");
        delayed += u32::from(began.elapsed() > Duration::from_millis(100));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.resume();
    // About a second: two tries at most, and noise.
    assert!(delayed <= 10, "{delayed} of 200");
}

#[tokio::test]
async fn a_dropped_take_gives_its_permit_back() {
    let server = redis::Redis::start();
    let budgets =
        Redis::builder(server.url()).response_timeout(Duration::from_secs(30)).build().expect("a URL");
    let budgets = budgets.budgets("b").expect("a name");
    let single = Budget::room(9, 1, Duration::from_secs(1000));
    let first = budgets.take(single).await.expect("it is there");
    budgets.settle(first, Settlement::Unsent);
    budgets.flush().await.expect("it is there");
    server.suspend();
    let taken = tokio::time::timeout(Duration::from_millis(100), budgets.take(single)).await;
    taken.expect_err("the server hangs");
    server.resume();
    let _again = budgets.take(single).await.expect("the permit came back");
}

#[tokio::test]
async fn a_full_memory_that_evicts_is_told_and_survived() {
    let log = Log::begin();
    let server = redis::Redis::with(&["--maxmemory-policy", "allkeys-lru"]);
    let budgets = Redis::new(server.url()).expect("a URL").budgets("b").expect("a name");
    let mut limit = RateLimit::default();
    (limit.limit, limit.remaining) = (Some(300), Some(200));
    for number in 0..50_u64 {
        if number == 25 {
            server.command("CONFIG SET maxmemory 1");
        }
        let lease = budgets.take(Budget::Account).await.expect("there are enough");
        budgets.settle(lease, Settlement::Sent(Some(&limit)));
    }
    let text = log.text();
    assert!(text.contains("noeviction") && text.contains("allkeys-lru"), "{text}");
    // Full for good: writing is refused, which is an outage.
    assert!(log.count("cannot be used") <= 1, "{text}");
}

#[tokio::test]
async fn a_full_memory_that_evicts_nothing_stops_no_call() {
    let server = redis::Redis::with(&["--maxmemory-policy", "noeviction"]);
    let redis = Redis::builder(server.url()).outage(Outage::Refuse).build().expect("a URL");
    redis.check().await.expect("it is there");
    server.command("CONFIG SET maxmemory 1");
    assert!(server.command("SET a b").contains("OOM"));
    let budgets = redis.budgets("b").expect("a name");
    let lease = budgets.take(ROOM).await.expect("a few bytes are always there");
    budgets.settle(lease, Settlement::Sent(None));
    budgets.flush().await.expect("a few bytes are always there");
}

/// The commands that the documentation of `store::Redis` lists are enough, and no other key can be touched.
#[tokio::test]
async fn a_user_with_the_documented_rights_is_enough() {
    let log = Log::begin();
    let server = redis::Redis::start();
    let docs = include_str!("../../../../src/store/redis/mod.rs");
    let at = docs.find("ACL SETUSER").expect("the documentation has it");
    let rule: String = docs[at..]
        .lines()
        .map_while(|line| Some(line.trim_start_matches("///").trim()))
        .take(2)
        .collect::<Vec<_>>()
        .join(" ");
    let rule = rule.replace("PASSWORD", "a-password-canary");
    let answer = server.command(&rule);
    assert!(answer.starts_with("+OK"), "{rule}: {answer}");
    let redis = Redis::new(server.url_of("kaiwa", "a-password-canary")).expect("a URL");
    redis.check().await.expect("the rights are enough");
    let budgets = redis.budgets("b").expect("a name");
    for budget in [Budget::Account, ROOM, Budget::units(3)] {
        let lease = budgets.take(budget).await.expect("the rights are enough");
        budgets.settle(lease, Settlement::Sent(None));
        budgets.flush().await.expect("the rights are enough");
    }
    assert_eq!(log.text(), "", "and no warning");
    let keys = server.command("KEYS *");
    assert!(keys.contains("{kaiwa:b}:account") && keys.contains("{kaiwa:b}:room:7"), "{keys}");
    for key in ["account", "processes", "room:7"] {
        let left = server.command(&format!("PTTL {{kaiwa:b}}:{key}"));
        assert!(left.starts_with(':') && !left.starts_with(":-"), "{key} expires: {left}");
    }
}

#[tokio::test]
async fn neither_user_nor_password_is_ever_shown() {
    let log = Log::begin();
    let server = redis::Redis::start();
    server.command("ACL SETUSER limited on >a-password-canary resetkeys ~other:* -@all +ping");
    let shown = |redis: &Redis| format!("{redis:?} {:?}", redis.budgets("b").expect("a name"));
    let mut all = String::new();
    let urls = [
        server.url_of("limited", "a-password-canary"),
        server.url_of("user-canary", "a-password-canary"),
        "redis://user-canary:a-password-canary@127.0.0.1:1/".to_owned(),
    ];
    for (url, said) in
        urls.into_iter().zip(["may not run a command", "refuses the user or the password", "reached"])
    {
        let redis = Redis::builder(url).outage(Outage::Refuse).build().expect("a URL");
        let text = refused(&redis).await;
        assert!(text.contains(said), "{text}");
        let check = redis.check().await.expect_err("it cannot be used");
        all += &format!("{text} {check} {check:?} {} {}", whole(&check), shown(&redis));
    }
    for url in ["redis://user-canary:a-password-canary@:x/", "http://a-password-canary/", "a-password-canary"]
    {
        let error = Redis::new(url).expect_err("it is not a URL of a server");
        all += &format!("{error} {error:?} {:?}", Redis::builder(url));
    }
    all += &log.text();
    assert!(!all.contains("canary"), "{all}");
}

#[tokio::test]
async fn a_cluster_is_refused_by_name() {
    let server = redis::Redis::with(&["--cluster-enabled", "yes"]);
    let redis = Redis::builder(server.url()).outage(Outage::Refuse).build().expect("a URL");
    let text = refused(&redis).await;
    assert!(text.contains("Cluster") && text.contains("not supported"), "{text}");
}

#[test]
fn names_that_break_the_keys_or_look_like_a_credential_are_refused() {
    let redis = Redis::new("redis://127.0.0.1/").expect("a URL");
    for bad in ["", "a b", "a}", "{", "é", &"a".repeat(101), "0123456789abcdef0123456789abcdef"] {
        let error = redis.budgets(bad).expect_err(bad);
        assert!(!error.to_string().contains("0123456789abcdef"), "{error}");
    }
    for good in ["a", "support-bot", "team.bot_1", "0123456789-0123456789-0123456789"] {
        redis.budgets(good).expect(good);
    }
    let zero = Redis::builder("redis://127.0.0.1/").response_timeout(Duration::ZERO).build();
    assert!(zero.expect_err("it would always be late").to_string().contains("zero"));
}

/// A runtime that ends takes the connection and the keeper along; the store goes on in the next one.
#[test]
fn a_store_outlives_its_runtime() {
    let server = redis::Redis::start();
    let redis = Redis::builder(server.url()).outage(Outage::Refuse).build().expect("a URL");
    let budgets = redis.budgets("b").expect("a name");
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let lease = runtime.block_on(budgets.take(ROOM)).expect("the server is there");
        drop(runtime);
        budgets.settle(lease, Settlement::Sent(None));
    }
}
