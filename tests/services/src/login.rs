//! One login in several processes, which share a store.

use kaiwa::chatwork;
use kaiwa::jiff::Timestamp;
use kaiwa::oauth::TokenStore;
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::Seed;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

pub struct Login {
    pub sandbox: Sandbox,
    pub tokens: Arc<dyn TokenStore>,
    program: &'static str,
    /// The variable with which the program finds the store.
    store: (&'static str, String),
}

pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Login {
    /// A person whose access token has expired; and the program `refresher`, with the variable for the store of the tokens.
    pub async fn expired(
        program: &'static str,
        store: (&'static str, String),
        tokens: impl TokenStore,
        detect_reuse: bool,
    ) -> Self {
        let tokens: Arc<dyn TokenStore> = Arc::new(tokens);
        let seed =
            Seed::default().unlimited().rotate_refresh_tokens(true).detect_refresh_token_reuse(detect_reuse);
        let sandbox = Sandbox::builder().chatwork(seed).start().await.expect("a port");
        let oauth = chatwork::oauth::confidential("sandbox-client", "sandbox-secret")
            .auth_url(sandbox.oauth_consent_url())
            .token_url(sandbox.oauth_token_url())
            .redirect_url("https://localhost/callback")
            .scopes([chatwork::oauth::Scope::UsersProfileMeRead, chatwork::oauth::Scope::OfflineAccess])
            .store(Arc::clone(&tokens))
            .build()
            .expect("good settings");
        let login = oauth.login();
        let location = crate::service::redirect_of(login.url().as_str()).await;
        let set = login.finish_redirect(&location).await.expect("the code is good").tokens();
        tokens.save(&set.with_expiry(Timestamp::now())).await.expect("the store works");
        sandbox.clear_requests();
        Self { sandbox, tokens, program, store }
    }

    /// A process, which stops at the place `hold`.
    pub fn start(&self, hold: Option<&str>) -> Process {
        let mut command = Command::new(self.program);
        command.env(self.store.0, &self.store.1).env("SERVICE", self.sandbox.chatwork_url());
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
    pub async fn four(&self) -> (Vec<String>, usize, usize) {
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
    pub async fn line(&mut self) -> String {
        self.lines.next_line().await.expect("it writes text").expect("it says something before it ends")
    }

    pub async fn end(mut self) {
        assert!(self.child.wait().await.expect("it was started").success());
    }

    pub async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }
}
