//! What a person sees and does: with the mouse, with the keyboard alone, on a phone, in two languages, in the dark.

use crate::browser::Browser;
use crate::programs::{Sandbox, root};
use fantoccini::key::Key;
use futures_util::future::{Either, select};
use std::fs;
use std::path::Path;
use std::pin::pin;

/// The room is there, and the person may write in it.
const WRITABLE: &str =
    "!document.querySelector('#text').disabled && document.querySelector('#messages article')";

/// The messages of a person, as a script.
fn said(name: &str, text: &str) -> String {
    format!(
        "[...document.querySelectorAll('#messages article[aria-label={name}] .body')].some((node) => node.textContent.includes('{text}'))"
    )
}

/// Whether the newest request of an operation shows all of these texts.
fn request(operation: &str, texts: &[&str]) -> String {
    let texts = serde_json::to_string(texts).expect("texts");
    format!(
        "((item) => item && {texts}.every((text) => item.textContent.includes(text)))([...document.querySelectorAll('#requests li')].find((item) => item.querySelector('strong')?.textContent === '{operation}'))"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_with_the_echo_bot_and_a_fault() {
    let sandbox = Sandbox::start().await;
    let bot = sandbox.echo_bot().await;
    let browser = Browser::start("en-US").await;
    browser.show(1120, 840, "light").await;
    browser.open(&sandbox.window).await;
    assert_eq!(browser.run("return document.documentElement.lang;").await, "en");
    browser.until("document.querySelector('#room-title').textContent === '開発'").await;

    // A question, and its answer.
    browser.write("#text", "[To:1] お昼は何時ですか").await;
    browser.click("#compose [type=submit]").await;
    browser.until(&said("Alice", "お昼は何時ですか")).await;
    browser.until(&said("Bot", "お昼は何時ですか")).await;
    browser.until("document.querySelector('#text').value === ''").await;
    browser.until(&request("post_message", &["200", "It took effect.", "[rp aid=2"])).await;
    assert_eq!(
        browser.run("return document.querySelector('#messages article:last-child .chip').textContent;").await,
        "RE Alice"
    );
    browser.until("document.querySelector('#limits').textContent.includes('of 300 calls left')").await;

    // The next answer is late, and the log says why.
    browser.choose("#fault-operation", "post_message").await;
    browser.click("[data-fault=delay]").await;
    browser.until("document.querySelector('#armed').textContent.includes('post_message: Delay, 1 ×')").await;
    browser.write("#text", "[To:1] Is the build green?").await;
    browser.click("#compose [type=submit]").await;
    browser
        .until(&request("post_message", &["200", "Fault: the answer was delayed.", "It took effect."]))
        .await;
    browser.until(&said("Bot", "Is the build green?")).await;
    browser.until("document.querySelector('#armed').textContent === 'No fault is switched on.'").await;

    // Quotes, boxes and code, as the service shows them.
    browser.choose("#fault-service", "chatwork").await;
    browser.write("#text", "[qt][qtmeta aid=3 time=1767193200]Is the build green?[/qt][info][title]Nightly[/title]All 412 tests pass.[hr][code]let ok = tests.iter().all(passed);[/code][/info]https://example.com/builds/42").await;
    browser.click("#compose [type=submit]").await;
    browser
        .until("document.querySelector('#messages article:last-child .title')?.textContent === 'Nightly'")
        .await;
    let last = "document.querySelector('#messages article:last-child')";
    assert_eq!(browser.run(&format!("return [...{last}.querySelectorAll('blockquote, .box, hr, code, a')].map((node) => node.localName);")).await,
        serde_json::json!(["blockquote", "div", "hr", "code", "a"]));
    let link = format!("const link = {last}.querySelector('a'); return [link.href, link.rel, link.target];");
    assert_eq!(
        browser.run(&link).await,
        serde_json::json!(["https://example.com/builds/42", "noopener noreferrer", "_blank"])
    );

    picture(&browser, "window-en.png").await;
    browser.choose("#language", "ja").await;
    browser.until("document.querySelector('#requests-title').textContent === 'リクエスト'").await;
    assert_eq!(browser.run("return document.documentElement.lang;").await, "ja");
    browser.until(&request("post_message", &["処理は実行されました。"])).await;
    picture(&browser, "window-ja.png").await;
    browser.choose("#language", "en").await;

    // As long as a request is not answered, the log says that as well. This one never is.
    browser.choose("#fault-operation", "get_me").await;
    browser.click("[data-fault=silence]").await;
    browser.until("document.querySelector('#armed').textContent.includes('get_me: Silence, 1 ×')").await;
    let mut unanswered = pin!(sandbox.call("GET", "/me", ""));
    let log = request("get_me", &["being answered", "nothing was answered"]);
    match select(pin!(browser.until(&log)), unanswered.as_mut()).await {
        Either::Left(_) => {}
        Either::Right((answer, _)) => panic!("it was answered: {answer}"),
    }

    // A webhook is sent again. There is one for each message of the room, and for each mention of the bot.
    let of_chatwork = "[...document.querySelectorAll('#webhooks li')].filter((item) => item.textContent.includes('Chatwork'))";
    let well = format!("{of_chatwork}.every((item) => item.querySelector('.state').textContent === '200')");
    browser.until(&format!("{of_chatwork}.length === 7 && {well}")).await;
    browser.click("#webhooks li:first-child button").await;
    browser.until(&format!("{of_chatwork}.length === 8 && {well}")).await;

    // A task, a file, and a link to it.
    browser.click("#tasks button").await;
    browser.until("document.querySelector('#tasks .state').textContent === 'done'").await;
    browser.until("document.querySelector('#messages').textContent.includes('A task was done.')").await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("日報.txt");
    fs::write(&file, "終わりました").expect("a file");
    browser.write("#file", file.to_str().expect("a plain name")).await;
    browser.click("#send-file").await;
    browser.until("document.querySelector('#files a')?.textContent === '日報.txt'").await;
    let headers = "const answer = await fetch(document.querySelector('#files a').href); return [answer.headers.get('content-disposition').split(';')[0], await answer.text()];";
    let headers = browser.run(&format!("return (async () => {{ {headers} }})();")).await;
    assert_eq!(headers, serde_json::json!(["attachment", "終わりました"]));

    // The other services, as plain lists.
    browser.click("#services section:nth-child(2) .room").await;
    browser.until("document.querySelector('#room-title').textContent === '全体'").await;
    browser.until(WRITABLE).await;
    browser.write("#text", "こんにちは").await;
    browser.click("#compose [type=submit]").await;
    browser.until(&said("Bob", "こんにちは")).await;
    browser.click("#services section:nth-child(3) .room").await;
    browser.until("document.querySelector('#room-title').textContent.includes('bobさん')").await;
    browser.until(WRITABLE).await;
    browser.write("#text", "よろしくお願いします").await;
    browser.click("#compose [type=submit]").await;
    browser.until(&said("bob", "よろしくお願いします")).await;

    assert_eq!(browser.console().await, [""; 0]);
    drop(bot);
    browser.close().await;
}

/// Takes a picture. Only on demand it is kept, since each browser draws a little differently.
async fn picture(browser: &Browser, name: &str) {
    browser.run("document.activeElement.blur(); document.querySelector('#messages').scrollTop = 1e6; scrollTo(0, 0);").await;
    let png = browser.screenshot().await.expect("a picture");
    assert!(png.starts_with(b"\x89PNG"), "{name}");
    if std::env::var_os("KAIWA_GENERATE").is_some() {
        assert!(png.len() < 200_000, "{name}: {} bytes", png.len());
        let path: &Path = &root().join("src/guide").join(name);
        fs::write(path, png).expect("it can be written");
    }
}

/// From the beginning of the page to an answer, a fault and another room, without a mouse.
#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_is_enough() {
    let sandbox = Sandbox::start().await;
    let bot = sandbox.echo_bot().await;
    let browser = Browser::start("en-US").await;
    browser.open(&sandbox.window).await;
    let tab = Key::Tab.to_string();
    let enter = Key::Enter.to_string();
    let focused = "return document.activeElement.id || document.activeElement.className || document.activeElement.localName;";

    browser.press(&tab).await;
    assert_eq!(browser.run(focused).await, "skip");
    assert_eq!(
        browser
            .run("const box = document.activeElement.getBoundingClientRect(); return box.left >= 0;")
            .await,
        true
    );
    browser.press(&enter).await;
    browser.until("document.activeElement.id === 'text'").await;
    browser.press("[To:1] without a mouse").await;
    browser.press(&(Key::Control + &*enter)).await;
    browser.until(&said("Bot", "without a mouse")).await;
    assert_eq!(browser.run(focused).await, "text", "the focus stays");

    // All that can be reached has a name and shows the focus. The order is that of the page.
    let mut seen = Vec::new();
    browser
        .run("document.activeElement.blur(); scrollTo(0, 0); document.querySelector('.skip').focus();")
        .await;
    for _ in 0..80 {
        browser.press(&tab).await;
        let script = "const node = document.activeElement; const style = getComputedStyle(node); const name = node.getAttribute('aria-label') || node.textContent.trim() || [...(node.labels ?? [])].map((label) => label.textContent.trim()).join(' ') || document.getElementById(node.getAttribute('aria-labelledby'))?.textContent; return [node.id || node.dataset.fault || node.className || node.localName, name, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, node === document.body];";
        let reached = browser.run(script).await;
        if reached[3] == true {
            break;
        }
        let name = reached[0].as_str().expect("a text").to_owned();
        assert!(reached[1].as_str().is_some_and(|name| !name.is_empty()), "{name} has no name");
        assert_eq!(reached[2], true, "{name} does not show that it has the focus");
        seen.push(name);
    }
    let place = |name: &str| {
        seen.iter()
            .position(|seen| seen == name)
            .unwrap_or_else(|| panic!("{name} cannot be reached: {seen:?}"))
    };
    let order = [
        "language",
        "room",
        "messages",
        "text",
        "file",
        "send-file",
        "fault-service",
        "fault-operation",
        "fault-always",
        "delay",
    ]
    .map(place);
    assert!(order.is_sorted(), "{seen:?}");

    // A fault, and the answer to it.
    browser.run("document.querySelector('[data-fault=\"500\"]').focus();").await;
    browser.press(&Key::Space.to_string()).await;
    browser.until("document.querySelector('#armed button')").await;
    browser.run("document.querySelector('#armed button').focus();").await;
    browser.press(&enter).await;
    browser.until("document.querySelector('#armed').textContent === 'No fault is switched on.'").await;
    browser.until("document.activeElement.parentElement.id === 'switches'").await;

    // What a screen reader gets: regions with names, and messages that are announced.
    let regions = "return ['nav', 'main', 'aside', '#messages'].map((name) => document.querySelector(name)).map((node) => node.localName === 'main' || Boolean(document.getElementById(node.getAttribute('aria-labelledby'))?.textContent));";
    assert_eq!(browser.run(regions).await, serde_json::json!([true, true, true, true]));
    assert_eq!(browser.run("return ['#messages', '#connection', '#notice'].map((id) => document.querySelector(id).getAttribute('role'));").await,
        serde_json::json!(["log", "status", "alert"]));
    assert_eq!(browser.run("return document.querySelectorAll('h1').length;").await, 1);
    assert_eq!(browser.console().await, [""; 0]);
    drop(bot);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_the_dark_and_japanese() {
    let sandbox = Sandbox::start().await;
    let browser = Browser::start("ja").await;
    browser.open(&sandbox.window).await;
    assert_eq!(
        browser.run("return [navigator.language, document.documentElement.lang];").await,
        serde_json::json!(["ja", "ja"])
    );
    // What has no place to break, and a log with something in it.
    for text in [
        "x".repeat(400),
        "https://example.com/".to_owned() + &"a".repeat(300),
        "[info][title]題[/title][code]".to_owned() + &"y".repeat(300) + "[/code][/info]",
    ] {
        let form = format!("body={}", text.replace('/', "%2F"));
        assert!(sandbox.call("POST", "/rooms/100/messages", &form).await.starts_with("HTTP/1.1 200"));
    }
    browser.until("document.querySelectorAll('#requests li').length === 3").await;
    browser.until("document.querySelector('#messages pre')").await;
    for language in ["ja", "en"] {
        browser.choose("#language", language).await;
        for width in [360, 640, 800, 1280] {
            browser.show(width, 740, "light").await;
            let wide = browser.run("return [...document.querySelectorAll('body *')].filter((node) => !node.classList.contains('skip') && node.getBoundingClientRect().right > innerWidth + 1).map((node) => node.outerHTML.slice(0, 200));").await;
            assert_eq!(wide, serde_json::json!([]), "{language} {width}");
            let scrolls = browser.run("const root = document.documentElement; return [root.scrollWidth <= innerWidth, innerWidth];").await;
            assert_eq!(scrolls, serde_json::json!([true, width]), "{language}");
        }
    }
    // Text can be read on what is behind it: WCAG 2.2, 1.4.3.
    let contrast = "const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        const rgb = (color) => { probe.fillStyle = color; probe.fillRect(0, 0, 1, 1); return [...probe.getImageData(0, 0, 1, 1).data]; };
        const light = (color) => rgb(color).slice(0, 3).map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4).reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
        const behind = (node) => { for (; node; node = node.parentElement) { const color = getComputedStyle(node).backgroundColor; if (color !== 'rgba(0, 0, 0, 0)') return color; } return 'Canvas'; };
        const low = [];
        for (const node of document.querySelectorAll('body *')) {
            if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()) || node.closest('[hidden]') || node.disabled || node.localName === 'option') continue;
            const [one, other] = [light(getComputedStyle(node).color), light(behind(node))].sort((a, b) => b - a);
            const ratio = (one + 0.05) / (other + 0.05);
            if (ratio < 4.5) low.push(`${node.localName} ${node.className} ${ratio.toFixed(2)} ${node.textContent.slice(0, 30)}`);
        }
        return [low, getComputedStyle(document.body).backgroundColor];";
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.show(1280, 900, scheme).await;
        let seen = browser.run(contrast).await;
        assert_eq!(seen[0], serde_json::json!([]), "{scheme}");
        grounds.push(seen[1].clone());
    }
    assert_ne!(grounds[0], grounds[1]);
    assert_eq!(browser.console().await, [""; 0]);
    browser.close().await;
}

