//! The complete flow against the sandbox's Chatwork, which was written independently from the same documentation.

use super::*;
use kaiwa::chatwork::oauth::{self as chatwork_oauth, Scope};
use kaiwa::sandbox::{Sandbox, chatwork as sandbox_chatwork};
use sandbox_chatwork::{Consent, Seed};

pub struct Chatwork {
    pub sandbox: Sandbox,
    pub clock: VirtualClock,
}

impl Chatwork {
    pub async fn start(seed: Seed) -> Self {
        let clock = VirtualClock::new();
        let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(seed).start().await.expect("a port");
        Self { sandbox, clock }
    }

    pub fn oauth(&self, builder: Builder) -> OAuth {
        let scopes = [Scope::UsersAllRead, Scope::RoomsAllReadWrite];
        let builder = builder.scopes(scopes).clock(self.clock.clone()).http_client(direct());
        let builder = builder.auth_url(self.sandbox.oauth_consent_url());
        builder.token_url(self.sandbox.oauth_token_url()).build().expect("good settings")
    }

    /// The address to which the consent page redirects the browser.
    pub async fn browse(&self, login: &Login) -> String {
        let browser = direct().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        let answer = browser.get(login.url().as_str()).send().await.expect("the consent page");
        answer.headers()["location"].to_str().expect("text").to_owned()
    }

    pub fn client(&self, authorization: &Authorization) -> chatwork::Client {
        let client = chatwork::Client::builder().base_url(self.sandbox.chatwork_url()).http_client(direct());
        client.token_source(authorization.clone()).clock(self.clock.clone()).build().expect("good settings")
    }

    /// The requests to the token endpoint after the first login.
    pub fn refreshes(&self) -> usize {
        let requests = self.sandbox.requests();
        requests.iter().filter(|request| request.operation == Some("oauth_token")).count() - 1
    }
}

#[tokio::test]
async fn both_kinds_of_clients_log_in_and_stay_logged_in() {
    for rotate in [true, false] {
        for builder in [
            chatwork_oauth::confidential("sandbox-client", "sandbox-secret"),
            chatwork_oauth::public("sandbox-public"),
        ] {
            let chatwork = Chatwork::start(Seed::default().rotate_refresh_tokens(rotate)).await;
            let oauth = chatwork.oauth(builder);
            let login = oauth.login();
            let redirect = chatwork.browse(&login).await;
            let authorization = login.finish_redirect(&redirect).await.expect("tokens");
            assert_eq!(authorization.tokens().scopes, ["users.all:read", "rooms.all:read_write"]);
            let client = chatwork.client(&authorization);
            let me = client.me().await.expect("the token is good");
            assert_eq!(me.account_id.0, 1);
            for refreshes in 1..4 {
                chatwork.clock.advance(Duration::from_secs(30 * 60));
                client.me().await.expect("the token is renewed");
                assert_eq!(chatwork.refreshes(), refreshes);
            }
            // A token that becomes invalid early is replaced within the call.
            chatwork.sandbox.chatwork().revoke(&secret(&authorization.tokens().access_token));
            client.room(chatwork::RoomId(100)).post("まだいます").await.expect("posted with another token");
            assert_eq!(chatwork.refreshes(), 4);
            let messages = chatwork.sandbox.chatwork().room(100).messages();
            assert_eq!(messages.iter().filter(|message| message.body == "まだいます").count(), 1);

            let refresh_token = authorization.tokens().refresh_token.expect("there is one");
            chatwork.sandbox.chatwork().revoke(&secret(&refresh_token));
            chatwork.clock.advance(Duration::from_secs(30 * 60));
            let error = client.me().await.expect_err("the authorization has ended");
            assert_eq!(error.code(), Some("invalid_grant"));
            assert!(authorization.needs_login());
        }
    }
}

#[tokio::test]
async fn a_code_is_exchanged_once_and_only_by_its_own_login() {
    let chatwork = Chatwork::start(Seed::default()).await;
    let oauth = chatwork.oauth(chatwork_oauth::confidential("sandbox-client", "sandbox-secret"));
    let login = oauth.login();
    let redirect = chatwork.browse(&login).await;
    let other = oauth.resume_login(login.state().clone(), VERIFIER).expect("good");
    let error = other.finish_redirect(&redirect).await.expect_err("another verifier");
    assert_eq!(error.code(), Some("invalid_grant"));

    let redirect = chatwork.browse(&login).await;
    login.finish_redirect(&redirect).await.expect("tokens");
    let error = login.finish_redirect(&redirect).await.expect_err("the code is used");
    assert_eq!(error.code(), Some("invalid_grant"));

    let redirect = chatwork.browse(&login).await;
    chatwork.clock.advance(Duration::from_secs(61));
    let error = login.finish_redirect(&redirect).await.expect_err("the code is too old");
    assert_eq!(error.code(), Some("invalid_grant"));

    chatwork.sandbox.chatwork().set_consent(Consent::Deny);
    let redirect = chatwork.browse(&login).await;
    let error = login.finish_redirect(&redirect).await.expect_err("declined");
    assert_eq!(error.code(), Some("access_denied"));
}
