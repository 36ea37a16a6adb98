use crate::server::{CANARY, Reply, Server, header, part};
use crate::{ProgressLog, content, world};
use futures::{StreamExt, TryStreamExt};
use kaiwa::chatwork::{Download, FileStream};
use kaiwa::sandbox::{Fault, Provider, Script};
use kaiwa::{Error, ErrorKind, Outcome, RetryBudget, RetryPolicy};
use std::time::Duration;

async fn all(mut stream: FileStream) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = stream.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn fetch(server: &Server, download: Download) -> Result<Vec<u8>, Error> {
    server.clock.drive(async { all(download.stream().await?).await }).await
}

/// Checks the places in which an error could show the address.
fn assert_secret(error: &Error) {
    let mut shown = format!("{error} {error:?} {error:#?} {:?} {:?}", error.kind(), error.headers());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        shown.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    shown.push_str(&String::from_utf8_lossy(error.body()));
    assert!(!shown.contains(CANARY) && !shown.contains("/files/"), "{shown}");
}

#[tokio::test]
async fn a_file_is_streamed_from_its_address_without_a_credential() {
    let bytes = content(300_000);
    let (world, log) = (world(&bytes).await, ProgressLog::default());
    let stream = world.file.download().on_progress(log.listen()).stream().await.expect("a stream");
    assert_eq!((stream.len(), stream.is_empty()), (300_000, false));
    assert_eq!(stream.file().filename, "見積.pdf");
    assert!(stream.file().download_url.is_none());
    let shown = format!("{stream:?} {:?}", world.file.download());
    assert!(!shown.contains("/download/"), "{shown}");
    assert_eq!(all(stream).await.expect("its content"), bytes);

    let (asked, got) = (world.requests("get_file"), world.requests("download_file"));
    assert_eq!((asked.len(), got.len()), (1, 1));
    assert_eq!(asked[0].header("x-chatworktoken"), Some("***"));
    let sent: Vec<&str> = got[0].headers.keys().map(|name| name.as_str()).collect();
    for name in sent {
        assert!(["accept", "accept-encoding", "host", "user-agent"].contains(&name), "{name} was sent");
    }
    let progress_bytes = log.bytes();
    assert_eq!((progress_bytes.first(), progress_bytes.last()), (Some(&0), Some(&300_000)));
    assert!(progress_bytes.is_sorted());
    assert_eq!(log.totals(), [300_000]);
}

#[tokio::test]
async fn a_small_file_is_read_into_memory_and_a_large_one_is_not() {
    let world = world(&content(1000)).await;
    assert_eq!(world.file.download().bytes(1000).await.expect("it fits"), content(1000));
    let error = world.file.download().bytes(999).await.expect_err("it is larger");
    assert!(matches!(error.kind(), ErrorKind::BodyTooLarge { limit: 999 }), "{error}");
    assert_eq!(world.requests("download_file").len(), 1);
    let empty = self::world(b"").await;
    assert_eq!(empty.file.download().bytes(0).await.expect("nothing"), "");
}

#[tokio::test]
async fn a_broken_download_is_resumed_at_a_new_address() {
    for fault in [Fault::reset_mid_body(), Fault::short_body()] {
        let bytes = content(500_000);
        let (world, log) = (world(&bytes).await, ProgressLog::default());
        let script = Script::on("download_file").then(fault).times(2);
        world.sandbox.faults().script(Provider::Chatwork, script);
        let download = world.file.download().on_progress(log.listen());
        let stream = world.clock.drive(download.stream()).await.expect("a stream");
        assert_eq!(world.clock.drive(all(stream)).await.expect("its content"), bytes);

        let got = world.requests("download_file");
        assert_eq!((got.len(), world.requests("get_file").len()), (3, 3));
        let paths: std::collections::HashSet<&str> = got.iter().map(|request| &*request.path).collect();
        assert_eq!(paths.len(), 3, "each time another address");
        assert_eq!((got[0].header("range"), got[0].status), (None, Some(200)));
        for request in &got[1..] {
            let from =
                request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
            let from: u64 = from.and_then(|from| from.parse().ok()).expect("an open range");
            assert!(from > 0 && from < 500_000, "from {from}");
            assert!(log.bytes().contains(&from), "exactly the missing part was requested");
            assert!(request.header("if-range").is_some_and(|etag| etag.starts_with('"')));
            assert_eq!(request.status, Some(206));
        }
        assert!(log.bytes().is_sorted());
        assert_eq!(log.bytes().last(), Some(&500_000));
    }
}