/// An answer that does not come is asked for again, and one that is late overwrites nothing newer.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_survives_lost_and_late_answers() {
    let sandbox = Sandbox::start().await;
    let browser = Browser::start("en-US").await;
    browser.open(&sandbox.window).await;
    browser.until(WRITABLE).await;
    // The events of this message come while nothing can be fetched, and no others follow.
    let lost = "const real = window.fetch;
        window.fetch = (path, ...more) => (path === 'view' ? Promise.reject(new TypeError('lost')) : real(path, ...more));
        return (async () => {
            const done = await act('post', { ...chosen, by: '2', body: 'after a failure' });
            setTimeout(() => { window.fetch = real; }, 700);
            return done;
        })();";
    assert_eq!(browser.run(lost).await, true);
    browser.until(&said("Alice", "after a failure")).await;

    let late = "const real = window.fetch;
        const ended = { number: 0, at: 0, operation: null, method: 'GET', path: '/late', query: null, attempt: 1, key: null, status: 200, fault: null, applied: true, replayed: false, ended: true, body: [] };
        const before = { ...ended, ended: false, status: null };
        window.fetch = async (path, ...more) => (path === 'requests' ? new Response(JSON.stringify([before, { ...before, number: 1 }])) : real(path, ...more));
        takeRequest(ended);
        return (async () => {
            await fetchRequests();
            window.fetch = real;
            return [requests.get(0).status, requests.get(1).status];
        })();";
    assert_eq!(browser.run(late).await, serde_json::json!([200, null]));

    // A mistake in the page is not taken for a lost answer.
    let mistake = "window.renderRooms = () => { throw new Error('a mistake'); };
        return refresh().then(() => 'hidden', (error) => error.message);";
    assert_eq!(browser.run(mistake).await, "a mistake");
    browser.close().await;
}

