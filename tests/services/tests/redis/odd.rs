//! What is odd but happens: answers that are always late, a server whose clock is set back, a demoted primary, rights that are
//! missing, windows of a day.

use futures_util::future::join_all;
use kaiwa::jiff::{SignedDuration, Timestamp};
use kaiwa::store::{Outage, Redis};
use kaiwa::webhook::{ClaimId, ReplayCache};
use kaiwa::{Budget, BudgetStore, Clock, Denied, Lease, RateLimit, Settlement, VirtualClock};
use services::redis;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const WINDOW: Duration = Duration::from_secs(1_000);
const ROOM: Budget = Budget::room(7, 10, WINDOW);

/// A way to a server on which every answer is late by some milliseconds, and which can lead to another server.
struct Way {
    url: String,
    late: Arc<AtomicU64>,
    port: Arc<AtomicU64>,
}

impl Way {
    async fn to(server: &redis::Redis) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("redis://127.0.0.1:{}/", listener.local_addr().expect("it is bound").port());
        let (late, port) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(server.port().into())));
        let (delay, target) = (Arc::clone(&late), Arc::clone(&port));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let to = target.load(Ordering::SeqCst) as u16;
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { continue };
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await.ok() });
                let delay = Arc::clone(&delay);
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                        tokio::time::sleep(Duration::from_millis(delay.load(Ordering::SeqCst))).await;
                        if to_client.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, late, port }
    }
}

async fn granted(store: &impl BudgetStore, budget: Budget) -> usize {
    let mut leases: Vec<Lease> = Vec::new();
    while let Ok(lease) = store.take(budget).await {
        leases.push(lease);
        assert!(leases.len() < 1_000, "there is no end");
    }
    leases.len()
}

#[tokio::test]
async fn a_settlement_that_is_told_again_and_again_counts_once() {
    let server = redis::Redis::start();
    let way = Way::to(&server).await;
    // Connecting takes two answers.
    let redis = Redis::builder(&way.url).connect_timeout(Duration::from_secs(2)).build().expect("a URL");
    let budgets = redis.budgets("b").expect("a name");
    let mut early = Vec::new();
    for _ in 0..2 {
        early.push(budgets.take(ROOM).await.expect("it is there"));
    }
    way.late.store(200, Ordering::SeqCst);
    let outage = budgets.take(ROOM).await.expect("its own part");
    for lease in early.drain(..).chain([outage]) {
        budgets.settle(lease, Settlement::Sent(None));
    }
    // The keeper tells them each second, and the server hears them each time.
    tokio::time::sleep(Duration::from_secs(5)).await;
    way.late.store(0, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let other = Redis::new(server.url()).expect("a URL").budgets("b").expect("a name");
    assert_eq!(granted(&other, ROOM).await, 7, "three of ten were posted");
}

#[tokio::test]
async fn denied_permits_push_out_no_settlement() {
    let mut server = redis::Redis::start();
    server.kill();
    let budgets = Redis::new(server.url()).expect("a URL").budgets("b").expect("a name");
    for _ in 0..10 {
        let lease = budgets.take(ROOM).await.expect("its own part");
        budgets.settle(lease, Settlement::Sent(None));
    }
    for _ in 0..1_200 {
        assert!(matches!(budgets.take(ROOM).await, Err(Denied::Wait { .. })));
    }
    server.restart();
    while budgets.flush().await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let other = Redis::new(server.url()).expect("a URL").budgets("b").expect("a name");
    assert_eq!(granted(&other, ROOM).await, 0, "all ten were posted");
}

#[tokio::test]
async fn a_server_whose_clock_is_set_back_grants_as_before() {
    let server = redis::Redis::start();
    let name = "b";
    let at = |clock: &VirtualClock| {
        let redis = Redis::builder(server.url()).clock(clock.clone()).build().expect("a URL");
        redis.budgets(name).expect("a name")
    };
    let clock = VirtualClock::new();
    let store = at(&clock);
    let room = Budget::room(7, 1, Duration::from_secs(10));
    let lease = store.take(room).await.expect("it is the first");
    store.settle(lease, Settlement::Sent(None));
    let mut limit = RateLimit::default();
    (limit.limit, limit.remaining) = (Some(300), Some(0));
    (limit.reset, limit.reset_after) =
        (Some(clock.wall() + Duration::from_secs(60)), Some(Duration::from_secs(60)));
    let lease = store.take(Budget::Account).await.expect("it is the first");
    store.settle(lease, Settlement::Sent(Some(&limit)));
    store.flush().await.expect("the server is there");
    let earlier = VirtualClock::starting_at(clock.wall() - SignedDuration::from_hours(1));
    let store = at(&earlier);
    for (budget, longest) in [(room, 10), (Budget::Account, 60)] {
        match store.take(budget).await {
            Err(Denied::Wait { time, .. }) => {
                assert!(time <= Duration::from_secs(longest), "{budget:?}: {time:?}")
            }
            other => panic!("{budget:?}: {other:?}"),
        }
    }
    earlier.advance(Duration::from_secs(60));
    for budget in [room, Budget::Account] {
        let _lease = store.take(budget).await.expect("its time has come");
    }
}

#[tokio::test]
async fn after_a_failover_the_new_primary_is_used() {
    let (old, new) = (redis::Redis::start(), redis::Redis::start());
    let way = Way::to(&old).await;
    let redis = Redis::builder(&way.url).outage(Outage::Refuse).build().expect("a URL");
    redis.check().await.expect("it is the primary");
    old.command(&format!("REPLICAOF 127.0.0.1 {}", new.port()));
    way.port.store(new.port().into(), Ordering::SeqCst);
    let budgets = redis.budgets("b").expect("a name");
    let began = Instant::now();
    while budgets.take(ROOM).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(5), "it stays with the replica");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let replica = Redis::new(old.url()).expect("a URL").check().await.expect_err("it cannot be written to");
    assert!(replica.to_string().contains("replica"), "{replica}");
}

