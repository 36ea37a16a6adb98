//! The memory that uploads and downloads of 200 MB take.

use crate::{ALONE, LIVE, PEAK};
use futures::TryStreamExt;
use kaiwa::chatwork::{self, FileId, RoomId};
use kaiwa::lancers::{self, BoardId};
use kaiwa::{Progress, Upload};
use std::fs::File;
use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SIZE: u64 = 200_000_000;

/// The memory that a connection may buffer: a fiftieth of the file.
const FLAT: usize = 4 << 20;

const PIECE: &[u8] = &[0x5a; 64 << 10];

/// Serves a file and its description, and counts the uploaded bytes.
async fn serve(mut connection: TcpStream, uploaded: Arc<AtomicU64>) -> Option<()> {
    let own = connection.local_addr().ok()?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).expect("a head is text").to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        let mut left: u64 = length.unwrap_or(0);
        uploaded.fetch_add(left, Relaxed);
        while left > 0 {
            left -= connection.read(&mut buffer).await.ok().filter(|read| *read > 0)? as u64;
        }
        let body = if head.starts_with("get /content") {
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n");
            connection.write_all(answer.as_bytes()).await.ok()?;
            let mut left = SIZE;
            while left > 0 {
                let piece = &PIECE[..PIECE.len().min(left as usize)];
                connection.write_all(piece).await.ok()?;
                left -= piece.len() as u64;
            }
            continue;
        } else if head.starts_with("get ") {
            format!(
                r#"{{"file_id":7,"account":{{"account_id":1}},"message_id":"1","filename":"a","filesize":{SIZE},
                "upload_time":1,"download_url":"http://{own}/content"}}"#
            )
        } else {
            include_str!("../fixtures/lancers/post_message.json").to_owned()
        };
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        connection.write_all(answer.as_bytes()).await.ok()?;
    }
}

async fn server() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (base, uploaded) = (format!("http://{}", listener.local_addr().expect("an address")), Arc::default());
    let count = Arc::clone(&uploaded);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, Arc::clone(&count)));
        }
    });
    (base, uploaded)
}

/// Runs it, and checks that its peak of memory is below a constant.
async fn flat<T>(what: &str, work: impl IntoFuture<Output = T>) -> T {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let output = work.await;
    let peak = PEAK.load(Relaxed).saturating_sub(before);
    println!("{what}: at most {peak} bytes, for a file of {SIZE}");
    assert!(peak < FLAT, "{what}: {peak} bytes");
    output
}

#[tokio::test]
async fn downloads_of_any_size_take_a_flat_amount_of_memory() {
    let _alone = ALONE.lock().await;
    let (base, _) = server().await;
    let client = chatwork::Client::builder().api_token("token").base_url(base).build().expect("a client");
    let file = client.room(RoomId(1)).file(FileId(7));
    let received = flat("a stream", async {
        let stream = file.download().stream().await.expect("it begins");
        let count = |bytes, piece: bytes::Bytes| async move {
            assert!(piece.iter().all(|byte| *byte == 0x5a));
            Ok(bytes + piece.len() as u64)
        };
        stream.try_fold(0, count).await.expect("its content")
    });
    assert_eq!(received.await, SIZE);

    let directory = tempfile::tempdir().expect("a directory");
    let target = directory.path().join("large");
    flat("a download to a file", file.download().to_file(&target)).await.expect("it is saved");
    assert_eq!(target.metadata().expect("it is there").len(), SIZE);
}

#[tokio::test]
async fn uploads_of_any_size_take_a_flat_amount_of_memory() {
    let _alone = ALONE.lock().await;
    let (base, uploaded) = server().await;
    // Lancers documents no limit for the size of a file.
    let client = lancers::Client::builder().cookie("a=b").base_url(base).build().expect("a client");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("large");
    File::create(&path).and_then(|file| file.set_len(SIZE)).expect("it can be made");
    let reported = Arc::new(AtomicU64::new(0));
    let report = Arc::clone(&reported);
    let report = move |progress: Progress| report.store(progress.bytes, Relaxed);
    let upload = Upload::path(&path).await.expect("it is there").on_progress(report);
    flat("an upload by path", client.board(BoardId(1)).post("x").file(upload)).await.expect("it is posted");
    assert_eq!(reported.load(Relaxed), SIZE);
    assert!((SIZE..SIZE + 10_000).contains(&uploaded.load(Relaxed)));

    let reader = Upload::reader("large", SIZE, tokio::io::AsyncReadExt::take(tokio::io::repeat(1), SIZE));
    flat("an upload of a reader", client.board(BoardId(1)).post("x").file(reader))
        .await
        .expect("it is posted");
}
