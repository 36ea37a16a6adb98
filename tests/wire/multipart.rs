//! Reads a `multipart/form-data` body strictly, and shows it as text that a test can be compared with.

use wiremock::Request;

/// The parts, one a line: the headers as they were sent, then `: ` and the content.
pub fn parts(request: &Request) -> Vec<String> {
    let content_type = request.headers["content-type"].to_str().expect("visible ASCII");
    let boundary = content_type
        .strip_prefix("multipart/form-data; boundary=")
        .unwrap_or_else(|| panic!("no form with a boundary: {content_type}"));
    let delimiter = format!("--{boundary}");
    let body = std::str::from_utf8(&request.body).expect("the tests send text only");
    let (inner, end) = body.rsplit_once(&delimiter).expect("a closing delimiter");
    assert_eq!(end, "--\r\n", "what follows the last delimiter");
    inner.split(&delimiter).skip(1).map(|part| part_text(part.strip_prefix("\r\n"))).collect()
}

fn part_text(part: Option<&str>) -> String {
    let part = part.and_then(|part| part.strip_suffix("\r\n")).expect("a part between line breaks");
    let (headers, content) = part.split_once("\r\n\r\n").expect("an empty line after the headers");
    format!("{}: {content}", headers.replace("\r\n", " | "))
}