#[tokio::test]
async fn an_expired_address_is_requested_again() {
    let world = world(b"content").await;
    // The description takes so long that its address has expired when it arrives.
    let late = Script::on("get_file").then(Fault::slow_headers(Duration::from_secs(31)).after());
    world.sandbox.faults().script(Provider::Chatwork, late);
    let download = world.file.download().with_retry(RetryPolicy::none());
    assert_eq!(world.clock.drive(download.bytes(100)).await.expect("its content"), "content");
    let statuses: Vec<_> = world.requests("download_file").iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(403), Some(200)]);

    for status in [401, 403, 404, 410] {
        let server = Server::play(3, [Reply::new(status, b"<Error/>"), Reply::new(200, b"abc")]).await;
        assert_eq!(fetch(&server, server.file().download()).await.expect("its content"), b"abc");
        assert_eq!((server.described(), server.content_requests().len()), (2, 2));

        let twice =
            [Reply::new(status, b""), Reply::new(status, CANARY.as_bytes()).header("location", CANARY)];
        let server = Server::play(3, twice).await;
        let error = fetch(&server, server.file().download()).await.expect_err("refused twice");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
        assert_eq!((error.outcome(), error.attempts()), (Outcome::Rejected, 2));
        assert!(error.to_string().starts_with("GET (the file's address): "), "{error}");
        assert_secret(&error);
    }
}

#[tokio::test]
async fn a_server_without_ranges_is_read_again_without_duplicate_bytes() {
    let bytes = content(100_000);
    let whole = || Reply::new(200, &bytes);
    let server = Server::play(100_000, [whole().cut(60_000), whole().cut(30_000), whole()]).await;
    let log = ProgressLog::default();
    let content = fetch(&server, server.file().download().on_progress(log.listen())).await;
    assert_eq!(content.expect("its content"), bytes);
    assert!(log.bytes().is_sorted());
    let [None, Some(second), Some(third)] = &server.ranges()[..] else { panic!("{:?}", server.ranges()) };
    assert_eq!(second, third, "the second attempt brought nothing new");
    // A weak validator does not suffice for ranges.
    assert!(server.content_requests().iter().all(|head| header(head, "if-range").is_none()));
}

#[tokio::test]
async fn a_file_is_requested_completely_if_a_range_is_refused() {
    let bytes = content(1000);
    let replies = [
        Reply::new(200, &bytes).header("etag", "W/\"1\"").cut(400),
        Reply::new(416, b"").header("content-range", "bytes */1000"),
        Reply::new(200, &bytes),
    ];
    let server = Server::play(1000, replies).await;
    assert_eq!(fetch(&server, server.file().download()).await.expect("its content"), bytes);
    assert_eq!(server.ranges(), [None, Some("bytes=400-".to_owned()), None]);
}

#[tokio::test]
async fn content_that_contradicts_itself_is_refused() {
    let bytes = content(1000);
    let begun = || Reply::new(200, &bytes).header("etag", "\"1\"").cut(400);
    let range = |range: &str, from: usize| Reply::new(206, &bytes[from..]).header("content-range", range);
    for (what, replies) in [
        ("a shorter file", vec![Reply::new(200, &bytes[..999])]),
        ("a longer file", vec![Reply::new(200, &content(1001))]),
        ("a longer file of no stated length", vec![Reply::new(200, &content(1001)).without_length()]),
        ("a part that was not requested", vec![part(&bytes, 0)]),
        ("another part", vec![begun(), range("bytes 300-999/1000", 300)]),
        ("a part of another file", vec![begun(), range("bytes 400-999/2000", 400)]),
        ("a part that ends before it begins", vec![begun(), range("bytes 400-399/1000", 500)]),
        ("a part that goes beyond the file", vec![begun(), range("bytes 400-1000/*", 500)]),
        (
            "a short part that is longer than stated",
            vec![begun(), range("bytes 400-899/1000", 400).without_length()],
        ),
        ("a part without a range", vec![begun(), Reply::new(206, &bytes[400..])]),
        ("a part of another length", vec![begun(), range("bytes 400-999/1000", 500)]),
        ("another version", vec![begun(), Reply::new(200, &bytes).header("etag", "\"2\"")]),
        ("another version's part", vec![begun(), part(&bytes, 400).header("etag", "\"2\"")]),
        ("no content", vec![Reply::new(204, b"").without_length()]),
    ] {
        let requests = replies.len();
        let server = Server::play(1000, replies).await;
        let error = fetch(&server, server.file().download()).await.expect_err(what);
        assert_eq!(
            (error.outcome(), server.content_requests().len()),
            (Outcome::Rejected, requests),
            "{what}: {error}"
        );
        assert_secret(&error);
    }
}

