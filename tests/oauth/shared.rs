//! Many processes with one login, against the sandbox: real processes of this test program, and some that are killed.

use super::sandbox::Chatwork;
use super::stores::Folder;
use super::*;
use futures::future::join_all;
use kaiwa::chatwork::oauth as chatwork_oauth;
use kaiwa::oauth::FileTokenStore;
use kaiwa::sandbox::chatwork::Seed;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// What a process of this program is to do; unset in the tests themselves.
const PART: &str = "KAIWA_TEST_PART";

/// How many calls each of the four makes.
const CALLS: usize = 250;

/// Begins every line that a process writes for its test, apart from those of the test harness.
const SAID: &str = "said: ";

fn builder() -> Builder {
    chatwork_oauth::confidential("sandbox-client", "sandbox-secret")
}

/// A sandbox with a person whose access token has expired, and four places that have its tokens.
async fn expired<S: TokenStore>(seed: Seed, store: impl Fn() -> S) -> (Chatwork, Vec<Authorization>) {
    let chatwork = Chatwork::start(seed).await;
    let login = chatwork.oauth(builder().store(store())).login();
    let redirect = chatwork.browse(&login).await;
    assert!(login.finish_redirect(&redirect).await.expect("tokens").is_saved());
    let mut all = Vec::new();
    for _ in 0..4 {
        let oauth = chatwork.oauth(builder().store(store()));
        all.push(oauth.restore().await.expect("readable").expect("tokens"));
    }
    chatwork.clock.advance(Duration::from_secs(30 * 60));
    (chatwork, all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_calls_of_four_clients_make_one_refresh() {
    for detect in [false, true] {
        let folder = Folder::new("four-clients");
        let seed = || Seed::default().detect_refresh_token_reuse(detect).unlimited();
        let memory = MemoryTokenStore::new();
        let shared: Arc<dyn TokenStore> = Arc::new(memory);
        let files = || FileTokenStore::new(folder.0.join("tokens.json"));
        for (chatwork, all) in [expired(seed(), || Arc::clone(&shared)).await, expired(seed(), files).await] {
            for refreshes in 1..=3 {
                let clients: Vec<_> =
                    all.iter().map(|authorization| chatwork.client(authorization)).collect();
                let calls = clients.iter().flat_map(|client| {
                    (0..CALLS / 10).map(|_| {
                        let client = client.clone();
                        tokio::spawn(async move { client.me().await.map(drop) })
                    })
                });
                for result in join_all(calls.collect::<Vec<_>>()).await {
                    result.expect("no panic").expect("a good token");
                }
                assert_eq!(chatwork.refreshes(), refreshes);
                chatwork.clock.advance(Duration::from_secs(30 * 60));
            }
        }
    }
}

/// Another process of this program, which runs the same test in another part.
struct Process {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Process {
    fn start(test: &str, part: &str, chatwork: &Chatwork, file: &Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args([&format!("shared::{test}"), "--exact", "--nocapture"]);
        command.env(PART, part).env("KAIWA_TEST_FILE", file);
        command.env("KAIWA_TEST_NOW", kaiwa::Clock::wall(&chatwork.clock).to_string());
        command.env("KAIWA_TEST_TOKEN_URL", chatwork.sandbox.oauth_token_url());
        command.env("KAIWA_TEST_API", chatwork.sandbox.chatwork_url());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let said = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, said }
    }

    /// The next line that it says.
    fn listen(&mut self) -> String {
        let mut lines = self.said.by_ref().lines().map(|line| line.expect("text"));
        let line = lines.find_map(|line| line.split_once(SAID).map(|(_, said)| said.to_owned()));
        line.expect("it says something before it ends")
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().expect("a pipe").write_all(b"go\n").expect("it listens");
    }

    /// Ends it as `kill -9` does.
    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this process is to do, if it was started by [`Process::start`].
fn part() -> Option<String> {
    std::env::var(PART).ok()
}

fn say(text: &str) {
    println!("{SAID}{text}");
    std::io::stdout().flush().expect("somebody listens");
}

fn wait_for_go() {
    std::io::stdin().read_line(&mut String::new()).expect("a line, or the end");
}

fn place(name: &str) -> String {
    std::env::var(name).expect("the test sets it")
}

/// The login of the test, in this process, in a file store or one around it.
async fn authorization<S: TokenStore>(
    store: impl FnOnce(FileTokenStore) -> S,
) -> (VirtualClock, Authorization) {
    let clock = VirtualClock::starting_at(place("KAIWA_TEST_NOW").parse().expect("a time"));
    let store = store(FileTokenStore::new(place("KAIWA_TEST_FILE")));
    let builder = builder().token_url(place("KAIWA_TEST_TOKEN_URL")).store(store);
    let oauth = builder.clock(clock.clone()).http_client(direct()).build().expect("good settings");
    (clock, oauth.restore().await.expect("readable").expect("tokens"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_calls_of_four_processes_make_one_refresh() {
    if part().is_some() {
        let (clock, authorization) = authorization(|store| store).await;
        let client = chatwork::Client::builder().base_url(place("KAIWA_TEST_API")).http_client(direct());
        let client = client.token_source(authorization).clock(clock).build().expect("good settings");
        say("ready");
        wait_for_go();
        let results = join_all((0..CALLS).map(|_| async { client.me().await })).await;
        say(&format!("{} good", results.iter().filter(|result| result.is_ok()).count()));
        return;
    }
    let folder = Folder::new("four-processes");
    let file = folder.0.join("tokens.json");
    let seed = Seed::default().detect_refresh_token_reuse(true).unlimited();
    let (chatwork, _) = expired(seed, || FileTokenStore::new(&file)).await;
    let test = "a_thousand_calls_of_four_processes_make_one_refresh";
    let mut processes = [(); 4].map(|()| Process::start(test, "call", &chatwork, &file));
    let said = tokio::task::spawn_blocking(move || {
        processes.iter_mut().for_each(|process| assert_eq!(process.listen(), "ready"));
        processes.iter_mut().for_each(Process::go);
        processes.each_mut().map(Process::listen)
    });
    assert_eq!(said.await.expect("no panic"), [(); 4].map(|()| format!("{CALLS} good")));
    assert_eq!(chatwork.refreshes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_is_killed_before_its_request_is_followed_by_another() {
    if part().is_some() {
        let lease = FileTokenStore::new(place("KAIWA_TEST_FILE")).lease().await.expect("free");
        say("leased");
        wait_for_go();
        drop(lease);
        return;
    }
    let folder = Folder::new("killed-before");
    let file = folder.0.join("tokens.json");
    let (chatwork, all) = expired(Seed::default(), || FileTokenStore::new(&file)).await;
    let test = "a_process_that_is_killed_before_its_request_is_followed_by_another";
    let mut holder = Process::start(test, "hold", &chatwork, &file);
    assert_eq!(holder.listen(), "leased");
    let calls = all.iter().map(|authorization| {
        let client = chatwork.client(authorization);
        tokio::spawn(async move { client.me().await.map(drop) })
    });
    let calls: Vec<_> = calls.collect();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(calls.iter().all(|call| !call.is_finished()) && chatwork.refreshes() == 0);
    holder.kill();
    for call in calls {
        call.await.expect("no panic").expect("renewed");
    }
    assert_eq!(chatwork.refreshes(), 1);
}

/// A file store whose saves never end.
#[derive(Debug)]
struct Stuck(FileTokenStore);

impl TokenStore for Stuck {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
        self.0.load()
    }

    fn save<'a>(&'a self, _: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
        say("saving");
        Box::pin(std::future::pending())
    }

    fn lease(&self) -> BoxFuture<'_, Result<RefreshLease, StoreError>> {
        self.0.lease()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_kill_between_answer_and_save_all_need_a_login_and_one_asks() {
    if part().is_some() {
        let (_, authorization) = authorization(Stuck).await;
        // Until it is killed.
        authorization.refresh().await.expect_err("it never ends");
        return;
    }
    for detect in [false, true] {
        let folder = Folder::new("killed-after");
        let file = folder.0.join("tokens.json");
        let seed = Seed::default().detect_refresh_token_reuse(detect);
        let (chatwork, all) = expired(seed, || FileTokenStore::new(&file)).await;
        let before = FileTokenStore::new(&file).load().await.expect("readable").expect("tokens");
        let test = "after_a_kill_between_answer_and_save_all_need_a_login_and_one_asks";
        let mut victim = Process::start(test, "refresh", &chatwork, &file);
        let victim = tokio::task::spawn_blocking(move || {
            assert_eq!(victim.listen(), "saving");
            victim
        });
        victim.await.expect("no panic").kill();
        assert_eq!(chatwork.refreshes(), 1);

        let calls = join_all(all.iter().map(|authorization| {
            let client = chatwork.client(authorization);
            async move { client.me().await.map(drop) }
        }));
        for result in calls.await {
            assert_eq!(result.expect_err("the login is lost").code(), Some("invalid_grant"));
        }
        for authorization in &all {
            authorization.refresh().await.expect_err("no second try");
            assert!(authorization.needs_login());
        }
        let oauth = chatwork.oauth(builder().store(FileTokenStore::new(&file)));
        let later = oauth.restore().await.expect("readable").expect("kept");
        assert!(later.needs_login());
        assert_eq!(chatwork.refreshes(), 2, "the victim's, and one that was refused");
        let after = later.tokens();
        assert_eq!(secret(&after.access_token), secret(&before.access_token));
        assert_eq!(after.refresh_token.as_ref().map(secret), before.refresh_token.as_ref().map(secret));

        // The way out.
        let login = oauth.login();
        let redirect = chatwork.browse(&login).await;
        login.finish_redirect(&redirect).await.expect("tokens");
        chatwork.clock.advance(Duration::from_secs(30));
        for authorization in &all {
            chatwork.client(authorization).me().await.expect("with the login's token");
            assert!(!authorization.needs_login());
        }
    }
}
