//! Sixty tasks post through one client against a scaled-down Chatwork window, with pacing and without.
//!
//! ```text
//! cargo bench --bench pacing
//! ```
//!
//! It prints side by side how many 429s the service answered with, and how far the time exceeded the theoretical
//! minimum. The service is the sandbox on loopback, with 20 calls in 10 seconds: in a shorter window, rounding its end
//! to whole seconds would dominate. Each task posts once. The posts are spread over several rooms, so the account's
//! window is the limit that counts, and not that of a room.

use futures::future::join_all;
use kaiwa::chatwork::RoomId;
use kaiwa::sandbox::{Sandbox, chatwork};
use kaiwa::{Pace, RetryPolicy};
use std::time::{Duration, Instant};

const TASKS: u64 = 60;
const CALLS: u64 = 20;
const WINDOW: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // The end of the last window is not awaited.
    let minimum = WINDOW * (TASKS.div_ceil(CALLS) - 1) as u32;
    println!("{TASKS} posts, {CALLS} calls in {WINDOW:?}, theoretical minimum {minimum:?}");
    for (name, pace) in [("pacing on", Pace::new()), ("pacing off", Pace::off())] {
        let (posted, refused, took) = runtime.block_on(run(pace))?;
        let over = took.saturating_sub(minimum);
        println!(
            "{name:>10}: {posted} posted, {refused} answers of 429, {took:.2?} in all, {over:.2?} over the minimum"
        );
    }
    Ok(())
}

async fn run(pace: Pace) -> Result<(usize, usize, Duration), Box<dyn std::error::Error>> {
    let mut seed = chatwork::Seed::new()
        .account(chatwork::Account::new(1, "Bot").token("token"))
        .rate_limit(CALLS, WINDOW);
    for room in 0..TASKS / 10 {
        seed = seed.room(chatwork::Room::group(100 + room, "Room").admin(1));
    }
    let sandbox = Sandbox::builder().chatwork(seed).start().await?;
    let retry = RetryPolicy::new().attempts(20);
    let client = sandbox.chatwork_client("token").pace(pace).retry(retry).build()?;
    let began = Instant::now();
    let posts = (0..TASKS).map(|task| client.room(RoomId(100 + task % (TASKS / 10))).post("x").into_future());
    let posted = join_all(posts).await.iter().filter(|post| post.is_ok()).count();
    let took = began.elapsed();
    let refused = sandbox.requests().iter().filter(|request| request.status == Some(429)).count();
    Ok((posted, refused, took))
}
