//! A page of another origin, which even knows the address of the window with its token, and DNS rebinding.

use crate::browser::Browser;
use crate::programs::Sandbox;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a page can try.
const ATTACK: &str = r#"<!doctype html><meta charset="utf-8"><title>elsewhere</title><body><script>
window.tried = (async () => {
  const base = decodeURIComponent(location.hash.slice(1));
  const post = JSON.stringify({ service: 'chatwork', room: '100', by: '2', body: 'FROM ELSEWHERE' });
  const text = async (name, ask) => {
    try {
      const answer = await ask();
      return `${name}: ${answer.type} ${answer.status} ${(await answer.text()).length}`;
    } catch (error) {
      return `${name}: ${error.name}`;
    }
  };
  const loads = (name, tag, attribute) => new Promise((done) => {
    const node = document.createElement(tag);
    node[attribute] = base + name;
    if (tag === 'link') node.rel = 'stylesheet';
    node.onload = () => done(`${tag} ${name}: ${tag === 'iframe' ? frame(node) : 'loaded'}`);
    node.onerror = () => done(`${tag} ${name}: refused`);
    document.body.append(node);
  });
  const frame = (node) => {
    try {
      return node.contentDocument ? `read ${node.contentDocument.body.textContent.length}` : 'closed';
    } catch {
      return 'closed';
    }
  };
  const stream = () => new Promise((done) => {
    const events = new EventSource(base + 'events');
    events.addEventListener('hello', () => done('stream: read'));
    events.onerror = () => { events.close(); done('stream: refused'); };
  });
  const form = (enctype) => new Promise((done) => {
    const frame = document.createElement('iframe');
    frame.name = `frame-${enctype}`;
    const form = document.createElement('form');
    Object.assign(form, { method: 'post', action: base + 'post', enctype, target: frame.name });
    const field = document.createElement('input');
    field.name = post.slice(0, -1) + ',"x":"';
    field.value = '"}';
    form.append(field);
    document.body.append(frame, form);
    frame.onload = () => done(`form ${enctype}: sent`);
    form.submit();
  });
  return [
    await text('get', () => fetch(base + 'view')),
    await text('get without CORS', () => fetch(base + 'view', { mode: 'no-cors' })),
    await text('post', () => fetch(base + 'post', { method: 'POST', headers: { 'content-type': 'application/json' }, body: post })),
    await text('post without CORS', () => fetch(base + 'post', { method: 'POST', mode: 'no-cors', body: post })),
    await text('post with a type', () => fetch(base + 'post', { method: 'POST', mode: 'no-cors', headers: { 'content-type': 'text/plain' }, body: post })),
    String(navigator.sendBeacon(base + 'post', new Blob([post], { type: 'text/plain' }))),
    await loads('script.js', 'script', 'src'),
    await loads('style.css', 'link', 'href'),
    await loads('view', 'img', 'src'),
    await loads('', 'iframe', 'src'),
    await stream(),
    await form('text/plain'),
    await form('application/x-www-form-urlencoded'),
  ];
})();
</script>"#;

/// Serves the page of the attacker. Returns the port.
async fn elsewhere() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move { serve(stream).await.ok() });
        }
    });
    port
}

async fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 2 {
        line.clear();
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        ATTACK.len()
    );
    stream.get_mut().write_all(format!("{head}{ATTACK}").as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_origin_can_neither_read_nor_change_anything() {
    let sandbox = Sandbox::start().await;
    let browser = Browser::start("en-US").await;
    let port = elsewhere().await;
    let base = sandbox.window.replace(':', "%3A").replace('/', "%2F");
    // `127.0.0.1` on another port is of the same site, the others are of another one.
    for host in ["127.0.0.1", "localhost", "rebound.example"] {
        browser.goto(&format!("http://{host}:{port}/#{base}")).await.expect("it opens");
        let tried = browser.run("return window.tried;").await;
        let expected = json!([
            "get: TypeError",
            "get without CORS: TypeError",
            "post: TypeError",
            "post without CORS: TypeError",
            "post with a type: TypeError",
            "true",
            "script script.js: refused",
            "link style.css: refused",
            "img view: refused",
            "iframe : closed",
            "stream: refused",
            "form text/plain: sent",
            "form application/x-www-form-urlencoded: sent",
        ]);
        assert_eq!(tried, expected, "{host}");
        // A window that it opens is of another group of pages, and its navigation is refused as well.
        let opened = "const other = open(decodeURIComponent(location.hash.slice(1)));
            return new Promise((done) => {
                const look = () => {
                    try {
                        const text = other.document.body.textContent;
                        if (text) done(text);
                        else setTimeout(look, 50);
                    } catch (error) {
                        done(error.name);
                    }
                };
                look();
            });";
        let opened = browser.run(opened).await;
        assert!(opened.as_str().is_some_and(|text| !text.contains("Alice")), "{opened}");
    }

    // DNS rebinding: the name of the attacker leads to this machine, and the browser takes the window for the attacker's.
    let rebound = sandbox.window.replace("127.0.0.1", "rebound.example");
    browser.goto(&rebound).await.expect("it opens");
    assert_eq!(
        browser.run("return [location.hostname, document.body.textContent];").await,
        json!(["rebound.example", "This is not the address of the window."])
    );

    // A page that cannot be seen receives no events, and behind the windows that were opened it could not be.
    let own = browser.window().await.expect("a window");
    for other in browser.windows().await.expect("windows").into_iter().filter(|other| *other != own) {
        browser.switch_to_window(other).await.expect("it is there");
        browser.close_window().await.expect("it can be closed");
    }
    browser.switch_to_window(own).await.expect("it is there");

    // The person's own window works, by both names, and nothing was written.
    for window in [sandbox.window.clone(), sandbox.window.replace("127.0.0.1", "localhost")] {
        browser.open(&window).await;
        browser.until("document.querySelector('#connection').textContent === 'Connected'").await;
        assert_eq!(browser.run("return document.body.textContent.includes('FROM ELSEWHERE');").await, false);
    }
    browser.close().await;
}
