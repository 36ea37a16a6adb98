//! A message as the page shows it: the tree of [`parse`] as a list of steps, from which the page makes nodes.
//!
//! `["info"]`, `["title"]`, `["quote", account, time]` and `["task", accounts, status, time]` begin a part, and `["/"]` ends it.
//! All others stand for themselves. It is a list and no tree, since JSON that is nested as deeply as a message may be overflows
//! the stacks of those who read it.

use crate::chatwork::notation::{Kind, Node, Step, parse};
use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

/// How deep parts are nested on the page. What is deeper is shown as it is written.
const MAX_DEPTH: usize = 16;

/// How many steps a message has. The rest is shown as it is written.
const MAX_STEPS: usize = 2_000;

/// The steps of a message.
pub(super) fn steps(body: &str) -> Value {
    let document = parse(body);
    let mut steps = Steps::default();
    let mut depth = 0;
    let mut written_out = false;
    let mut walk = document.walk();
    while let Some(step) = walk.next() {
        match step {
            Step::Enter(node) => {
                let full = steps.0.len() >= MAX_STEPS;
                if full && depth == 0 {
                    steps.text(&body[node.range().start..]);
                    break;
                }
                if full || is_part(&node) && depth == MAX_DEPTH {
                    written_out = is_part(&node);
                    walk.skip_children();
                    steps.text(node.source());
                } else {
                    depth += usize::from(is_part(&node));
                    steps.node(&node);
                }
            }
            Step::Leave(node) if is_part(&node) => {
                // Its children were skipped, so that it ends directly after its beginning.
                if !std::mem::take(&mut written_out) {
                    depth -= 1;
                    steps.0.push(json!(["/"]));
                }
            }
            Step::Leave(_) => {}
        }
    }
    Value::Array(steps.0)
}

/// The steps of a text without notation, in which addresses are links.
pub(super) fn plain(text: &str) -> Value {
    let mut steps = Steps::default();
    steps.linked(text);
    Value::Array(steps.0)
}

fn is_part(node: &Node<'_, '_>) -> bool {
    matches!(node.kind(), Kind::Info | Kind::Title | Kind::Quote(_) | Kind::Task(_))
}

/// The address that a link may lead to: of the web, and of nothing else that a browser knows.
fn web_address(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| url.into())
}

#[derive(Default)]
struct Steps(Vec<Value>);

impl Steps {
    fn node(&mut self, node: &Node<'_, '_>) {
        let milliseconds = |time: Option<Timestamp>| time.map(Timestamp::as_millisecond);
        let step = match node.kind() {
            Kind::Text(text) => return self.linked(text),
            Kind::To(account) => json!(["to", account.0.to_string()]),
            Kind::ToAll => json!(["toall"]),
            Kind::Reply(reply) => json!(["reply", reply.account.0.to_string()]),
            Kind::Quote(meta) => json!([
                "quote",
                meta.map(|meta| meta.account.0.to_string()),
                milliseconds(meta.and_then(|meta| meta.time)),
            ]),
            Kind::Info => json!(["info"]),
            Kind::Title => json!(["title"]),
            Kind::Code(code) => json!(["code", code]),
            Kind::Hr => json!(["hr"]),
            Kind::Picon(account) | Kind::PiconName(account) | Kind::Pname(account) => {
                json!(["person", account.0.to_string()])
            }
            Kind::Url(text) => json!(["link", text, web_address(text)]),
            Kind::Task(task) => {
                let accounts: Vec<String> = task.accounts.iter().map(|id| id.0.to_string()).collect();
                json!(["task", accounts, task.status, milliseconds(task.limit)])
            }
            Kind::Preview(preview) => json!(["preview", preview.file.0.to_string()]),
            Kind::Download(download) => json!(["file", download.file.0.to_string(), download.label]),
            Kind::Dtext(key) => json!(["words", key]),
            Kind::Deleted => json!(["deleted"]),
            _ => return self.text(node.source()),
        };
        self.0.push(step);
    }