#[tokio::test]
async fn a_part_shorter_than_requested_is_continued() {
    let bytes = content(1000);
    let short = |from: usize, to: usize| {
        let range = format!("bytes {from}-{}/1000", to - 1);
        Reply::new(206, &bytes[from..to]).header("content-range", range)
    };
    let open = || short(900, 950).without_length();
    let replies = [Reply::new(200, &bytes).cut(400), short(400, 900), open(), part(&bytes, 950)];
    let server = Server::play(1000, replies).await;
    // Exactly one failure: a partial answer is not a failure.
    let download = server.file().download().with_retry(RetryPolicy::new().attempts(2));
    assert_eq!(fetch(&server, download).await.expect("its content"), bytes);
    let range = |from: usize| Some(format!("bytes={from}-"));
    assert_eq!(server.ranges(), [None, range(400), range(900), range(950)]);

    // A part whose connection breaks is a failure.
    let replies = [Reply::new(200, &bytes).cut(400), short(400, 900).cut(100), part(&bytes, 500)];
    let server = Server::play(1000, replies).await;
    assert_eq!(fetch(&server, server.file().download()).await.expect("its content"), bytes);
    assert_eq!(server.ranges(), [None, range(400), range(500)]);
}

/// Each part of one byte costs a request to the file server, and no call of the account.
#[tokio::test]
async fn an_address_is_used_for_all_parts_until_it_expires() {
    let bytes = content(60);
    let byte = |from: usize| {
        let range = format!("bytes {from}-{from}/60");
        Reply::new(206, &bytes[from..=from]).header("content-range", range)
    };
    let replies = std::iter::once(Reply::new(200, &bytes).cut(1)).chain((1..60).map(byte));
    let server = Server::play(60, replies).await;
    assert_eq!(fetch(&server, server.file().download()).await.expect("its content"), bytes);
    // The first connection broke, and a new address was requested.
    assert_eq!((server.content_requests().len(), server.described()), (60, 2));

    let replies = std::iter::once(Reply::new(200, &bytes).cut(1)).chain((1..60).map(byte));
    let server = Server::play(60, replies).await;
    let mut stream = server.file().download().stream().await.expect("it begins");
    let mut whole = Vec::new();
    while let Some(piece) = server.clock.drive(stream.next()).await {
        whole.extend_from_slice(&piece.expect("a piece"));
        server.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(whole, bytes);
    // A minute of 59 parts: an address is used for 25 of its 30 seconds.
    assert!((3..=5).contains(&server.described()), "{}", server.described());
}

#[tokio::test]
async fn a_file_of_no_stated_length_ends_with_its_last_byte() {
    let bytes = content(1000);
    let open = || Reply::new(200, &bytes).without_length();
    let server = Server::play(1000, [open().cut(700), part(&bytes, 700)]).await;
    assert_eq!(fetch(&server, server.file().download()).await.expect("its content"), bytes);
    assert_eq!(server.ranges(), [None, Some("bytes=700-".to_owned())]);
    let server = Server::play(1000, [open()]).await;
    assert_eq!(fetch(&server, server.file().download()).await.expect("its content"), bytes);
}

#[tokio::test]
async fn failures_in_a_row_are_bounded_by_policy_and_budget() {
    let bytes = content(1000);
    let cut = || part(&bytes, 400).cut(0);
    let begun = || Reply::new(200, &bytes).cut(400);
    for (policy, budget, requests) in [
        (RetryPolicy::new(), RetryBudget::off(), 4),
        (RetryPolicy::new().attempts(3), RetryBudget::off(), 3),
        (RetryPolicy::none(), RetryBudget::off(), 1),
        (RetryPolicy::new(), RetryBudget::new(2).refill(0.0, 0.0), 3),
    ] {
        let replies = std::iter::once(begun()).chain((0..20).map(|_| cut()));
        let server = Server::play(1000, replies).await;
        let client = server.builder().retry(policy).retry_budget(budget).build().expect("a client");
        let file = client.room(kaiwa::chatwork::RoomId(1)).file(kaiwa::chatwork::FileId(7));
        let mut stream = server.clock.drive(file.download().stream()).await.expect("it begins");
        let mut got = 0;
        let error = loop {
            match server.clock.drive(stream.next()).await.expect("a piece or an error") {
                Ok(piece) => got += piece.len(),
                Err(error) => break error,
            }
        };
        assert_eq!((got, server.content_requests().len()), (400, requests), "{error}");
        assert!(matches!(error.kind(), ErrorKind::Body(_)), "{error}");
        assert_eq!((error.outcome(), error.attempts() as usize), (Outcome::Rejected, requests));
        assert_secret(&error);
        assert!(stream.next().await.is_none(), "a stream ends with its failure");
        assert_eq!(server.described(), requests);
    }
    // With a byte of progress each time, the download completes under any policy.
    let drops = (1..50).map(|at| part(&bytes[..50], at).cut(1));
    let server = Server::play(50, std::iter::once(Reply::new(200, &bytes[..50]).cut(1)).chain(drops)).await;
    let client = server.builder().retry(RetryPolicy::new().attempts(2)).retry_budget(RetryBudget::off());
    let file = client.build().expect("a client");
    let file = file.room(kaiwa::chatwork::RoomId(1)).file(kaiwa::chatwork::FileId(7));
    let pace = file.download();
    assert_eq!(fetch(&server, pace).await.expect("its content"), &bytes[..50]);
}

#[tokio::test]
async fn the_timeout_does_not_count_the_programs_time_between_two_pieces() {
    let bytes = content(1000);
    let limit = Duration::from_secs(30);
    let policy = || RetryPolicy::new().time_limit(limit);
    let server = Server::play(1000, [Reply::new(200, &bytes).cut(400), part(&bytes, 400)]).await;
    let mut stream = server.file().download().with_retry(policy()).stream().await.expect("it begins");
    server.clock.advance(2 * limit);
    let mut got = Vec::new();
    while let Some(piece) = server.clock.drive(stream.try_next()).await.expect("it goes on") {
        got.extend_from_slice(&piece);
        server.clock.advance(2 * limit);
    }
    assert_eq!((got, server.content_requests().len()), (bytes.clone(), 2));

    // The time of the file server counts.
    let late = Reply::new(503, b"").header("retry-after", "31");
    let server = Server::play(1000, [Reply::new(200, &bytes).cut(400), late, part(&bytes, 400)]).await;
    let error = fetch(&server, server.file().download().with_retry(policy())).await.expect_err("too late");
    assert_eq!(
        (error.status().map(|status| status.as_u16()), server.content_requests().len()),
        (Some(503), 2)
    );
}

#[tokio::test]
async fn a_busy_file_server_is_retried() {
    let busy = || Reply::new(503, b"").header("retry-after", "7");
    let server = Server::play(3, [busy(), Reply::new(502, b""), Reply::new(200, b"abc")]).await;
    assert_eq!(fetch(&server, server.file().download()).await.expect("its content"), b"abc");
    assert!(server.clock.elapsed() >= Duration::from_secs(7));
    let too_long = Reply::new(429, b"").header("retry-after", "600");
    let server = Server::play(3, [too_long]).await;
    let error = fetch(&server, server.file().download()).await.expect_err("ten minutes");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(600)));
    assert!(error.is_rate_limited());
    let server = Server::play(3, [Reply::new(501, b""), Reply::new(200, b"abc")]).await;
    fetch(&server, server.file().download()).await.expect_err("it would end the same way");
}

