//! The same writes through each front, for each service.

use super::front::Kind;
use super::{chatwork, lancers, tascha, writes_through_fronts};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_2_that_refuses_and_goes_away_nothing_is_doubled_or_untrue() {
    for run in 0..3 {
        let (front, count) = (Some(Kind::Multiplexed), writes_through_fronts());
        match run {
            0 => chatwork(front, count).await,
            1 => tascha(front, count).await,
            _ => lancers(front, count).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_stray_answers_and_fresh_connections_nothing_is_doubled_or_untrue() {
    for run in 0..3 {
        let (front, count) = (Some(Kind::Stray), writes_through_fronts());
        match run {
            0 => chatwork(front, count).await,
            1 => tascha(front, count).await,
            _ => lancers(front, count).await,
        }
    }
}
