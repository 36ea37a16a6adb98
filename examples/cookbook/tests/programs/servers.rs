//! Programs that need a server beside the service: Redis, PostgreSQL, and a proxy.

use crate::{PATIENCE, ROOM, Town, end, free_address, interrupt, postgres, program};
use kaiwa::outbox::Outbox;
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::{Room, Seed};
use kaiwa_cookbook::outbox_postgres::PostgresOutboxStore;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A server without persistence, which ends with the test.
struct Redis {
    address: String,
    child: Child,
    _folder: TempDir,
}

impl Redis {
    async fn start() -> Self {
        let (address, folder) = (free_address(), tempfile::tempdir().expect("a folder"));
        let (host, port) = address.split_once(':').expect("a port");
        let child = Command::new("redis-server")
            .args(["--port", port, "--bind", host, "--save", "", "--appendonly", "no", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("`redis-server` is installed");
        let redis = Self { address, child, _folder: folder };
        while redis.command("PING").await.is_none_or(|answer| !answer.contains("PONG")) {
            sleep(Duration::from_millis(20)).await;
        }
        redis
    }

    async fn command(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).await.ok()?;
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok().map(|_| answer)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

#[tokio::test]
async fn processes_keep_the_limit_of_their_account_together() {
    let rooms = (0..10).map(|number| Room::group(1_000 + number, format!("部屋 {number}")).admin(1));
    let seed = rooms.fold(Seed::default().rate_limit(20, Duration::from_secs(3)), Seed::room);
    let town = Town::with(Sandbox::builder().chatwork(seed)).await;
    let redis = Redis::start().await;
    let program = || {
        let mut program = town.command(program!("limits_by_redis"));
        program.env("REDIS_URL", format!("redis://{}/", redis.address));
        program
    };
    let (mut first, mut second) = (program(), program());
    let (first, second) = tokio::join!(end(&mut first, ""), end(&mut second, ""));
    for ended in [first, second] {
        assert!(ended.success && ended.out.contains("開発: 3 members"), "{ended:?}");
    }
    let requests = town.sandbox.requests();
    assert_eq!(requests.iter().filter(|request| request.operation == Some("list_members")).count(), 28);
    let refused = requests.iter().filter(|request| request.status == Some(429)).count();
    assert_eq!(refused, 0, "more calls than a window has, and none was refused");
    let keys = redis.command("KEYS *").await.expect("it answers");
    assert!(keys.contains("support"), "{keys}");

    let ended =
        end(town.command(program!("limits_by_redis")).env("REDIS_URL", "redis://127.0.0.1:1/"), "").await;
    assert!(!ended.success && ended.err.starts_with("Error: "), "{ended:?}");
}

/// The connections of the programs that work on the outbox, once there are so many, and not this one.
async fn working(client: &Client, count: usize, ended: i32) -> Vec<i32> {
    let found = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%claim(%'";
    let found = async || loop {
        let rows = client.query(found, &[]).await.expect("it answers");
        let ids: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        if ids.len() == count && !ids.contains(&ended) {
            return ids;
        }
        sleep(Duration::from_millis(20)).await;
    };
    timeout(PATIENCE, found()).await.expect("they work")
}

#[tokio::test]
async fn two_machines_post_what_either_has_added_once() {
    let town = Town::new().await;
    let server = postgres::Server::start();
    let client = server.client().await;
    let program = || {
        let mut program = town.command(program!("outbox_on_postgres"));
        program.env("DATABASE_URL", server.url());
        program
    };
    let mut machine = program().spawn().expect("it is built with the tests");
    for _ in 0..2 {
        let mut other = program();
        other.args(["build-4711", "ビルドが通りました"]).stdout(Stdio::piped());
        let mut other = other.spawn().expect("it is built with the tests");
        let mut lines = BufReader::new(other.stdout.take().expect("it is piped")).lines();
        let first = lines.next_line().await.expect("it prints").expect("a line");
        assert!(first.contains("build-4711") && first.contains("phase: "), "{first}");
        assert_eq!(town.arrived("ビルドが通りました").await, 1);
        // Before it works it does not hear Ctrl-C.
        working(&client, 2, 0).await;
        assert!(interrupt(&mut other).await, "it ends by Ctrl-C");
    }
    assert!(interrupt(&mut machine).await);
    assert_eq!(town.messages("ビルドが通りました").len(), 1);
}

#[tokio::test]
async fn a_machine_whose_connection_is_lost_makes_another_one() {
    let town = Town::new().await;
    let server = postgres::Server::start();
    let client = server.client().await;
    let mut machine = town.command(program!("outbox_on_postgres"));
    let mut machine = machine.env("DATABASE_URL", server.url()).spawn().expect("it is built with the tests");
    let [first] = working(&client, 1, 0).await[..] else { panic!("one") };
    client.query_one("SELECT pg_terminate_backend($1)", &[&first]).await.expect("it may");
    working(&client, 1, first).await;

    // Only the machine posts what is added here.
    let chatwork = town.sandbox.clients().chatwork;
    let store = PostgresOutboxStore::new(client.clone(), "kaiwa_outbox").expect("a name");
    let outbox = Outbox::builder(store).chatwork(chatwork.clone()).build();
    outbox.enqueue("later", chatwork.room(ROOM.into()).post("つなぎ直しました")).await.expect("it is stored");
    assert_eq!(town.arrived("つなぎ直しました").await, 1);
    assert!(interrupt(&mut machine).await);

    let mut unquoted = town.command(program!("outbox_on_postgres"));
    let unquoted = unquoted.args(["build-1", "ビルド", "失敗"]).env("DATABASE_URL", server.url());
    let ended = end(unquoted, "").await;
    assert!(!ended.success && ended.err.contains("usage: "), "{ended:?}");
}

/// The certificate that the proxy has for `service.example`.
const CERTIFICATE: &str = "../../tests/fixtures/tls/cert.pem";

/// A proxy that decrypts TLS. It returns the heads of its requests, and sends what is in the tunnels to the origin.
async fn proxy(listener: TcpListener, origin: String, heads: mpsc::UnboundedSender<String>) {
    let pem = |name: &str| std::fs::read(name).expect("a fixture");
    let chain = vec![CertificateDer::from_pem_slice(&pem(CERTIFICATE)).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(&pem("../../tests/fixtures/tls/key.pem")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    while let Ok((mut client, _)) = listener.accept().await {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.expect("a head"));
        }
        heads.send(String::from_utf8(head).expect("ASCII")).expect("the test reads");
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("it reads");
        // A client that does not trust the certificate ends here.
        let Ok(mut client) = acceptor.accept(client).await else { continue };
        let mut server = TcpStream::connect(&origin).await.expect("the sandbox listens");
        tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
    }
}

#[tokio::test]
async fn requests_go_through_a_proxy_that_wants_a_credential_and_decrypts_tls() {
    let town = Town::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    let url = town.sandbox.chatwork_url();
    let origin = url.trim_start_matches("http://").split('/').next().expect("a host").to_owned();
    let (sender, mut heads) = mpsc::unbounded_channel();
    tokio::spawn(proxy(listener, origin, sender));
    let program = || {
        let mut program = town.command(program!("custom_http_client"));
        program.envs([("CHATWORK_BASE_URL", "https://service.example/v2"), ("PROXY_URL", &address)]);
        program.envs([("PROXY_USER", "bot"), ("PROXY_PASSWORD", "secret")]);
        program
    };
    let certificate = std::fs::canonicalize(CERTIFICATE).expect("a fixture");
    let ended = end(program().env("PROXY_CA", &certificate), "").await;
    assert!(ended.success && ended.out == "Bot (account 1), status 200 OK\n", "{ended:?}");
    let head = heads.recv().await.expect("a request");
    assert!(head.starts_with("CONNECT service.example:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("proxy-authorization: basic ym90onnly3jlda==\r\n"), "{head}");
    assert!(!head.contains(Seed::TOKEN), "{head}");

    let ended = end(&mut program(), "").await;
    assert!(
        !ended.success && ended.err.contains("certificate") && !ended.err.contains("secret"),
        "{ended:?}"
    );
    let ended = end(program().env("PROXY_CA", "absent.pem"), "").await;
    assert!(!ended.success && ended.err.starts_with("Error: absent.pem"), "{ended:?}");
    std::fs::write(town.folder.path().join("empty.pem"), "none").expect("it is written");
    let ended = end(program().env("PROXY_CA", "empty.pem"), "").await;
    assert!(!ended.success && ended.err.contains("empty.pem has no certificate"), "{ended:?}");
}
