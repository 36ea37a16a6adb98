//! Chatwork's OAuth: consent, PKCE, tokens and their expiry.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kaiwa::VirtualClock;
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::{Consent, OAuthClient, Seed};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// The test vector of the documentation.
const VERIFIER: &str = "5b0029bd34e559e0abe7a37051aa411398913fc3579e27bd963a2b9a647f12f58a335beeb4d83a53a74ff1a6f99f6af385d2992c73beead39f57dcee95e0f954";
const CHALLENGE: &str = "jlkGAsNvHshJNC7uXSSmC2tALONajPdupVf3TScb7zk";

struct OAuth {
    sandbox: Sandbox,
    clock: VirtualClock,
    http: reqwest::Client,
}

impl OAuth {
    async fn start(seed: Seed) -> Self {
        let clock = VirtualClock::new();
        let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(seed).start().await.unwrap();
        let redirects = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().no_proxy().redirect(redirects).build().unwrap();
        Self { sandbox, clock, http }
    }

    async fn consent(&self, query: &[(&str, &str)]) -> Response {
        self.http.get(self.sandbox.oauth_consent_url()).query(query).send().await.unwrap()
    }

    async fn code(&self, client: &str, scope: &str, challenge: Option<&str>) -> String {
        let mut query =
            vec![("response_type", "code"), ("client_id", client), ("scope", scope), ("state", "s")];
        query.extend(challenge.map(|challenge| ("code_challenge", challenge)));
        let response = self.consent(&query).await;
        assert_eq!(response.status(), StatusCode::FOUND);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        assert!(location.ends_with("&state=s"), "{location}");
        location.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned()
    }

    async fn token(&self, basic: Option<(&str, &str)>, form: &[(&str, &str)]) -> (u16, Value) {
        let mut request = self.http.post(self.sandbox.oauth_token_url());
        if let Some((client, secret)) = basic {
            request = request.basic_auth(client, Some(secret));
        }
        let response = request.form(form).send().await.unwrap();
        let status = response.status().as_u16();
        if status == 200 {
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
    }

    async fn get(&self, path: &str, token: &str) -> Response {
        self.http
            .get(format!("{}{path}", self.sandbox.chatwork_url()))
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
    }
}

const CLIENT: Option<(&str, &str)> = Some(("sandbox-client", "sandbox-secret"));

#[tokio::test]
async fn a_public_client_proves_itself_by_pkce() {
    let oauth = OAuth::start(Seed::default()).await;
    let exchange = |code: String, verifier: &'static str| {
        let oauth = &oauth;
        async move {
            let form = [
                ("grant_type", "authorization_code"),
                ("client_id", "sandbox-public"),
                ("code", &*code),
                ("code_verifier", verifier),
            ];
            oauth.token(None, &form).await
        }
    };
    let scope = "rooms.messages:write users.profile.me:read";
    let code = oauth.code("sandbox-public", scope, Some(CHALLENGE)).await;
    let (status, tokens) = exchange(code.clone(), VERIFIER).await;
    assert_eq!((status, &tokens["token_type"], &tokens["scope"]), (200, &"Bearer".into(), &scope.into()));
    let access = tokens["access_token"].as_str().unwrap();
    let claims = URL_SAFE_NO_PAD.decode(access.split('.').nth(1).unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&claims).unwrap()["sub"], "1");

    let me = oauth.get("/me", access).await;
    assert_eq!(
        (me.status().as_u16(), &me.headers()["x-ratelimit-remaining"]),
        (200, &"299".parse().unwrap())
    );
    assert_eq!(oauth.get("/rooms", access).await.status(), 403);

    let (status, error) = exchange(code, VERIFIER).await;
    assert_eq!((status, &error["error"]), (400, &"invalid_grant".into()));
    let code = oauth.code("sandbox-public", scope, Some(CHALLENGE)).await;
    assert_eq!(exchange(code, "wrong").await.0, 400);
    let code = oauth.code("sandbox-public", scope, Some(CHALLENGE)).await;
    oauth.clock.advance(Duration::from_secs(60));
    assert_eq!(exchange(code, VERIFIER).await.0, 400);
}

