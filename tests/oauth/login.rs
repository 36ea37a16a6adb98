//! From the consent URL to the first tokens.

use super::*;
use kaiwa::chatwork::oauth::{self as chatwork_oauth, Scope};
use kaiwa::{ErrorKind, Outcome};

fn chatwork_login(state: &str) -> Login {
    let oauth = chatwork_oauth::public("client-id")
        .redirect_url("com.example.bot:callback?x=1+2")
        .scopes([Scope::UsersAllRead, Scope::RoomsMessagesWrite])
        .build()
        .expect("good settings");
    oauth.resume_login(state, VERIFIER).expect("a good verifier")
}

#[test]
fn the_consent_url_is_the_documented_one() {
    let expected = format!(
        "https://www.chatwork.com/packages/oauth2/login.php?response_type=code&client_id=client-id&state=s%2B1%20\
         &code_challenge={CHALLENGE}&code_challenge_method=S256\
         &redirect_uri=com.example.bot%3Acallback%3Fx%3D1%2B2&scope=users.all%3Aread%20rooms.messages%3Awrite"
    );
    assert_eq!(chatwork_login("s+1 ").url().as_str(), expected);
}

#[test]
fn every_login_has_its_own_state_and_verifier() {
    let oauth = chatwork_oauth::public("client-id").build().expect("good settings");
    let (one, other) = (oauth.login(), oauth.login());
    assert_ne!(secret(one.state()), secret(other.state()));
    assert_ne!(secret(one.verifier()), secret(other.verifier()));
    assert!(secret(one.state()).len() >= 32);
    assert!((43..=128).contains(&secret(one.verifier()).len()));
    let again = oauth.resume_login(one.state().clone(), one.verifier().clone()).expect("a login of ours");
    assert_eq!(again.url(), one.url());
}

#[test]
fn a_login_is_resumed_with_a_verifier_only() {
    let oauth = chatwork_oauth::public("client-id").build().expect("good settings");
    for (state, verifier) in
        [("s", "short"), ("s", ""), ("s", &"x".repeat(129)), ("s", &"é".repeat(50)), ("", VERIFIER)]
    {
        let error = oauth.resume_login(state, verifier).expect_err("not a login of ours");
        assert!(matches!(error.kind(), ErrorKind::Token(_)), "{error}");
    }
}

#[test]
fn scopes_are_the_documented_ones_and_open() {
    let all = "offline_access users.all:read users.profile.me:read users.status.me:read users.tasks.me:read \
        rooms.all:read_write rooms.all:read rooms.all:write rooms:write rooms.info:read rooms.info:write \
        rooms.members:read rooms.members:write rooms.messages:read rooms.messages:write rooms.tasks:read \
        rooms.tasks:write rooms.files:read rooms.files:write contacts.all:read_write contacts.all:read \
        contacts.all:write";
    let scopes: Vec<Scope> = all.split_whitespace().map(Scope::from).collect();
    assert_eq!(scopes.len(), 22);
    assert!(!scopes.iter().any(|scope| matches!(scope, Scope::Other(_))));
    assert_eq!(Scope::from("rooms.new:read").to_string(), "rooms.new:read");
}

#[tokio::test]
async fn a_confidential_client_proves_itself_with_http_basic() {
    let world = World::new().await;
    world.token_endpoint([issued("access", Some("refresh"))]).await;
    let builder = world.builder().client_secret("s:e c+r/t").redirect_url("https://bot.example.com/callback");
    let login = builder.build().expect("good").resume_login("state", VERIFIER).expect("good");
    login.finish("the code", "state").await.expect("tokens");

    let request = &world.requests("/token").await[0];
    // client-id:s%3Ae+c%2Br%2Ft, as RFC 6749, section 2.3.1, has it.
    assert_eq!(request.headers["authorization"], "Basic Y2xpZW50LWlkOnMlM0FlK2MlMkJyJTJGdA==");
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    assert!(request.headers["user-agent"].to_str().expect("text").starts_with("kaiwa/"));
    assert_eq!(
        String::from_utf8_lossy(&request.body),
        format!(
            "grant_type=authorization_code&code=the+code&code_verifier={VERIFIER}\
             &redirect_uri=https%3A%2F%2Fbot.example.com%2Fcallback"
        )
    );
}

#[tokio::test]
async fn a_public_client_sends_its_id_in_the_form() {
    let world = World::new().await;
    world.token_endpoint([issued("access", Some("refresh-1")), issued("new", None)]).await;
    let login = world.builder().build().expect("good").resume_login("state", VERIFIER).expect("good");
    let authorization = login.finish("c", "state").await.expect("tokens");
    authorization.refresh().await.expect("tokens");

    for request in world.requests("/token").await {
        assert!(!request.headers.contains_key("authorization"));
        assert_eq!(form(&request)["client_id"], "client-id");
    }
    let bodies: Vec<_> = world
        .requests("/token")
        .await
        .iter()
        .map(|r| String::from_utf8_lossy(&r.body).into_owned())
        .collect();
    assert_eq!(bodies[1], "grant_type=refresh_token&refresh_token=refresh-1&client_id=client-id");
}

