//! What people and programs write stays text, whatever it is.

use crate::browser::Browser;
use crate::programs::Sandbox;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_are_text() {
    let sandbox = Sandbox::start().await;
    let browser = Browser::start("en-US").await;
    browser.open(&sandbox.window).await;
    let texts = [
        "<script>window.hit = 1</script>".to_owned(),
        "<img src=x onerror='window.hit = 2'>".to_owned(),
        "[url]javascript:window.hit=3[/url] javascript:window.hit=3".to_owned(),
        "[url]data:text/html,<script>window.hit=4</script>[/url]".to_owned(),
        "[code]</code></pre><script>window.hit=5</script>[/code]".to_owned(),
        "[info][title]<b>never closed".to_owned(),
        "[info]".repeat(5_000),
        "[qt]".repeat(5_000) + "deep" + &"[/qt]".repeat(5_000),
        "[hr]".repeat(16_000),
        "あ".repeat(65_535),
        "\u{202e}right to left\u{0}".to_owned(),
    ];
    for (count, text) in texts.iter().enumerate() {
        // As the page itself would send it; no key press for each of so many characters.
        let send = format!(
            "return act('post', {{ service: 'chatwork', room: '100', by: '2', body: {} }});",
            json!(text)
        );
        assert_eq!(browser.run(&send).await, true, "text {count}");
    }
    // The limit is the service's: one character more is refused, and the page says so.
    let send = format!(
        "return act('post', {{ service: 'chatwork', room: '100', by: '2', body: {} }});",
        json!("x".repeat(65_536))
    );
    assert_eq!(browser.run(&send).await, false);
    assert_eq!(
        browser.run("return document.querySelector('#notice').textContent;").await,
        "This is longer than the service takes."
    );
    let count = texts.len();
    browser
        .until("document.querySelector('#messages article:last-child').textContent.includes('right to left')")
        .await;

    let shown = browser.run(&format!("return [...document.querySelectorAll('#messages article .body')].slice(-{count}).map((node) => node.textContent.length < 200 ? node.textContent : node.textContent.length);")).await;
    assert_eq!(shown[0], "<script>window.hit = 1</script>");
    assert_eq!(shown[1], "<img src=x onerror='window.hit = 2'>");
    assert_eq!(shown[2], "javascript:window.hit=3 javascript:window.hit=3");
    assert_eq!(shown[5], "[info][title]<b>never closed");
    assert_eq!(shown[6], 30_000);
    assert_eq!(shown[9], 65_535);

    // A name of a room and of a program's request, too, which no person has typed.
    let name = "name=%3Cimg%20src%3Dx%20onerror%3D%22window.hit%3D6%22%3E";
    assert!(sandbox.call("PUT", "/rooms/100", name).await.starts_with("HTTP/1.1 200"));
    assert!(
        sandbox
            .call("POST", "/rooms/%3Cscript%3E/%22onload=", "<b>=<script>window.hit=7</script>")
            .await
            .starts_with("HTTP/1.1 404")
    );
    browser.until("document.querySelector('#room-title').textContent.includes('<img src=x')").await;
    browser.until("document.querySelector('#requests').textContent.includes('window.hit=7')").await;

    assert_eq!(browser.run("return window.hit ?? null;").await, json!(null));
    assert_eq!(
        browser
            .run("return document.querySelectorAll('body script, body img, body iframe, body b').length;")
            .await,
        0
    );
    let links = browser.run("return [...document.querySelectorAll('a')].map((link) => new URL(link.href).protocol).filter((protocol) => protocol !== 'http:' && protocol !== 'https:');").await;
    assert_eq!(links, json!([]));
    assert_eq!(browser.console().await, [""; 0]);

    // Even a mistake in the page could not make nodes or code of text, nor ask another host. Each try is in the console.
    // From a timer, since what the driver itself runs is exempt.
    let tries =
        "const caught = (what) => { try { what(); return 'done'; } catch (error) { return error.name; } };
        const script = document.createElement('script');
        return new Promise((done) => setTimeout(() => done([
            caught(() => { document.body.innerHTML = '<b>x</b>'; }),
            caught(() => eval('window.hit = 8')),
            caught(() => { script.text = 'window.hit = 9'; }),
            caught(() => { script.src = 'https://example.com/x.js'; }),
        ])));";
    assert_eq!(browser.run(tries).await, json!(["TypeError", "EvalError", "TypeError", "TypeError"]));
    let asks = "return (async () => { const ask = async (url) => { try { await fetch(url); return 'done'; } catch (error) { return error.name; } }; return [await ask('https://example.com/'), await ask(location.origin + '/')]; })();";
    assert_eq!(browser.run(asks).await, json!(["TypeError", "TypeError"]));
    assert_eq!(browser.run("return window.hit ?? null;").await, json!(null));
    browser.close().await;
}
