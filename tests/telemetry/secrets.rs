//! Secrets planted everywhere a user can put one, and searched for in everything that the crate prints.

use crate::server::{Server, Step, clients};
use kaiwa::chatwork::RoomId;
use kaiwa::{RetryPolicy, VirtualClock};
use std::io;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

const CANARY: &str = "canary-7f3a";

#[derive(Clone, Default)]
pub struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("not poisoned")).into_owned()
    }
}

impl io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Printed {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A string that can be searched for.
fn secret(kind: &str) -> String {
    format!("{CANARY}-{kind}")
}

#[tokio::test]
async fn no_secret_is_printed_anywhere() {
    let _listening = crate::LISTENING.lock().await;
    let printed = Printed::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(printed.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut shown = String::new();
    let clock = VirtualClock::new();
    let echo = format!(r#"{{"unexpected":"{}"}}"#, secret("answer"));
    let steps = [
        Step::status(502)
            .header("set-cookie", secret("set-cookie"))
            .body(&format!("<html>{}</html>", secret("page"))),
        Step::ReadThenReset,
        Step::status(401).header("www-authenticate", "Bearer error=\"invalid_token\"").body(&echo),
        Step::ok(&echo),
    ];
    let server = Server::play(steps).await;
    let show =
        |value: &dyn std::fmt::Debug, shown: &mut String| shown.push_str(&format!("{value:?} {value:#?}\n"));

    let chatwork = clients::chatwork(&server, &clock).api_token(secret("token"));
    show(&chatwork, &mut shown);
    let chatwork = chatwork.build().expect("a client");
    show(&chatwork, &mut shown);
    let tascha = clients::tascha(&server, &clock).api_key(secret("key"));
    show(&tascha, &mut shown);
    let tascha = tascha.build().expect("a client");
    let x_key = clients::tascha(&server, &clock).x_api_key(secret("x-key")).build().expect("a client");
    let bearer = clients::chatwork(&server, &clock).bearer(secret("bearer")).build().expect("a client");
    let lancers = clients::lancers(&server, &clock).cookie(secret("cookie")).build().expect("a client");
    let header = clients::lancers(&server, &clock)
        .credential_header("x-session", secret("header"))
        .build()
        .expect("a client");
    show(&(&tascha, &x_key, &bearer, &lancers, &header), &mut shown);

    let room = chatwork.room(RoomId(1));
    let requests = [
        room.post("x").with_header("x-extra", secret("extra-header")),
        room.post("x").with_retry(RetryPolicy::none()),
    ];
    for request in requests {
        show(&request, &mut shown);
        match clock.drive(request).await {
            Ok(response) => show(&response, &mut shown),
            Err(error) => shown.push_str(&format!("{error} {error:?} {error:#?} {:?}\n", error.kind())),
        }
    }
    let nowhere =
        clients::chatwork(&server, &clock).base_url("http://127.0.0.1:1").build().expect("a client");
    let raw = nowhere
        .request(reqwest::Method::POST, format!("/x?sig={}", secret("query")))
        .form("t", secret("form"));
    show(&raw, &mut shown);
    for error in [
        clock.drive(tascha.room("r").post("x")).await.expect_err("it does not decode"),
        clock.drive(x_key.me()).await.expect_err("it does not decode"),
        clock.drive(bearer.me()).await.expect_err("it does not decode"),
        clock.drive(lancers.boards()).await.expect_err("it does not decode"),
        clock.drive(header.boards()).await.expect_err("it does not decode"),
        clock.drive(raw).await.expect_err("nothing listens"),
    ] {
        shown.push_str(&format!("{error} {error:?} {error:#?} {:?}\n", error.kind()));
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            shown.push_str(&format!("{cause} {cause:?}\n"));
            source = cause.source();
        }
    }
    let file = format!(
        r#"{{"file_id":1,"account":{{"account_id":1}},"message_id":"1","filename":"a","filesize":1,"upload_time":1,"download_url":"https://files.example/{}"}}"#,
        secret("signed-url")
    );
    let files = Server::play([Step::ok(&file)]).await;
    let chatwork_files = clients::chatwork(&files, &clock).build().expect("a client");
    let file =
        chatwork_files.room(RoomId(1)).file(kaiwa::chatwork::FileId(1)).get().create_download_url(true);
    let file = clock.drive(file).await.expect("a file");
    assert!(file.download_url.as_ref().is_some_and(|url| url.expose().contains(CANARY)));
    show(&file, &mut shown);
    show(&*file, &mut shown);
    // A download goes to its address, answered or not, and shows neither.
    for origin in ["http://127.0.0.1:1", &files.url] {
        let address = format!("{origin}/{}?{}", secret("signed-path"), secret("signed-query"));
        let file = format!(
            r#"{{"file_id":1,"account":{{"account_id":1}},"message_id":"1","filename":"a","filesize":1,"upload_time":1,"download_url":"{address}"}}"#
        );
        let described = Server::play([Step::ok(&file)]).await;
        let client = clients::chatwork(&described, &clock).build().expect("a client");
        let download = client.room(RoomId(1)).file(kaiwa::chatwork::FileId(1)).download();
        show(&download, &mut shown);
        let error = clock.drive(download.stream()).await.expect_err("not what was described");
        shown.push_str(&format!("{error} {error:?} {error:#?} {:?}\n", error.kind()));
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            shown.push_str(&format!("{cause} {cause:?}\n"));
            source = cause.source();
        }
    }
    assert!(files.seen().iter().any(|seen| seen.head.contains(&secret("signed-path"))));
    for broken in [secret("line\nbreak"), secret("nul\0")] {
        let error =
            clients::chatwork(&server, &clock).api_token(broken).build().expect_err("it is not a header");
        shown.push_str(&format!("{error} {error:?}\n"));
    }
    let panic =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| panic!("{chatwork:?} {room:?} {tascha:?}")))
            .expect_err("it panics");
    shown.push_str(panic.downcast_ref::<String>().expect("a formatted panic"));

    // The search does find things: it finds the template in the output, and the secrets in the requests.
    assert!(printed.text().contains("/rooms/{room_id}/messages"));
    assert!(server.seen().iter().any(|seen| seen.head.contains(&secret("token"))));
    for (place, text) in [("Debug, Display or a panic", shown), ("tracing", printed.text())] {
        if let Some(at) = text.find(CANARY) {
            let around: String =
                text.chars().skip(text[..at].chars().count().saturating_sub(200)).take(300).collect();
            panic!("a secret is in {place}: {around}");
        }
    }
}
