//! What holds for every text, and for every message that can be built.

use super::*;
use crate::chatwork::{AccountId, MessageId, RoomId};
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

/// Text that is often almost a tag.
fn hostile_text() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        4 => proptest::sample::select(vec![
            "[", "]", "[/", "[info]", "[/info]", "[title]", "[/title]", "[qt]", "[/qt]", "[qtmeta aid=1 time=2]",
            "[qtmeta aid=x]", "[code]", "[/code]", "[/CODE]", "/code]", "[url]", "[/url]", "[download:1]",
            "[/download]", "[hr]", "[toall]", "toall]", "[To:1]", "[To:", "1]", "[rp aid=1 to=2-3]", "[deleted]",
            "[task aid=1,2 st=open lt=3]", "[/task]", "[preview id=1 ht=2]", "[dtext:task_done]", "[picon:1]",
            "[引用 aid=1]", "[/引用]", "[返信 aid=1 to=2-3]", "[b]", "[/b]", "[cc:1]", "\n", " ", "さん", "［",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    vec(fragment, 0..12).prop_map(|fragments| fragments.concat())
}

/// What a message is built from.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Text(String),
    To(u64),
    ToAll,
    Reply(u64, u64, u64),
    Picon(u64),
    PiconName(u64),
    Hr,
    Code(String),
    Info(String, Vec<Piece>),
    Quote(u64, Option<i64>, Vec<Piece>),
}

pub(super) fn piece() -> impl Strategy<Value = Piece> {
    let leaf = prop_oneof![
        4 => hostile_text().prop_map(Piece::Text),
        1 => any::<u64>().prop_map(Piece::To),
        1 => Just(Piece::ToAll),
        1 => any::<(u64, u64, u64)>().prop_map(|(room, message, account)| Piece::Reply(room, message, account)),
        1 => any::<u64>().prop_map(Piece::Picon),
        1 => any::<u64>().prop_map(Piece::PiconName),
        1 => Just(Piece::Hr),
        2 => hostile_text().prop_map(Piece::Code),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            (hostile_text(), vec(inner.clone(), 0..5)).prop_map(|(title, pieces)| Piece::Info(title, pieces)),
            (any::<u64>(), proptest::option::of(1..4_000_000_000i64), vec(inner, 0..5))
                .prop_map(|(account, time, pieces)| Piece::Quote(account, time, pieces)),
        ]
    })
}

pub(super) fn build(message: MessageBuilder, pieces: &[Piece]) -> MessageBuilder {
    pieces.iter().fold(message, |message, piece| match piece {
        Piece::Text(text) => message.text(text),
        Piece::To(account) => message.to(AccountId(*account)),
        Piece::ToAll => message.to_all(),
        Piece::Reply(room, id, account) => {
            message.reply(RoomId(*room), &MessageId(id.to_string()), AccountId(*account))
        }
        Piece::Picon(account) => message.picon(AccountId(*account)),
        Piece::PiconName(account) => message.picon_name(AccountId(*account)),
        Piece::Hr => message.hr(),
        Piece::Code(code) => message.code(code),
        Piece::Info(title, pieces) => message.info(title, |info| build(info, pieces)),
        Piece::Quote(account, time, pieces) => {
            let time = time.map(|seconds| Timestamp::from_second(seconds).expect("a time"));
            message.quote(AccountId(*account), time, |quote| build(quote, pieces))
        }
    })
}

/// What becomes of text, said again, so that both would have to be wrong.
fn full_width(text: &str) -> String {
    text.replace('[', "［").replace(']', "］")
}

/// The tree that the pieces ask for, a line for each step; texts next to each other are one.
#[derive(Default)]
struct Outline {
    lines: Vec<String>,
    text: String,
}

