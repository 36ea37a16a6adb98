//! One login in four processes, of which one is killed while it refreshes.

use kaiwa::chatwork;
use kaiwa::jiff::Timestamp;
use kaiwa::oauth::{ExposeSecret, TokenStore};
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::Seed;
use kaiwa::store::{Redis, RedisTokens};
use services::redis;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

struct Login {
    server: redis::Redis,
    sandbox: Sandbox,
    tokens: RedisTokens,
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Login {
    /// A person whose access token has expired.
    async fn expired(detect_reuse: bool) -> Self {
        let seed =
            Seed::default().unlimited().rotate_refresh_tokens(true).detect_refresh_token_reuse(detect_reuse);
        let sandbox = Sandbox::builder().chatwork(seed).start().await.expect("a port");
        let server = redis::Redis::start();
        let tokens = Redis::new(server.url()).expect("a URL").tokens("person").expect("a name");
        let oauth = chatwork::oauth::confidential("sandbox-client", "sandbox-secret")
            .auth_url(sandbox.oauth_consent_url())
            .token_url(sandbox.oauth_token_url())
            .redirect_url("https://localhost/callback")
            .scopes([chatwork::oauth::Scope::UsersProfileMeRead, chatwork::oauth::Scope::OfflineAccess])
            .store(tokens.clone())
            .build()
            .expect("good settings");
        let login = oauth.login();
        let location = services::service::redirect_of(login.url().as_str()).await;
        let set = login.finish_redirect(&location).await.expect("the code is good").tokens();
        tokens.save(&set.with_expiry(Timestamp::now())).await.expect("the server is there");
        sandbox.clear_requests();
        Self { server, sandbox, tokens }
    }

    fn start(&self, hold: Option<&str>) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refresher"));
        command.env("REDIS", self.server.url()).env("SERVICE", self.sandbox.chatwork_url());
        command.env("TOKEN_URL", self.sandbox.oauth_token_url()).env_remove("HOLD");
        if let Some(hold) = hold {
            command.env("HOLD", hold);
        }
        let mut child =
            command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("it is built with the tests");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Process { child, lines }
    }

    /// What four processes say, the number of refreshes, and how many were refused.
    async fn four(&self) -> (Vec<String>, usize, usize) {
        let mut all: Vec<_> = (0..4).map(|_| self.start(None)).collect();
        let mut said = Vec::new();
        for process in &mut all {
            said.push(process.line().await);
        }
        let requests = self.sandbox.requests();
        let refreshes: Vec<_> = requests
            .iter()
            .filter(|request| request.operation == Some("oauth_token"))
            .map(|request| request.status)
            .collect();
        let refused = refreshes.iter().filter(|status| **status != Some(200)).count();
        (said, refreshes.len(), refused)
    }
}

impl Process {
    async fn line(&mut self) -> String {
        self.lines.next_line().await.expect("it writes text").expect("it says something before it ends")
    }

    async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }
}

#[tokio::test]
async fn a_thousand_calls_of_four_processes_make_one_refresh() {
    let login = Login::expired(true).await;
    assert_eq!(login.four().await, (vec!["250 false".to_owned(); 4], 1, 0));
}

#[tokio::test]
async fn a_process_that_is_killed_before_its_request_costs_nothing() {
    let login = Login::expired(true).await;
    let mut first = login.start(Some("lease"));
    assert_eq!(first.line().await, "lease");
    first.kill().await;
    // Its lease ends after 10 s.
    assert_eq!(login.four().await, (vec!["250 false".to_owned(); 4], 1, 0));
}

/// No lease can prevent this: the service has replaced the refresh token, and the new one is lost with the process.
#[tokio::test]
async fn a_process_that_is_killed_before_its_save_costs_the_login_and_one_more_try() {
    for detect_reuse in [false, true] {
        let login = Login::expired(detect_reuse).await;
        let before = login.tokens.load().await.expect("the server is there").expect("tokens");
        let mut first = login.start(Some("save"));
        assert_eq!(first.line().await, "save");
        first.kill().await;
        let (said, refreshes, refused) = login.four().await;
        assert_eq!((said, refreshes, refused), (vec!["0 true".to_owned(); 4], 2, 1), "{detect_reuse}");
        let after = login.tokens.load().await.expect("the server is there").expect("they are kept");
        assert_eq!(after.access_token.expose_secret(), before.access_token.expose_secret());
        assert!(after.refresh_token.is_some() && after.refresh_token_refused);
        // Nor does a later start try it again.
        let (said, refreshes, _) = login.four().await;
        assert_eq!((said, refreshes), (vec!["0 true".to_owned(); 4], 2));
    }
}
