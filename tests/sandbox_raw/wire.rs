//! A raw connection, byte by byte, for details that HTTP clients hide.

use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Everything that comes back until the connection ends, and how it ended.
pub struct Raw {
    pub bytes: Vec<u8>,
    pub end: io::Result<()>,
}

impl Raw {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn was_reset(&self) -> bool {
        self.end.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
    }

    pub fn body(&self) -> Vec<u8> {
        let head = self.bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("there is a head");
        self.bytes[head + 4..].to_vec()
    }
}

/// The authority of a URL: host and port.
pub fn authority(url: &str) -> String {
    url.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned()
}

pub async fn connect(url: &str) -> io::Result<TcpStream> {
    TcpStream::connect(authority(url)).await
}

/// Sends the request and reads until the connection ends.
pub async fn exchange(url: &str, request: &str) -> Raw {
    let mut stream = connect(url).await.expect("it listens");
    stream.write_all(request.as_bytes()).await.expect("it takes the request");
    read(&mut stream).await
}

pub async fn read(stream: &mut TcpStream) -> Raw {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return Raw { bytes, end: Ok(()) },
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            Err(error) => return Raw { bytes, end: Err(error) },
        }
    }
}