#[tokio::test]
async fn a_confidential_client_authenticates_with_basic_only() {
    let oauth = OAuth::start(Seed::default()).await;
    let code = oauth.code("sandbox-client", "users.all:read", None).await;
    let form = [("grant_type", "authorization_code"), ("code", &*code)];
    let in_body =
        [&form[..], &[("client_id", "sandbox-client"), ("client_secret", "sandbox-secret")]].concat();
    let (status, error) = oauth.token(None, &in_body).await;
    assert_eq!((status, &error["error"]), (401, &"invalid_client".into()));
    let (status, error) = oauth.token(Some(("nobody", "x")), &form).await;
    assert_eq!(
        (status, error),
        (
            401,
            json!({
                "error": "invalid_client",
                "error_description": "The client ID `nobody` is unknown.",
                "error_uri": null,
            })
        )
    );
    assert_eq!(oauth.token(Some(("sandbox-client", "wrong")), &form).await.0, 401);
    assert_eq!(oauth.token(CLIENT, &form).await.0, 200);
    let applied: Vec<_> = oauth.sandbox.requests().iter().map(|request| request.applied).collect();
    assert_eq!(applied, [true, false, false, false, true], "the code was issued and exchanged");
    assert_eq!(oauth.token(CLIENT, &[("grant_type", "password")]).await.1["error"], "unsupported_grant_type");
    let received = format!("{:?}", oauth.sandbox.requests());
    assert!(!received.contains("sandbox-secret") && !received.contains(&code));
}

#[tokio::test]
async fn tokens_expire_and_are_refreshed() {
    let oauth = OAuth::start(Seed::default().access_token_lifetime(Duration::from_secs(900))).await;
    let code = oauth.code("sandbox-client", "users.all:read rooms.all:read", None).await;
    let (_, tokens) = oauth.token(CLIENT, &[("grant_type", "authorization_code"), ("code", &code)]).await;
    assert_eq!(tokens["expires_in"], 900);
    let access = tokens["access_token"].as_str().unwrap();
    oauth.clock.advance(Duration::from_secs(899));
    assert_eq!(oauth.get("/me", access).await.status(), 200);
    oauth.clock.advance(Duration::from_secs(1));
    let expired = oauth.get("/me", access).await;
    assert_eq!(expired.status(), 401);
    assert_eq!(
        expired.headers()["www-authenticate"],
        r#"Bearer error="invalid_token", error_description="The access token expired""#
    );
    assert!(expired.headers().get("x-ratelimit-limit").is_none());

    let first = tokens["refresh_token"].as_str().unwrap();
    let refresh = |token: String, scope: &'static str| {
        let oauth = &oauth;
        async move {
            let form = [("grant_type", "refresh_token"), ("refresh_token", &*token), ("scope", scope)];
            oauth.token(CLIENT, &form).await
        }
    };
    assert_eq!(refresh(first.to_owned(), "contacts.all:read").await.1["error"], "invalid_scope");
    let (status, fresh) = refresh(first.to_owned(), "users.all:read").await;
    assert_eq!((status, &fresh["scope"]), (200, &"users.all:read".into()));
    assert_eq!(oauth.get("/me", fresh["access_token"].as_str().unwrap()).await.status(), 200);
    // The used refresh token is invalid.
    assert_eq!(refresh(first.to_owned(), "").await.0, 400);
    // The reduced scopes applied to that access token only.
    let (_, widened) = refresh(fresh["refresh_token"].as_str().unwrap().to_owned(), "").await;
    assert_eq!(widened["scope"], tokens["scope"]);
    oauth.clock.advance(Duration::from_secs(14 * 86_400));
    assert_eq!(refresh(widened["refresh_token"].as_str().unwrap().to_owned(), "").await.0, 400);
}

#[tokio::test]
async fn a_lifetime_can_be_a_text() {
    let oauth = OAuth::start(Seed::default().expires_in_as_text()).await;
    let code = oauth.code("sandbox-client", "users.all:read", None).await;
    let (_, tokens) = oauth.token(CLIENT, &[("grant_type", "authorization_code"), ("code", &code)]).await;
    assert_eq!(tokens["expires_in"], "1800");
}