/// What goes away at the top of the log moves nothing that stays.
#[tokio::test(flavor = "multi_thread")]
async fn the_focus_stays_where_it_is_when_old_messages_go() {
    let sandbox = Sandbox::start().await;
    let browser = Browser::start("en-US").await;
    browser.open(&sandbox.window).await;
    browser.until(WRITABLE).await;
    let post = |texts: &str| {
        format!(
            "return (async () => {{ for (const body of {texts}) await act('post', {{ ...chosen, by: '2', body }}); await refresh(); return document.querySelectorAll('#messages article').length; }})();"
        )
    };
    let many =
        "['https://example.com/kept', ...Array.from({ length: 98 }, (_, number) => `message ${number}`)]";
    assert_eq!(browser.run(&post(many)).await, 100);
    browser.run("document.querySelector('#messages a[href$=kept]').focus();").await;
    browser.run(&post("['one more']")).await;
    browser.until(&said("Alice", "one more")).await;
    assert_eq!(
        browser.run("return [document.activeElement.textContent, document.querySelectorAll('#messages article').length];").await,
        serde_json::json!(["https://example.com/kept", 100])
    );

    // What is written for one room stays there, and what is refused comes back.
    browser.write("#text", "for this room").await;
    browser.run("document.querySelector('.room:not([aria-current])').click();").await;
    browser.until("document.querySelector('#text').value === ''").await;
    browser.until(&format!("{WRITABLE} || document.querySelector('#compose.closed')")).await;
    browser.run("[...document.querySelectorAll('.room')].find((room) => room.textContent.startsWith('開発')).click();").await;
    browser.until(&format!("document.querySelector('#text').value === 'for this room' && {WRITABLE}")).await;
    browser.run("persons.set('chatwork', '4'); byId('compose').requestSubmit();").await;
    browser.until("!document.querySelector('#notice').hidden").await;
    browser.until("document.querySelector('#text').value === 'for this room' || [...drafts.values()].includes('for this room')").await;
    // Two of one name stay two.
    let equal = "const list = document.createElement('ul'); const make = (name) => el('li', {}, name); for (let count = 0; count < 3; count += 1) keyed(list, ['a', 'a'], (name) => name, make); return list.children.length;";
    assert_eq!(browser.run(equal).await, 2);
    assert_eq!(browser.console().await, [""; 0]);
    browser.close().await;
}
