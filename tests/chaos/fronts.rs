//! The same writes through each front, for each service.

use super::front::Kind;
use super::{chatwork, lancers, tascha, writes_through_fronts};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_refusals_and_goaway_cause_no_duplicate_and_no_false_outcome() {
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
async fn stray_answers_cause_no_duplicate_and_no_false_outcome_on_fresh_connections() {
    for run in 0..3 {
        let (front, count) = (Some(Kind::Stray), writes_through_fronts());
        match run {
            0 => chatwork(front, count).await,
            1 => tascha(front, count).await,
            _ => lancers(front, count).await,
        }
    }
}