#[tokio::test]
async fn the_resource_is_sent_to_tascha_in_every_request() {
    let world = World::new().await;
    world.token_endpoint([issued("access", Some("refresh-1")), issued("new", Some("refresh-2"))]).await;
    let urls = [world.server.uri() + "/login", world.server.uri() + "/token"];
    let [auth_url, token_url] = urls;
    let oauth = kaiwa::tascha::oauth::client("id", auth_url, token_url)
        .scopes(["rooms:read"])
        .clock(world.clock.clone())
        .build()
        .expect("good settings");
    let login = oauth.login();
    let resource = |(key, value): (_, _)| (key == "resource").then_some(value);
    assert_eq!(login.url().query_pairs().find_map(resource).expect("there"), "https://api.tas-cha.com/v1");
    let authorization = login.finish("c", &secret(login.state())).await.expect("tokens");
    authorization.refresh().await.expect("tokens");
    let forms = world.forms().await;
    assert_eq!(forms.len(), 2);
    assert!(forms.iter().all(|form| form["resource"] == "https://api.tas-cha.com/v1"));
}

#[tokio::test]
async fn the_redirect_is_read_from_a_url_a_path_or_a_query() {
    for redirect in [
        "https://bot.example.com/callback?code=the%20code&state=s%2B1",
        "com.example.bot:callback?state=s%2B1&code=the+code#fragment",
        "/callback?code=the+code&state=s%2B1&iss=https%3A%2F%2Foauth.chatwork.com",
        "state=s%2B1&code=the+code",
    ] {
        let world = World::new().await;
        world.token_endpoint([issued("access", None)]).await;
        let login = world.builder().build().expect("good").resume_login("s+1", VERIFIER).expect("good");
        let authorization = login.finish_redirect(redirect).await.expect(redirect);
        assert_eq!(secret(&authorization.tokens().access_token), "access");
        assert_eq!(world.forms().await[0]["code"], "the code");
    }
}

#[tokio::test]
async fn a_redirect_for_another_login_sends_nothing() {
    let world = World::new().await;
    world.token_endpoint([issued("access", None)]).await;
    let login = world.builder().build().expect("good").resume_login("state", VERIFIER).expect("good");
    for redirect in [
        "?code=c&state=another",
        "?code=c&state=stat",
        "?code=c&state=",
        "?code=c",
        "?error=access_denied",
        "?error=access_denied&state=another",
        "?code=c&state=state&state=state",
        "?code=c&code=d&state=state",
        "?code=&state=state",
        "?state=state",
        "",
    ] {
        let error = login.finish_redirect(redirect).await.expect_err(redirect);
        assert!(matches!(error.kind(), ErrorKind::Token(_)), "{error}");
        assert_eq!((error.outcome(), error.code()), (Outcome::NotSent, None), "{redirect}: {error}");
    }
    login.finish("c", "another").await.expect_err("another state");
    assert!(world.forms().await.is_empty());
    login.finish("c", "state").await.expect("the login is not spoiled by what others sent");
}

#[tokio::test]
async fn a_declined_login_is_a_specific_error() {
    let redirect = "/callback?error=access_denied&error_description=%E3%83%80%E3%83%A1%0A&state=state";
    let error = chatwork_login("state").finish_redirect(redirect).await.expect_err("declined");
    assert_eq!((error.code(), error.outcome()), (Some("access_denied"), Outcome::Rejected));
    assert_eq!(error.messages(), ["ダメ"]);
}