#[tokio::test]
async fn redirects_are_followed_to_allowed_addresses() {
    let moved = |status, to: &str| Reply::new(status, b"").header("location", to);
    for status in [301, 302, 303, 307, 308] {
        let server = Server::play(3, [moved(status, "../other?part=1"), Reply::new(200, b"abc")]).await;
        assert_eq!(fetch(&server, server.file().download()).await.expect("its content"), b"abc");
        assert!(
            server.content_requests()[1].starts_with("GET /other?part=1 "),
            "{:?}",
            server.content_requests()
        );
    }
    for (place, problem) in [
        ("http://files.example/canary-signature", "plain http"),
        ("ftp://127.0.0.1/canary-signature", "scheme"),
        ("http://[canary-signature", "not a valid URL"),
    ] {
        let server = Server::play(3, [moved(302, place)]).await;
        let error = fetch(&server, server.file().download()).await.expect_err(place);
        assert!(error.to_string().contains(problem), "{error}");
        assert_secret(&error);
        let server = Server::pointing_to(place).await;
        let error = fetch(&server, server.file().download()).await.expect_err(place);
        assert!(error.to_string().contains(problem), "{error}");
        assert_eq!((error.outcome(), server.content_requests().len()), (Outcome::Rejected, 0));
        assert_secret(&error);
    }
    let server = Server::play(3, (0..20).map(|_| moved(302, "/again"))).await;
    fetch(&server, server.file().download()).await.expect_err("round and round");
    assert_eq!(server.content_requests().len(), 6);
}

