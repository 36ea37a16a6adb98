use super::*;
use crate::chatwork::{AccountId, FileId, MessageId, RoomId};
use jiff::Timestamp;

fn kinds(source: &str) -> Vec<Kind<'_>> {
    let document = parse(source);
    assert_eq!(document.to_string(), source);
    document.descendants().map(|node| node.kind()).collect()
}

/// The tree in one line, with children in parentheses.
fn outline(source: &str) -> String {
    let mut outline = String::new();
    for step in parse(source).walk() {
        match step {
            Step::Enter(node) => {
                let kind = format!("{:?}", node.kind());
                let name = kind.split(['(', ' ']).next().unwrap_or_default();
                outline.push_str(if outline.is_empty() || outline.ends_with('(') { "" } else { " " });
                match node.kind() {
                    Kind::Text(text) => outline.push_str(&format!("{text:?}")),
                    _ => outline.push_str(name),
                }
                if node.kind().is_container() {
                    outline.push('(');
                }
            }
            Step::Leave(node) if node.kind().is_container() => outline.push(')'),
            Step::Leave(_) => {}
        }
    }
    assert_eq!(parse(source).to_string(), source);
    outline
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

#[test]
fn the_strings_of_the_reference() {
    assert_eq!(kinds("[To:123] Bob さん\n本文"), [Kind::To(AccountId(123)), Kind::Text(" Bob さん\n本文")]);
    let message = "1007287785163345920";
    let reply = Reply { account: AccountId(2739132), room: RoomId(93207172), message };
    assert_eq!(
        kinds("[rp aid=2739132 to=93207172-1007287785163345920] sue445\ntest"),
        [Kind::Reply(reply), Kind::Text(" sue445\ntest")]
    );
    assert_eq!(reply.message_id(), MessageId(message.to_owned()));
    let nested = "[qt][qtmeta aid=1 time=1498028120]a\n[qt][qtmeta aid=2]b[/qt][/qt]";
    assert_eq!(
        kinds(nested),
        [
            Kind::Quote(Some(QuoteMeta { account: AccountId(1), time: Some(time(1498028120)) })),
            Kind::Text("a\n"),
            Kind::Quote(Some(QuoteMeta { account: AccountId(2), time: None })),
            Kind::Text("b"),
        ]
    );
    assert_eq!(outline(nested), "Quote(\"a\\n\" Quote(\"b\"))");
    assert_eq!(outline("[info][title]T[/title]a[hr]b[/info]"), r#"Info(Title("T") "a" Hr "b")"#);
    assert_eq!(kinds("[code][To:1] [info][/code]"), [Kind::Code("[To:1] [info]")]);
    assert_eq!(kinds("[info]unclosed"), [Kind::Text("[info]unclosed")]);
    assert_eq!(kinds("[To:abc]"), [Kind::Text("[To:abc]")]);
    let b = UnknownTag { name: "b", rest: "", closing: false };
    assert_eq!(kinds("a [b] c"), [Kind::Text("a "), Kind::Unknown(b), Kind::Text(" c")]);
}

#[test]
fn the_messages_of_the_service() {
    let uploaded = "[info][title][dtext:file_uploaded][/title][preview id=1341384457 ht=16]\
                    [download:1341384457]FILENAME (0 B)[/download][/info]";
    let file = FileId(1341384457);
    assert_eq!(
        kinds(uploaded),
        [
            Kind::Info,
            Kind::Title,
            Kind::Dtext("file_uploaded"),
            Kind::Preview(Preview { file, height: Some(16) }),
            Kind::Download(Download { file, label: "FILENAME (0 B)" }),
        ]
    );
    let added = "[info][title][dtext:task_added][/title]\
                 [task aid=8638511,2 st=open lt=1705642989 ltype=date]TASK[/task][/info]";
    let tree = kinds(added);
    let Kind::Task(task) = tree[3] else { panic!("{tree:?}") };
    assert!(task.accounts.iter().eq([AccountId(8638511), AccountId(2)]));
    assert_eq!(
        (task.status, task.limit, task.limit_type),
        (Some("open"), Some(time(1705642989)), Some("date"))
    );
    assert_eq!(tree[4], Kind::Text("TASK"));
    assert_eq!(kinds("[deleted]"), [Kind::Deleted]);
    assert!(matches!(kinds("[deleted] ")[0], Kind::Unknown(_)));
}

#[test]
fn every_other_tag() {
    let one = |source| match kinds(source)[..] {
        [kind] => kind,
        ref kinds => panic!("{source}: {kinds:?}"),
    };
    assert_eq!(one("[toall]"), Kind::ToAll);
    assert_eq!(one("[hr]"), Kind::Hr);
    assert_eq!(one("[picon:1]"), Kind::Picon(AccountId(1)));
    assert_eq!(one("[piconname:2]"), Kind::PiconName(AccountId(2)));
    assert_eq!(one("[pname:3]"), Kind::Pname(AccountId(3)));
    assert_eq!(one("[url]https://a/[b][/url]"), Kind::Url("https://a/[b]"));
    assert_eq!(one("[cc:12]"), Kind::Live(12));
    assert_eq!(one("[preview id=5]"), Kind::Preview(Preview { file: FileId(5), height: None }));
    let reply = Reply { account: AccountId(1), room: RoomId(2), message: "3" };
    assert_eq!(one("[返信 aid=1 to=2-3]"), Kind::Reply(reply));
    assert_eq!(one("[rp to=2-3 new=x  aid=1]"), Kind::Reply(reply));
    assert_eq!(one("[rp aid=1 to=2:3]"), Kind::Reply(reply));
    let meta = QuoteMeta { account: AccountId(1), time: Some(time(2)) };
    assert_eq!(kinds("[引用 aid=1 time=2]a[/引用]"), [Kind::Quote(Some(meta)), Kind::Text("a")]);
    assert_eq!(one("[qt][/qt]"), Kind::Quote(None));
    assert_eq!(one("[info][/info]"), Kind::Info);
    assert_eq!(one("[to:1]"), Kind::Unknown(UnknownTag { name: "to", rest: ":1", closing: false }));
    assert_eq!(
        one("[x-y a=b c=]"),
        Kind::Unknown(UnknownTag { name: "x-y", rest: " a=b c=", closing: false })
    );
    assert_eq!(one("[/b]"), Kind::Unknown(UnknownTag { name: "b", rest: "", closing: true }));
}

#[test]
fn malformed_tags_are_text() {
    for source in [
        "[",
        "]",
        "[]",
        "[[",
        "[/",
        "[/]",
        "[ hr]",
        "[hr ]",
        "[hr:1]",
        "[To:]",
        "[To:+1]",
        "[To:-1]",
        "[To: 1]",
        "[To:18446744073709551616]",
        "[To:1",
        "[To:1\n]",
        "[to do]",
        "[お知らせ]",
        "[0]",
        "[toall:1]",
        "[rp aid=1 to=2.3]",
        "[rp aid=1 to=2:3-4]",
        "[rp aid=1 to=2-]",
        "[rp aid=1]",
        "[rp aid=1 aid=2 to=3-4]",
        "[rp aid to=2-3]",
        "[rp]",
        "[qtmeta aid=1]",
        "[/qt]",
        "[/info]",
        "[/code]",
        "[/url]",
        "[code]",
        "[url]a",
        "[download:1]a",
        "[title]a[/title]",
        "[info][title]a[/title]",
        "[task aid=1, st=open]a[/task]",
        "[task aid=1 lt=x]a[/task]",
        "[引用]a[/引用]",
        "[dtext:]",
        "[dtext:あ]",
        "[cc:x]",
        "[preview ht=1]",
        "[x:]",
        "[x a]",
        "[qt][qtmeta aid=x]a",
        "[info",
    ] {
        assert_eq!(kinds(source), [Kind::Text(source)], "{source}");
    }
    assert_eq!(kinds(""), []);
    assert_eq!(parse("").nodes().count(), 0);
}

#[test]
fn an_unclosed_tag_leaves_its_content() {
    assert_eq!(outline("a[info]b[hr]c"), r#""a[info]b" Hr "c""#);
    assert_eq!(outline("[qt]a[info]b[/qt]c[/info]"), r#"Quote("a[info]b") "c[/info]""#);
    assert_eq!(outline("[info][info]a[/info]"), r#""[info]" Info("a")"#);
    assert_eq!(outline("[info][title]a[hr][/info]"), r#"Info("[title]a" Hr)"#);
    assert_eq!(outline("[info][title]a[hr][/title]b[toall]"), r#""[info][title]a" Hr "[/title]b" ToAll"#);
    assert_eq!(outline("[info][title][/title]a[/info]"), r#"Info("[title][/title]a")"#);
    assert_eq!(outline("[info]a[title]b[/title][/info]"), r#"Info("a[title]b[/title]")"#);
    assert_eq!(
        outline("[info][title]a[/title][title]b[/title][/info]"),
        r#"Info(Title("a") "[title]b[/title]")"#
    );
    assert_eq!(outline("[qt][qtmeta aid=1]a"), r#""[qt][qtmeta aid=1]a""#);
    assert_eq!(outline("[qt][qtmeta aid=x]a[/qt]"), r#"Quote("[qtmeta aid=x]a")"#);
    assert_eq!(outline("[To:1[To:2]"), r#""[To:1" To"#);
    assert_eq!(outline("[code]a[code]b[/code]c[/code]"), r#"Code "c[/code]""#);
}

#[test]
fn nodes_have_their_position_and_kind() {
    let source = "あ[info][title]T[/title]b[/info]";
    let document = parse(source);
    let info = document.nodes().nth(1).expect("the box");
    assert_eq!((info.opening(), info.closing()), ("[info]", "[/info]"));
    assert_eq!(&source[info.range()], info.source());
    assert_eq!(info.to_string(), info.source());
    let title = info.title().expect("it has one");
    assert_eq!((title.source(), title.plain_text().as_str()), ("[title]T[/title]", "T"));
    assert_eq!(info.children().count(), 2);
    assert_eq!(info.walk().count(), 8);
    let text = document.nodes().next().expect("the text");
    assert_eq!((text.opening(), text.closing(), text.children().count()), ("あ", "", 0));
    assert!(!document.is_plain());
    assert!(parse("a[0]").is_plain() && parse("").is_plain() && parse("[info]").is_plain());
    assert_eq!(parse("a").nodes().next().expect("the text").range(), 0..1);
}

#[test]
fn mentions_are_those_that_notify() {
    let document =
        parse("[To:1][qt][To:2][toall][/qt][code][To:3][/code][info][rp aid=4 to=1-1][/info][picon:5]");
    let mentions: Vec<Mention> = document.mentions().collect();
    assert_eq!(mentions, [Mention::Account(AccountId(1)), Mention::Account(AccountId(4))]);
    assert!(document.notifies(AccountId(4)) && !document.notifies(AccountId(2)));
    assert!(parse("a [toall]").notifies(AccountId(9)));
    assert_eq!(parse("[qt][qtmeta aid=1][/qt][To:2]").mentions().count(), 1);
}

#[test]
fn plain_text_reads_like_the_message() {
    let plain = |source| parse(source).plain_text().into_owned();
    assert_eq!(plain("a"), "a");
    assert_eq!(plain("a\n[hr]\nb"), "a\nb");
    assert_eq!(plain("[info][title]T[/title]a[/info]b"), "T\na\nb");
    assert_eq!(plain("a[code]b\nc[/code]d"), "a\nb\nc\nd");
    assert_eq!(plain("[rp aid=1 to=2-3] さん\n[To:4] x [To:5] y"), "さん\nx  y");
    assert_eq!(plain("[url]https://example.jp[/url] [b]x[/b]"), "https://example.jp [b]x[/b]");
    assert_eq!(plain("[download:1]a.txt (3 B)[/download]"), "a.txt (3 B)");
    assert_eq!(plain("[deleted]"), "");
    assert!(matches!(parse("a [0]").plain_text(), std::borrow::Cow::Borrowed(_)));
    assert!(matches!(parse("[info]a").plain_text(), std::borrow::Cow::Borrowed(_)));
}

#[test]
fn the_builder_writes_messages_that_the_service_reads() {
    let message = MessageBuilder::new()
        .to_all()
        .picon(AccountId(1))
        .picon_name(AccountId(2))
        .hr()
        .quote(AccountId(3), Some(time(4)), |quote| quote.quote(AccountId(5), None, |inner| inner.text("x")))
        .info(" ", |info| info)
        .code("[/code][/CODE][/cod");
    assert_eq!(
        message.as_str(),
        "[toall][picon:1][piconname:2][hr][qt][qtmeta aid=3 time=4][qt][qtmeta aid=5]x[/qt][/qt][info][/info]\
         [code]［/code]［/CODE][/cod[/code]",
    );
    assert_eq!(String::from(message.clone()), message.to_string());
    let smuggled = MessageBuilder::new().reply(RoomId(1), &MessageId("2 aid=9".to_owned()), AccountId(3));
    assert_eq!(smuggled.as_str(), "[To:3]");
    assert!(MessageBuilder::new().is_empty());
    assert_eq!(MessageBuilder::new().text("[toall] [").text("hr]").as_str(), "［toall］ ［hr］");
}

#[test]
fn hostile_input_takes_linear_time_and_no_stack() {
    // With quadratic work these would take minutes.
    let repeated = [
        "[info]",
        "[code]",
        "[url][download:1]",
        "[qt][info]",
        "[/info]",
        "[To:",
        "[qt][qtmeta aid=",
        "[info][title]",
        "[a=",
        "[task aid=1]",
        "[qt][/info]",
    ];
    for piece in repeated {
        let source = piece.repeat(2_000_000 / piece.len());
        assert_eq!(parse(&source).to_string(), source);
    }
    let depth = 100_000;
    let deep = format!("{}x{}", "[qt]".repeat(depth), "[/qt]".repeat(depth));
    let document = parse(&deep);
    assert_eq!(document.descendants().count(), depth + 1);
    assert_eq!(document.to_string(), deep);
    assert_eq!(document.plain_text(), "x");
    drop(document);
    let half = format!("{}x{}", "[info]".repeat(depth), "[/info]".repeat(depth / 2));
    assert_eq!(parse(&half).descendants().count(), depth / 2 + 2);
}