#[tokio::test]
async fn the_token_endpoints_refusals_keep_their_texts() {
    let html = || ResponseTemplate::new(200).set_body_raw("<html>", "text/html");
    let no_token = answer(json!({"access_token": null}));
    let mac = answer(json!({"access_token": "a", "token_type": "mac"}));
    let clothed = answer(
        json!({"access_token": null, "error": "invalid_grant", "error_description": "it is an error"}),
    );
    let moved = ResponseTemplate::new(302).insert_header("location", "/elsewhere");
    let large = ResponseTemplate::new(200).set_body_string("x".repeat(300 << 10));
    for (response, status, code, outcome) in [
        (refused(401, "invalid_client"), Some(401), Some("invalid_client"), Outcome::Rejected),
        (refused(400, "invalid_grant"), Some(400), Some("invalid_grant"), Outcome::Rejected),
        (clothed, Some(200), Some("invalid_grant"), Outcome::Rejected),
        // Chatwork is known to answer 401 with an empty body.
        (ResponseTemplate::new(401), Some(401), None, Outcome::Rejected),
        (moved, Some(302), None, Outcome::Rejected),
        (ResponseTemplate::new(500).set_body_string("<html>"), Some(500), None, Outcome::Unknown),
        (html(), Some(200), None, Outcome::Applied),
        (no_token, None, None, Outcome::Applied),
        (mac, None, None, Outcome::Applied),
        (large, None, None, Outcome::Unknown),
    ] {
        let world = World::new().await;
        world.token_endpoint([response]).await;
        let login = world.builder().build().expect("good").resume_login("state", VERIFIER).expect("good");
        let error = login.finish("c", "state").await.expect_err("no tokens");
        assert!(matches!(error.kind(), ErrorKind::Token(_)), "{error}");
        assert_eq!(error.status().map(|status| status.as_u16()), status, "{error}");
        assert_eq!((error.code(), error.outcome()), (code, outcome), "{error}");
        if code.is_some() {
            assert_eq!(error.messages(), ["it is an error"]);
        }
        assert!(world.requests("/elsewhere").await.is_empty());
    }
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_or_silent() {
    let world = World::new().await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let url = format!("http://{}/token", gone.expect("a port"));
    let login =
        world.builder().token_url(url).build().expect("good").resume_login("s", VERIFIER).expect("good");
    let error = login.finish("c", "s").await.expect_err("nothing listens");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/token", silent.local_addr().expect("bound"));
    let login =
        world.builder().token_url(url).build().expect("good").resume_login("s", VERIFIER).expect("good");
    let waiting = tokio::spawn(async move { login.finish("c", "s").await });
    let _connection = silent.accept().await.expect("it connects");
    world.advance(30);
    let error = waiting.await.expect("no panic").expect_err("no answer");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert!(error.to_string().contains("30s"), "{error}");
}

#[tokio::test]
async fn a_token_answer_is_accepted_in_every_form() {
    let epoch = World::new().await.now().as_second();
    for (body, lifetime, refresh, scopes) in [
        (json!({"access_token": "a", "expires_in": 1800, "scope": "x y"}), Some(1800), None, "x y"),
        (json!({"access_token": "a", "expires_in": "1800", "token_type": "bearer"}), Some(1800), None, "p q"),
        (
            json!({"access_token": "a", "expires_in": epoch + 900, "refresh_token": "r"}),
            Some(900),
            Some("r"),
            "p q",
        ),
        (
            json!({"access_token": "a", "expires_in": ((epoch + 900) * 1000).to_string()}),
            Some(900),
            None,
            "p q",
        ),
        (json!({"access_token": "a", "expires_in": "1501138041000"}), None, None, "p q"),
        (
            json!({"access_token": "a", "expires_in": null, "refresh_token": null, "token_type": null, "scope": null,
            "error": null, "error_description": null, "error_uri": null}),
            None,
            None,
            "p q",
        ),
        (json!({"access_token": "a", "refresh_token": ""}), None, None, "p q"),
    ] {
        let world = World::new().await;
        world.token_endpoint([answer(body.clone()).insert_header("content-type", "text/plain")]).await;
        let oauth = world.builder().scopes(["p", "q"]).build().expect("good");
        let login = oauth.resume_login("s", VERIFIER).expect("good");
        let tokens = login.finish("c", "s").await.expect("tokens").tokens();
        let expires_at = lifetime.map(|seconds| world.now() + Duration::from_secs(seconds));
        assert_eq!(tokens.expires_at, expires_at, "{body}");
        assert_eq!(tokens.refresh_token.as_ref().map(secret).as_deref(), refresh, "{body}");
        assert_eq!(tokens.scopes.join(" "), scopes, "{body}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let good =
        || OAuth::builder("id").auth_url("https://a.example/auth").token_url("https://a.example/token");
    good().build().expect("good settings");
    good().auth_url("http://127.0.0.1:1/auth").token_url("http://[::1]:1/token").build().expect("loopback");
    for (bad, word) in [
        (OAuth::builder("id"), "missing"),
        (good().auth_url("http://a.example/auth"), "plain http"),
        (good().token_url("http://a.example/token"), "plain http"),
        (good().token_url("token"), "not an absolute URL"),
        (good().token_url("data:,x"), "no host"),
        (good().token_url("https://canary@a.example/token"), "user"),
        (good().token_url("https://a.example/token#canary"), "fragment"),
        (good().redirect_url("callback"), "not an absolute URL"),
        (good().redirect_url("https://bot.example.com/#x"), "fragment"),
        (good().resource("canary"), "not an absolute URL"),
        (good().client_secret(" "), "secret is empty"),
        (good().scopes(["a b"]), "space"),
        (good().scopes([""]), "empty"),
    ] {
        let error = bad.build().expect_err(word);
        assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
