use super::*;
use std::time::Duration;

/// A multipart body, written out.
fn multipart(name: &str, filename: &str, content: &[u8], message: Option<&str>) -> (String, Vec<u8>) {
    described(&format!("name=\"{name}\"; filename=\"{filename}\""), content, message)
}

/// The same, with any parameters of the disposition.
fn described(parameters: &str, content: &[u8], message: Option<&str>) -> (String, Vec<u8>) {
    let mut body =
        format!("--b0\r\nContent-Disposition: form-data; {parameters}\r\ncontent-type: text/plain\r\n\r\n")
            .into_bytes();
    body.extend_from_slice(content);
    if let Some(message) = message {
        let part = format!("\r\n--b0\r\ncontent-disposition: form-data; name=\"message\"\r\n\r\n{message}");
        body.extend_from_slice(part.as_bytes());
    }
    body.extend_from_slice(b"\r\n--b0--\r\n");
    ("multipart/form-data; boundary=b0".to_owned(), body)
}

async fn upload(api: &Api, content: &[u8], message: Option<&str>) -> Answer {
    let (content_type, body) = multipart("file", "報告 1.txt", content, message);
    let request = api.request(Method::POST, "/rooms/100/files").header("content-type", content_type);
    api.send(request.body(body)).await
}

#[tokio::test]
async fn a_file_is_uploaded_listed_and_fetched_for_thirty_seconds() {
    let (sandbox, clock, bot) = bot().await;
    assert_eq!(bot.get("/rooms/100/files").await.status, 204);
    let id = upload(&bot, b"0123456789", Some("見て")).await.ok()["file_id"].clone();
    let listed = bot.get("/rooms/100/files?account_id=1").await.ok();
    assert_eq!((&listed[0]["filename"], &listed[0]["filesize"]), (&"報告 1.txt".into(), &10.into()));
    assert_eq!(bot.get("/rooms/100/files?account_id=2").await.status, 204);
    let message = sandbox.chatwork().room(100).messages().pop().unwrap();
    assert_eq!(listed[0]["message_id"], message.message_id.as_str());
    assert!(message.body.contains("見て") && message.body.contains(&format!("[download:{id}]")));
    assert!(!message.body.contains("[preview"), "only an image has one: {}", message.body);

    let path = format!("/rooms/100/files/{id}");
    assert!(bot.get(&path).await.ok().get("download_url").is_none());
    let file = bot.get(&format!("{path}?create_download_url=1")).await.ok();
    let url = file["download_url"].as_str().unwrap();
    let whole = bot.http.get(url).send().await.unwrap();
    assert_eq!(whole.headers()["content-type"], "text/plain");
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    assert_eq!(whole.bytes().await.unwrap(), "0123456789");
    let part = bot.http.get(url).header("range", "bytes=4-").send().await.unwrap();
    assert_eq!(
        (part.status().as_u16(), &part.headers()["content-range"]),
        (206, &"bytes 4-9/10".parse().unwrap())
    );
    assert_eq!(part.bytes().await.unwrap(), "456789");
    assert_eq!(bot.http.get(url).header("range", "bytes=10-").send().await.unwrap().status(), 416);

    clock.advance(Duration::from_secs(29));
    assert_eq!(bot.http.get(url).send().await.unwrap().status(), 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(bot.http.get(url).send().await.unwrap().status(), 403);
    assert_eq!(bot.get("/rooms/100/files/1").await.status, 404);
}

#[tokio::test]
async fn uploads_are_limited_to_five_mebibytes() {
    let (sandbox, _, bot) = bot().await;
    assert_eq!(upload(&bot, &vec![b'a'; 5 << 20], None).await.status, 200);
    assert_eq!(upload(&bot, &vec![b'a'; (5 << 20) + 1], None).await.status, 400);
    assert_eq!(sandbox.chatwork().room(100).files().len(), 1);
}

#[tokio::test]
async fn an_upload_is_multipart_with_a_named_file() {
    let (_sandbox, _, bot) = bot().await;
    let (content_type, body) = multipart("attachment", "a.txt", b"a", None);
    let request =
        bot.request(Method::POST, "/rooms/100/files").header("content-type", content_type).body(body);
    assert_eq!(bot.send(request).await.refused(400).error(), "Parameter 'file' is required");
    assert_eq!(bot.post("/rooms/100/files", &[("file", "a")]).await.status, 400);
}

#[tokio::test]
async fn the_name_of_a_file_is_read_in_several_forms() {
    let (sandbox, _, bot) = bot().await;
    let send = |parameters: &'static str| {
        let (content_type, body) = described(parameters, b"a", None);
        bot.send(
            bot.request(Method::POST, "/rooms/100/files").header("content-type", content_type).body(body),
        )
    };
    for parameters in [
        "name=\"file\"; filename*=utf-8''%E5%A0%B1%E5%91%8A.txt",
        "filename*=UTF-8''%E5%A0%B1%E5%91%8A.txt; name=\"file\"; filename=\"?\"",
        "NAME=\"file\"; Filename=\"報告.txt\"",
    ] {
        send(parameters).await.ok();
        assert_eq!(sandbox.chatwork().room(100).files().pop().unwrap().filename, "報告.txt", "{parameters}");
    }
    for parameters in ["name=\"file\"; filename=\"\"", "name=\"file\""] {
        assert_eq!(send(parameters).await.refused(400).error(), "Parameter 'file' is required");
    }
    assert_eq!(sandbox.chatwork().room(100).files().len(), 3);
}
