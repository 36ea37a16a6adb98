//! Clients of other services, with what those answer.

use crate::work::reqwest;
use kaiwa::chatwork;
use std::hint::black_box;
use twilight_model::user::CurrentUser;

pub async fn work(name: &str, base: &str, count: usize) {
    match name {
        "bare-user" => {
            let client = reqwest(None);
            let url = format!("{base}/api/v10/users/@me");
            for _ in 0..count {
                let answer =
                    client.get(&url).header("authorization", "Bot token").send().await.expect("an answer");
                black_box(
                    answer.error_for_status().expect("a success").json::<CurrentUser>().await.expect("JSON"),
                );
            }
        }
        "octocrab" => {
            let builder = octocrab::Octocrab::builder().base_uri(base).expect("a URL");
            let client = builder.personal_token("token").build().expect("a client");
            for _ in 0..count {
                let me: chatwork::Me = client.get("/me", None::<&()>).await.expect("an answer");
                black_box(me);
            }
        }
        "twilight" => {
            let host = base.trim_start_matches("http://").to_owned();
            let client =
                twilight_http::Client::builder().token("Bot token".to_owned()).proxy(host, true).build();
            for _ in 0..count {
                black_box(client.current_user().await.expect("an answer").model().await.expect("JSON"));
            }
        }
        _ => panic!("no work of the name {name}"),
    }
}