#[tokio::test]
async fn refresh_tokens_can_be_kept_and_can_last() {
    let oauth = OAuth::start(Seed::default().rotate_refresh_tokens(false)).await;
    let code = oauth.code("sandbox-client", "users.all:read offline_access", None).await;
    let (_, tokens) = oauth.token(CLIENT, &[("grant_type", "authorization_code"), ("code", &code)]).await;
    let form =
        [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    oauth.clock.advance(Duration::from_secs(365 * 86_400));
    assert_eq!(oauth.token(CLIENT, &form).await.1["refresh_token"], tokens["refresh_token"]);
    assert_eq!(oauth.token(CLIENT, &form).await.0, 200);
    oauth.sandbox.chatwork().revoke(form[1].1);
    assert_eq!(oauth.token(CLIENT, &form).await.0, 400);
}

#[tokio::test]
async fn a_refresh_token_that_is_used_twice_ends_its_login_if_that_is_detected() {
    for detect in [false, true] {
        let oauth = OAuth::start(Seed::default().detect_refresh_token_reuse(detect)).await;
        let login = || async {
            let code = oauth.code("sandbox-client", "users.all:read", None).await;
            oauth.token(CLIENT, &[("grant_type", "authorization_code"), ("code", &code)]).await.1
        };
        let refresh = |tokens: &Value| {
            let (oauth, token) = (&oauth, tokens["refresh_token"].as_str().unwrap().to_owned());
            async move { oauth.token(CLIENT, &[("grant_type", "refresh_token"), ("refresh_token", &token)]).await }
        };
        let access = |tokens: &Value| tokens["access_token"].as_str().unwrap().to_owned();
        let (first, other) = (login().await, login().await);
        let (_, second) = refresh(&first).await;
        let (_, third) = refresh(&second).await;
        assert_eq!(oauth.get("/me", &access(&third)).await.status(), 200);
        for old in [&first, &second] {
            let (status, error) = refresh(old).await;
            assert_eq!((status, &error["error"]), (400, &"invalid_grant".into()));
            assert_eq!(error["error_description"].as_str().unwrap().contains("used before"), detect);
        }
        // The access token that the login began with, too.
        let expected = if detect { (401, 401, 400) } else { (200, 200, 200) };
        let [oldest, newest] = [access(&first), access(&third)];
        let found = (
            oauth.get("/me", &oldest).await.status().as_u16(),
            oauth.get("/me", &newest).await.status().as_u16(),
            refresh(&third).await.0,
        );
        assert_eq!(found, expected, "{detect}");
        // Another login of the same person goes on.
        assert_eq!(oauth.get("/me", &access(&other)).await.status(), 200);
        assert_eq!(refresh(&other).await.0, 200);
    }
}

#[tokio::test]
async fn the_consent_page_checks_and_can_be_denied() {
    let client = OAuthClient::confidential("two", "x")
        .redirect_uri("https://a.example/")
        .redirect_uri("https://b.example/?x=1")
        .scope("users.all:read");
    let oauth = OAuth::start(Seed::default().oauth_client(client)).await;
    let all = [
        ("response_type", "code"),
        ("client_id", "two"),
        ("redirect_uri", "https://b.example/?x=1"),
        ("scope", "users.all:read"),
    ];
    let without = |name: &str| all.into_iter().filter(|(key, _)| *key != name).collect::<Vec<_>>();
    let with = |name: &'static str, value: &'static str| [without(name), vec![(name, value)]].concat();
    for (query, code) in [
        (without("response_type"), 1001),
        (with("response_type", "token"), 4001),
        (with("response_type", "x"), 4002),
        (without("scope"), 5001),
        (with("scope", "rooms.all:read"), 5002),
        (without("client_id"), 11_000),
        (without("redirect_uri"), 13_000),
        (with("redirect_uri", "nowhere"), 14_000),
        (with("redirect_uri", "https://c.example/"), 15_000),
        (with("code_challenge_method", "plain"), 18_000),
        (with("code_challenge", "short"), 19_000),
    ] {
        let response = oauth.consent(&query).await;
        let page = String::from_utf8(response.bytes().await.unwrap().to_vec()).unwrap();
        assert!(page.contains(&format!("Error code: {code}<")), "{query:?}: {page}");
    }
    let location = oauth.consent(&all).await.headers()["location"].to_str().unwrap().to_owned();
    let code = location.strip_prefix("https://b.example/?x=1&code=").unwrap();
    let mut form = vec![("grant_type", "authorization_code"), ("code", code)];
    form.push(("redirect_uri", "https://a.example/"));
    assert_eq!(oauth.token(Some(("two", "x")), &form).await.1["error"], "invalid_grant");

    oauth.sandbox.chatwork().set_consent(Consent::Deny);
    let location = oauth.consent(&all).await.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(location, "https://b.example/?x=1&error=access_denied");
    assert!(!oauth.sandbox.requests().last().unwrap().applied, "nothing was granted");
    // A public client must use PKCE.
    let query = [("response_type", "code"), ("client_id", "sandbox-public"), ("scope", "users.all:read")];
    assert_eq!(oauth.consent(&query).await.status(), 400);
}

#[tokio::test]
async fn an_access_token_can_be_had_without_the_page() {
    let oauth = OAuth::start(Seed::default()).await;
    let chatwork = oauth.sandbox.chatwork();
    let token = chatwork.access_token(2, "users.profile.me:read", Duration::from_secs(60));
    let me = oauth.get("/me", &token).await.bytes().await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&me).unwrap()["account_id"], 2);
    chatwork.revoke(&token);
    let refused = oauth.get("/me", &token).await;
    assert_eq!(refused.status(), 401);
    assert!(refused.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
}
