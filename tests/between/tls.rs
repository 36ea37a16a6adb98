//! A service behind TLS whose connections fail in the handshake, as often as a test requires.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Handshake {
    Complete,
    /// A reset before anything was read, or after the client's first message.
    Reset,
    ResetAfterHello,
    /// An orderly close, at the same moments.
    Close,
    CloseAfterHello,
    /// No bytes are returned.
    Silence,
    /// A TLS alert instead of the answer.
    Alert(u8),
    /// An answer without TLS.
    Plain,
}

/// RFC 8446, 6.2.
pub const HANDSHAKE_FAILURE: u8 = 40;
pub const PROTOCOL_VERSION: u8 = 70;

/// For `service.example` and 127.0.0.1.
pub const CERTIFICATE: &[u8] = include_bytes!("../fixtures/tls/cert.pem");
pub const EXPIRED: &[u8] = include_bytes!("../fixtures/tls/expired.pem");
const KEY: &[u8] = include_bytes!("../fixtures/tls/key.pem");

pub struct Server {
    pub address: std::net::SocketAddr,
    pub url: String,
    accepted: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Plays a handshake for each connection, and repeats the last one. Requests over the established connections are
    /// answered with this JSON text.
    pub async fn play(handshakes: impl IntoIterator<Item = Handshake>, answer: &'static str) -> Self {
        Self::with_certificate(CERTIFICATE, handshakes, answer).await
    }

    pub async fn with_certificate(
        certificate: &[u8],
        handshakes: impl IntoIterator<Item = Handshake>,
        answer: &'static str,
    ) -> Self {
        let handshakes: Vec<_> = handshakes.into_iter().collect();
        let chain = vec![CertificateDer::from_pem_slice(certificate).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
            .expect("a configuration");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound");
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let handshake = handshakes[number.min(handshakes.len() - 1)];
                tokio::spawn(serve(stream, handshake, acceptor.clone(), answer));
            }
        });
        Self { address, url: format!("https://{address}"), accepted, task }
    }

    /// The number of connections so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An HTTP client that trusts the server's certificate, and no other.
pub fn trusting(certificate: &[u8]) -> reqwest::ClientBuilder {
    let certificate = reqwest::Certificate::from_pem(certificate).expect("a certificate");
    reqwest::Client::builder().no_proxy().tls_certs_only([certificate])
}

#[allow(deprecated)]
fn reset(stream: &TcpStream) {
    stream.set_linger(Some(Duration::ZERO)).expect("a connected socket takes it");
}

async fn serve(
    mut stream: TcpStream,
    handshake: Handshake,
    acceptor: TlsAcceptor,
    answer: &'static str,
) -> Option<()> {
    let mut hello = Vec::new();
    match handshake {
        Handshake::Complete => {
            let mut stream = acceptor.accept(stream).await.ok()?;
            let mut request = Vec::new();
            while !request.ends_with(b"body=x") && !request.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut request).await.ok()? == 0 {
                    return None;
                }
            }
            let head =
                format!("HTTP/1.1 200 x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
            stream.write_all(format!("{head}{answer}").as_bytes()).await.ok()?;
            stream.shutdown().await.ok()?;
        }
        Handshake::Reset => reset(&stream),
        Handshake::Close => {}
        Handshake::ResetAfterHello => {
            stream.read_buf(&mut hello).await.ok()?;
            reset(&stream);
        }
        Handshake::CloseAfterHello => {
            stream.read_buf(&mut hello).await.ok()?;
        }
        Handshake::Silence => std::future::pending().await,
        Handshake::Alert(alert) => {
            stream.read_buf(&mut hello).await.ok()?;
            stream.write_all(&[21, 3, 3, 0, 2, 2, alert]).await.ok()?;
            stream.shutdown().await.ok()?;
        }
        Handshake::Plain => {
            stream.read_buf(&mut hello).await.ok()?;
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.ok()?;
            stream.shutdown().await.ok()?;
        }
    }
    Some(())
}