    /// Text in which addresses are links.
    fn linked(&mut self, text: &str) {
        let mut rest = text;
        while self.0.len() < MAX_STEPS
            && let Some(start) = next_address(rest)
        {
            let address = &rest[start..];
            let length = address.find(|c: char| !is_of_address(c)).unwrap_or(address.len());
            // A sentence ends behind it.
            let address = address[..length].trim_end_matches(['.', ',', ')', ':', ';', '!', '?']);
            self.text(&rest[..start]);
            match web_address(address) {
                Some(target) => self.0.push(json!(["link", address, target])),
                None => self.text(address),
            }
            rest = &rest[start + address.len()..];
        }
        self.text(rest);
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(Value::Array(last)) = self.0.last_mut()
            && let [kind, Value::String(before)] = &mut last[..]
            && kind == "text"
        {
            before.push_str(text);
        } else {
            self.0.push(json!(["text", text]));
        }
    }
}

/// Where the next address begins. It reads up to there only: a message may have thousands of them.
fn next_address(text: &str) -> Option<usize> {
    let mut places = text.match_indices("http").map(|(place, _)| place);
    places.find(|place| ["http://", "https://"].iter().any(|scheme| text[*place..].starts_with(scheme)))
}

fn is_of_address(c: char) -> bool {
    c.is_ascii_graphic()
        && !matches!(c, '<' | '>' | '"' | '\'' | '[' | ']' | '`' | '{' | '}' | '|' | '\\' | '^')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_list_of_steps() {
        let body =
            "[To:2] Alice\n[info][title]A[/title]b[hr][code]<x>[/code][/info][qt][qtmeta aid=3 time=5]c[/qt]";
        assert_eq!(
            steps(body),
            json!([
                ["to", "2"],
                ["text", " Alice\n"],
                ["info"],
                ["title"],
                ["text", "A"],
                ["/"],
                ["text", "b"],
                ["hr"],
                ["code", "<x>"],
                ["/"],
                ["quote", "3", 5000],
                ["text", "c"],
                ["/"],
            ])
        );
        assert_eq!(steps(""), json!([]));
        assert_eq!(steps("[info]a"), json!([["text", "[info]a"]]));
        assert_eq!(steps("[deleted]"), json!([["deleted"]]));
        assert_eq!(
            steps("[task aid=1,2 st=open lt=0]x[/task][download:5]a.txt (3 B)[/download]"),
            json!([["task", ["1", "2"], "open", null], ["text", "x"], ["/"], ["file", "5", "a.txt (3 B)"]])
        );
    }

    #[test]
    fn only_addresses_of_the_web_are_links() {
        assert_eq!(
            steps("see https://example.com/a?b=c. あとhttp://127.0.0.1:3/を見て"),
            json!([
                ["text", "see "],
                ["link", "https://example.com/a?b=c", "https://example.com/a?b=c"],
                ["text", ". あと"],
                ["link", "http://127.0.0.1:3/", "http://127.0.0.1:3/"],
                ["text", "を見て"],
            ])
        );
        for other in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            " javascript:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "vbscript:x",
            "http:",
            "//example.com",
            "x",
        ] {
            assert_eq!(steps(&format!("[url]{other}[/url]")), json!([["link", other, null]]), "{other}");
        }
        assert_eq!(steps("http://"), json!([["text", "http://"]]));
        assert_eq!(steps("https:// http:///"), json!([["text", "https:// http:///"]]));
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let deep = format!("{}x{}y", "[info]".repeat(5000), "[/info]".repeat(5000));
        let shown = steps(&deep);
        let shown = shown.as_array().expect("a list");
        assert_eq!(shown.len(), 2 * MAX_DEPTH + 2);
        assert_eq!(shown.iter().filter(|step| **step == json!(["/"])).count(), MAX_DEPTH);
        assert_eq!(shown.last(), Some(&json!(["text", "y"])));
        for many in [
            "[hr]".repeat(16_000),
            format!("[info]{}[/info]", "[hr]".repeat(16_000)),
            "http://a ".repeat(7_000),
        ] {
            let shown = steps(&many);
            let shown = shown.as_array().expect("a list");
            assert!((MAX_STEPS..MAX_STEPS + 3).contains(&shown.len()), "{}", shown.len());
        }
        // Were the whole rest read for each, this would take minutes.
        let none = "http://[ ".repeat(200_000);
        assert_eq!(super::plain(&none), json!([["text", none]]));
        let plain = "あ".repeat(65_535);
        assert_eq!(steps(&plain), json!([["text", plain]]));
    }
}