impl Outline {
    fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn line(&mut self, line: String) {
        self.end_text();
        self.lines.push(line);
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.lines.push(format!("{:?}", Kind::Text(&std::mem::take(&mut self.text))));
        }
    }

    fn asked_for(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.text(&full_width(text)),
                Piece::To(account) => self.line(format!("{:?}", Kind::To(AccountId(*account)))),
                Piece::ToAll => self.line(format!("{:?}", Kind::ToAll)),
                Piece::Reply(room, message, account) => {
                    let (account, room) = (AccountId(*account), RoomId(*room));
                    let reply = Reply { account, room, message: &message.to_string() };
                    self.line(format!("{:?}", Kind::Reply(reply)));
                }
                Piece::Picon(account) => self.line(format!("{:?}", Kind::Picon(AccountId(*account)))),
                Piece::PiconName(account) => self.line(format!("{:?}", Kind::PiconName(AccountId(*account)))),
                Piece::Hr => self.line(format!("{:?}", Kind::Hr)),
                Piece::Code(_) => self.line("Code".to_owned()),
                Piece::Info(title, pieces) => {
                    self.line(format!("{:?}", Kind::Info));
                    if !title.trim().is_empty() {
                        self.line(format!("{:?}", Kind::Title));
                        self.text(&full_width(title));
                        self.line("end".to_owned());
                    }
                    self.asked_for(pieces);
                    self.line("end".to_owned());
                }
                Piece::Quote(account, time, pieces) => {
                    let time = time.map(|seconds| Timestamp::from_second(seconds).expect("a time"));
                    let meta = QuoteMeta { account: AccountId(*account), time };
                    self.line(format!("{:?}", Kind::Quote(Some(meta))));
                    self.asked_for(pieces);
                    self.line("end".to_owned());
                }
            }
        }
    }

    fn found(document: &Document<'_>) -> Vec<String> {
        let line = |step| match step {
            Step::Enter(node) if matches!(Node::kind(&node), Kind::Code(_)) => Some("Code".to_owned()),
            Step::Enter(node) => Some(format!("{:?}", node.kind())),
            Step::Leave(node) if node.kind().is_container() => Some("end".to_owned()),
            Step::Leave(_) => None,
        };
        document.walk().filter_map(line).collect()
    }
}

/// What every parse upholds, seen from outside.
fn check(source: &str) -> Result<(), TestCaseError> {
    let document = parse(source);
    prop_assert_eq!(document.to_string(), source);
    // The parts of each node make up the node, without gaps, and no two texts touch.
    let mut position = 0;
    for step in document.walk() {
        let part = match step {
            Step::Enter(node) => node.opening(),
            Step::Leave(node) => node.closing(),
        };
        prop_assert_eq!(&source[position..position + part.len()], part);
        position += part.len();
    }
    prop_assert_eq!(position, source.len());
    let mut levels = vec![document.nodes()];
    levels.extend(document.descendants().map(|node| node.children()));
    for level in levels {
        let kinds: Vec<Kind<'_>> = level.map(|node| node.kind()).collect();
        let touching = kinds.windows(2).any(|pair| matches!(pair, [Kind::Text(_), Kind::Text(_)]));
        prop_assert!(!touching && !kinds.contains(&Kind::Text("")), "{:?}", kinds);
    }
    for node in document.descendants() {
        let children: String = node.children().map(|child| child.source()).collect();
        prop_assert_eq!(format!("{}{}{}", node.opening(), children, node.closing()), node.source());
        prop_assert!(node.kind().is_container() || node.children().next().is_none());
        // A part that was read as a tag is read as that tag on its own. `[title]` is one in its box only, and an
        // unknown `[deleted]` becomes the whole message.
        let alone = parse(node.source());
        if !matches!(node.kind(), Kind::Title | Kind::Unknown(_)) {
            prop_assert_eq!(alone.nodes().map(|node| node.kind()).collect::<Vec<_>>(), vec![node.kind()]);
        }
    }
    document.plain_text();
    document.mentions().for_each(drop);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn parsing_loses_nothing(source in hostile_text()) {
        check(&source)?;
    }

    #[test]
    fn parsing_loses_nothing_of_any_text(source in any::<String>()) {
        check(&source)?;
    }

    #[test]
    fn a_built_message_has_the_tags_that_were_asked_for(pieces in vec(piece(), 0..8)) {
        let message = build(MessageBuilder::new(), &pieces);
        let mut asked_for = Outline::default();
        asked_for.asked_for(&pieces);
        asked_for.end_text();
        prop_assert_eq!(Outline::found(&parse(message.as_str())), asked_for.lines, "{}", message);
    }

    #[test]
    fn what_users_write_notifies_nobody(texts in vec(hostile_text(), 0..6)) {
        let message = texts.iter().fold(MessageBuilder::new(), |message, text| {
            message.text(text).code(text).info(text, |info| info.text(text))
        });
        prop_assert_eq!(parse(message.as_str()).mentions().count(), 0);
    }

    #[test]
    fn code_is_kept_but_for_what_would_end_it(code in hostile_text()) {
        let message = MessageBuilder::new().code(&code);
        let document = parse(message.as_str());
        let Some(Kind::Code(kept)) = document.nodes().next().map(|node| node.kind()) else {
            return Err(TestCaseError::fail(message.to_string()));
        };
        let restored = |text: &str| text.replace('［', "[");
        prop_assert_eq!(restored(kept), restored(&code));
        if !code.to_ascii_lowercase().contains("[/code") {
            prop_assert_eq!(kept, code);
        }
    }
}