#[tokio::test]
async fn an_unreachable_file_server_is_reported_without_its_address() {
    let server = Server::pointing_to(&format!("http://127.0.0.1:1/files/{CANARY}")).await;
    let error = fetch(&server, server.file().download()).await.expect_err("nothing listens");
    assert!(error.is_connect(), "{error}");
    assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 0));
    assert!(error.connections() > 4, "{error}");
    assert_secret(&error);
}

#[tokio::test]
async fn a_failed_description_is_reported_like_the_call() {
    let world = world(b"content").await;
    let gone = world.room.file(kaiwa::chatwork::FileId(99));
    let error = gone.download().stream().await.expect_err("there is no such file");
    assert_eq!(
        (error.status().map(|status| status.as_u16()), error.outcome()),
        (Some(404), Outcome::Rejected)
    );
    assert!(error.to_string().starts_with("GET /rooms/{room_id}/files/{file_id}: "), "{error}");
    let down = Script::on("get_file").then(Fault::bad_gateway()).forever();
    world.sandbox.faults().script(Provider::Chatwork, down);
    let error = world.clock.drive(world.file.download().bytes(100)).await.expect_err("always 502");
    assert_eq!(error.outcome(), Outcome::Rejected, "a download does not change anything: {error}");
}

#[tokio::test]
async fn a_stall_is_a_failure_and_the_download_recovers() {
    let bytes = content(100_000);
    for (fault, received) in [(Fault::stall(), 50_000), (Fault::silence(), 0)] {
        let (world, log) = (world(&bytes).await, ProgressLog::default());
        world.sandbox.faults().script(Provider::Chatwork, Script::on("download_file").then(fault));
        let download = world.file.download().with_stall_timeout(Duration::from_secs(20));
        let download = tokio::spawn(download.on_progress(log.listen()).bytes(200_000));
        // Time stands still until all bytes have arrived.
        let begun = || world.requests("download_file").len() == 1 && world.clock.sleepers() == 1;
        while !begun() || log.bytes().last().copied().unwrap_or_default() < received {
            tokio::task::yield_now().await;
        }
        world.clock.advance(Duration::from_secs(19));
        tokio::task::yield_now().await;
        assert_eq!(world.requests("download_file").len(), 1);
        world.clock.advance(Duration::from_secs(1));
        // The wait before the next attempt is the backoff, at most 250 ms.
        while world.requests("download_file").len() < 2 && !download.is_finished() {
            if world.clock.next_wake().is_some_and(|wait| wait <= Duration::from_millis(250)) {
                world.clock.advance(Duration::from_millis(250));
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(download.await.expect("it does not panic").expect("its content"), bytes);
    }
}

#[tokio::test]
async fn a_download_from_a_silent_server_fails() {
    let world = world(b"content").await;
    let silent = Script::on("download_file").then(Fault::silence()).forever();
    world.sandbox.faults().script(Provider::Chatwork, silent);
    let stall = Duration::from_secs(20);
    let download = world.file.download().with_stall_timeout(stall).with_retry(RetryPolicy::none());
    let error = world.clock.drive(download.bytes(100)).await.expect_err("nothing comes");
    assert!(matches!(error.kind(), ErrorKind::Timeout(named) if *named == stall), "{error}");
    assert!(error.is_timeout() && error.outcome() == Outcome::Rejected);
}
