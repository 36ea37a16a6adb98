use kaiwa::chatwork::AccountId;
use kaiwa::chatwork::notation::{Kind, Mention, MessageBuilder, Step, escape, parse};

/// Reading: every text is read, nothing is lost, and every part is at its stated position.
pub fn notation(data: &[u8]) {
    let source = &*String::from_utf8_lossy(data);
    let document = parse(source);
    assert_eq!(document.to_string(), source);
    let mut end = 0;
    let mut depth = 0;
    for step in document.walk() {
        let part = match step {
            Step::Enter(node) => {
                depth += 1;
                assert_eq!(&source[node.range()], node.source());
                node.opening()
            }
            Step::Leave(node) => {
                depth -= 1;
                node.closing()
            }
        };
        assert_eq!(&source[end..end + part.len()], part);
        end += part.len();
    }
    assert_eq!((end, depth), (source.len(), 0));
    for (index, node) in document.descendants().enumerate() {
        // Texts of subtrees are quadratic in the depth.
        if index < 64 {
            node.plain_text();
        }
        if let Kind::Task(task) = node.kind() {
            assert!(task.accounts.iter().next().is_some());
        }
    }
    let plain = document.plain_text();
    if document.is_plain() {
        assert_eq!(plain, source);
    }
    for mention in document.mentions().take(64) {
        if let Mention::Account(account) = mention {
            assert!(document.notifies(account));
        }
    }

    own_text(source);
    harmless(source);
}

/// The author's own text lacks quotes, and the characters of known names and of what belongs to them, but no others.
fn own_text(source: &str) {
    let document = parse(source);
    let (mut unquoted, mut walk) = (String::new(), document.walk());
    while let Some(step) = walk.next() {
        let Step::Enter(node) = step else { continue };
        match node.kind() {
            Kind::Quote(_) => walk.skip_children(),
            Kind::Info | Kind::Title | Kind::Task(_) => {}
            _ => unquoted.push_str(&node.plain_text()),
        }
    }
    let accounts = document.descendants().filter_map(|node| match node.kind() {
        Kind::To(account) => Some(account.to_string()),
        Kind::Reply(reply) => Some(reply.account.to_string()),
        _ => None,
    });
    let numbers: String = accounts.collect();
    let names =
        |account: AccountId| if account.0 % 2 == 1 { vec!["Bot", "田中 太郎"] } else { Vec::new() };
    let rest = |text: &str| -> String {
        let may_be_missing =
            |c: &char| "Bot田中太郎さんま様san-SAN、，､,:：@".contains(*c) || numbers.contains(*c);
        text.chars().filter(|c| !c.is_whitespace() && !may_be_missing(c)).collect()
    };
    assert_eq!(rest(&document.own_text(AccountId(1), names)), rest(&unquoted), "{source:?}");
}

/// Escaped text remains text, in every place where text can be.
fn harmless(text: &str) {
    let escaped = escape(text);
    let document = parse(&escaped);
    assert!(document.is_plain() && document.to_string() == escaped);
    assert_eq!(escaped.replace(['［', '］'], ""), text.replace(['[', ']', '［', '］'], ""));

    let message =
        MessageBuilder::new().text(text).code(text).text(text).info(text, |info| info.text(text).code(text));
    let document = parse(message.as_str());
    assert_eq!(document.mentions().next(), None);
    for node in document.descendants() {
        assert!(matches!(node.kind(), Kind::Text(_) | Kind::Code(_) | Kind::Info | Kind::Title), "{node:?}");
    }
    let addressed = message.to(AccountId(7));
    assert!(parse(addressed.as_str()).mentions().eq([Mention::Account(AccountId(7))]));
}