#[tokio::test]
async fn calls_that_come_while_the_server_is_silent_wait_together() {
    // It accepts connections, and never answers.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("redis://127.0.0.1:{}/", silent.local_addr().expect("it is bound").port());
    let store = Redis::new(url).expect("a URL").replays("b").expect("a name");
    let began = Instant::now();
    let claims = join_all((0..20).map(|_| store.claim("event", ClaimId::unique(), WINDOW))).await;
    assert!(claims.iter().all(Result::is_err));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_command_that_is_refused_is_no_outage_of_the_others() {
    let server = redis::Redis::with(&["--maxmemory-policy", "noeviction"]);
    let redis = Redis::builder(server.url()).outage(Outage::Refuse).build().expect("a URL");
    redis.check().await.expect("it is there");
    server.command("CONFIG SET maxmemory 1");
    let replays = redis.replays("b").expect("a name");
    let error = replays.claim("event", ClaimId::unique(), WINDOW).await.expect_err("there is no memory");
    assert!(error.to_string().contains("is full"), "{error}");
    let _lease = redis.budgets("b").expect("a name").take(ROOM).await.expect("nothing is wrong with these");
}

/// Whichever command the user may not run, the error names what to do.
#[tokio::test]
async fn a_missing_right_is_named() {
    let server = redis::Redis::start();
    for missing in ["zadd", "set", "time", "evalsha", "script|load"] {
        let rights = "+evalsha +script|load +time +get +set +del +pttl +zadd +zcard +zremrangebyscore +pexpire +ping +select";
        let rights = rights.replace(&format!("+{missing} "), "");
        server.command("ACL DELUSER limited");
        server.command("SCRIPT FLUSH");
        let set =
            server.command(&format!("ACL SETUSER limited on >password resetkeys ~{{kaiwa:* -@all {rights}"));
        assert!(set.starts_with("+OK"), "{set}");
        let url = server.url_of("limited", "password");
        let redis = Redis::builder(url).outage(Outage::Refuse).build().expect("a URL");
        match redis.budgets("b").expect("a name").take(ROOM).await {
            Err(Denied::Unavailable(error)) => {
                assert!(error.to_string().contains("may not run a command"), "{missing}: {error}");
            }
            other => panic!("{missing}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_post_in_flight_is_remembered_as_long_as_its_window() {
    let server = redis::Redis::start();
    let redis = Redis::new(server.url()).expect("a URL");
    let day = Budget::room(9, 1, Duration::from_secs(24 * 60 * 60));
    let _flying = redis.budgets("b").expect("a name").take(day).await.expect("it is the first");
    let left: i64 = server
        .command("PTTL {kaiwa:b}:room:9")
        .trim_start_matches(':')
        .lines()
        .next()
        .expect("a number")
        .parse()
        .expect("a number");
    assert!(left > 24 * 60 * 60 * 1_000, "{left}");
}

#[tokio::test]
async fn windows_and_months_that_never_end_are_no_error() {
    let server = redis::Redis::start();
    let store = Redis::new(server.url()).expect("a URL").budgets("b").expect("a name");
    let endless = Budget::room(1, 1, Duration::MAX);
    let lease = store.take(endless).await.expect("it is the first");
    store.settle(lease, Settlement::Sent(None));
    assert!(matches!(store.take(endless).await, Err(Denied::Wait { .. })));
    let mut units = kaiwa::Units::default();
    (units.remaining, units.reset) = (Some(1), Some(Timestamp::MAX));
    let mut limit = RateLimit::default();
    limit.units = Some(units);
    let lease = store.take(Budget::units(3)).await.expect("nothing is known");
    store.settle(lease, Settlement::Sent(Some(&limit)));
    assert!(matches!(store.take(Budget::units(3)).await, Err(Denied::Units { remaining: 1, .. })));
}

#[test]
fn a_password_that_ends_the_host_is_refused_and_not_shown() {
    for bad in [
        "redis://user:s3cr#et-canary@host/",
        "redis://:a/b-canary@host/",
        "rediss://u:p?q-canary@host/0",
        "redis://u:p@canary@host/",
    ] {
        let error = Redis::new(bad).expect_err(bad);
        assert!(
            error.to_string().contains("percent-encode") && !error.to_string().contains("canary"),
            "{error}"
        );
    }
    for good in ["redis://user:s3cr%23et@host/0", "redis://host/", "redis+unix:///run/redis@1.sock"] {
        let redis = Redis::new(good).expect(good);
        assert!(!format!("{redis:?}").contains("s3cr"), "{redis:?}");
    }
}

/// With one process gone for a moment and the data lost, the parts stay parts.
#[tokio::test]
async fn the_number_of_processes_is_not_forgotten_with_the_data() {
    let mut server = redis::Redis::start();
    let all: Vec<_> =
        (0..4).map(|_| Redis::new(server.url()).expect("a URL").budgets("b").expect("a name")).collect();
    for store in &all {
        let lease = store.take(Budget::room(1, 100, WINDOW)).await.expect("there are enough");
        store.settle(lease, Settlement::Unsent);
    }
    for _ in 0..2 {
        let lease = all[0].take(Budget::room(1, 100, WINDOW)).await.expect("there are enough");
        all[0].settle(lease, Settlement::Unsent);
    }
    server.command("FLUSHALL");
    let lease = all[0].take(Budget::room(1, 100, WINDOW)).await.expect("there are enough");
    all[0].settle(lease, Settlement::Unsent);
    server.kill();
    assert_eq!(granted(&all[0], ROOM).await, 2, "ten for four");
}

/// Before the server was ever reached, the number is what the program says.
#[tokio::test]
async fn the_number_of_processes_may_be_set() {
    let redis = Redis::builder("redis://127.0.0.1:1/").processes(5).build().expect("a URL");
    assert_eq!(granted(&redis.budgets("b").expect("a name"), ROOM).await, 2, "ten for five");
}
