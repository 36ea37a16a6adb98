//! The budgets: the rules of all stores, and what belongs to a server.

use kaiwa::store::Redis;
use services::redis;

#[tokio::test]
async fn the_store_in_redis_follows_the_rules_of_all_stores() {
    let server = redis::Redis::start();
    let mut names = 0..;
    crate::rules::all(|clock| {
        let redis = Redis::builder(server.url()).clock(clock.clone()).build().expect("a URL");
        redis.budgets(&format!("rules-{}", names.next().expect("there are enough"))).expect("a name")
    })
    .await;
}
