use arbitrary::Unstructured;
use jiff::Timestamp;
use kaiwa::chatwork::notation::{Document, Kind, Mention, MessageBuilder, Node, parse};
use kaiwa::chatwork::{AccountId, MessageId, RoomId};

/// The builder's closures are nested as deeply as the boxes are.
const MAX_DEPTH: u8 = 32;

/// Writing: a message has exactly the requested tags, whatever texts it contains.
pub fn message(data: &[u8]) {
    let mut asked_for = Asked::default();
    let top = Place { depth: 0, quoted: false };
    let message = pieces(&mut Unstructured::new(data), MessageBuilder::new(), top, &mut asked_for);
    let document = parse(message.as_str());
    assert_eq!(document.to_string(), message.as_str());
    assert!(document.mentions().eq(asked_for.mentions), "{message}");
    let tags: Vec<Tag> = document.descendants().filter_map(|node| tag(node.kind())).collect();
    assert_eq!(tags, asked_for.tags, "{message}");
    document.plain_text();
    let max = data.first().map_or(1, |first| 1 + usize::from(*first) * 8);
    split(&message, max);
}

/// Every part is within the limit and complete, nothing is lost, and nobody is notified who was not before.
fn split(message: &MessageBuilder, max: usize) {
    let parts = message.split_to(max);
    let document = parse(message.as_str());
    let mut mentions = document.mentions();
    let mut whole = String::new();
    for part in &parts {
        assert!(part.as_str().chars().count() <= max, "{max}: {part}");
        let part = parse(part.as_str());
        for mention in part.mentions() {
            assert!(mentions.any(|asked_for| asked_for == mention), "{max}: {message}");
        }
        let is_whole =
            |node: Node<'_, '_>| !matches!(node.kind(), Kind::Text(text) if text.contains(['[', ']']));
        assert!(part.descendants().all(is_whole), "{max}: {part}");
        whole.push_str(&content(&part));
    }
    assert_eq!(whole, content(&document), "{max}: {message}");
}

/// All text and single tags, without white space and with brackets as before they were escaped.
fn content(document: &Document<'_>) -> String {
    let leaf = |node: Node<'_, '_>| match node.kind() {
        Kind::Code(code) => code.to_owned(),
        Kind::Info | Kind::Title | Kind::Quote(_) => String::new(),
        _ => node.source().to_owned(),
    };
    let leaves: String = document.descendants().map(leaf).collect();
    leaves.replace('［', "[").replace('］', "]").split_whitespace().collect()
}

#[derive(Default)]
struct Asked {
    tags: Vec<Tag>,
    mentions: Vec<Mention>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Tag {
    To(u64),
    ToAll,
    Reply(u64, u64),
    Picon(u64),
    PiconName(u64),
    Hr,
    Code,
    Info,
    Title,
    Quote(u64, i64),
}

fn tag(kind: Kind<'_>) -> Option<Tag> {
    Some(match kind {
        Kind::Text(_) => return None,
        Kind::To(account) => Tag::To(account.0),
        Kind::ToAll => Tag::ToAll,
        Kind::Reply(reply) => Tag::Reply(reply.account.0, reply.room.0),
        Kind::Picon(account) => Tag::Picon(account.0),
        Kind::PiconName(account) => Tag::PiconName(account.0),
        Kind::Hr => Tag::Hr,
        Kind::Code(_) => Tag::Code,
        Kind::Info => Tag::Info,
        Kind::Title => Tag::Title,
        Kind::Quote(Some(meta)) => Tag::Quote(meta.account.0, meta.time.map_or(0, Timestamp::as_second)),
        other => panic!("{other:?} was not requested"),
    })
}

/// The part of a message in which a piece is written.
#[derive(Clone, Copy)]
struct Place {
    depth: u8,
    quoted: bool,
}

/// Adds pieces until the data ends them, or runs out.
fn pieces(
    data: &mut Unstructured<'_>,
    mut message: MessageBuilder,
    place: Place,
    asked: &mut Asked,
) -> MessageBuilder {
    while let Ok((choice, number, text)) = data.arbitrary::<(u8, u64, &str)>() {
        let account = AccountId(number);
        let before = message.clone();
        let inner = Place { depth: place.depth + 1, ..place };
        // A quotation notifies no one.
        let mut mention = |mention| asked.mentions.extend((!place.quoted).then_some(mention));
        message = match choice % 12 {
            0 | 1 => message.text(text),
            2 => {
                asked.tags.push(Tag::Code);
                message.code(text)
            }
            3 => {
                mention(Mention::Account(account));
                asked.tags.push(Tag::To(number));
                message.to(account)
            }
            4 => {
                mention(Mention::All);
                asked.tags.push(Tag::ToAll);
                message.to_all()
            }
            5 => {
                mention(Mention::Account(account));
                // The id of a message is text, and may come from an untrusted source.
                let reply = message.reply(RoomId(5), &MessageId(text.to_owned()), account);
                let replies = reply.as_str()[before.as_str().len()..].starts_with("[rp ");
                assert!(!replies || text.bytes().all(|byte| byte.is_ascii_digit()), "{text} is not an id");
                asked.tags.push(if replies { Tag::Reply(number, 5) } else { Tag::To(number) });
                reply
            }
            6 => {
                asked.tags.push(Tag::Picon(number));
                message.picon(account)
            }
            7 => {
                asked.tags.push(Tag::PiconName(number));
                message.picon_name(account)
            }
            8 => {
                asked.tags.push(Tag::Hr);
                message.hr()
            }
            9 if place.depth < MAX_DEPTH => {
                asked.tags.push(Tag::Info);
                if !text.trim().is_empty() {
                    asked.tags.push(Tag::Title);
                }
                message.info(text, |info| pieces(data, info, inner, asked))
            }
            10 if place.depth < MAX_DEPTH => {
                let time = Timestamp::from_second((number % (1 << 34)) as i64).ok();
                asked.tags.push(Tag::Quote(number, time.map_or(0, Timestamp::as_second)));
                let inner = Place { quoted: true, ..inner };
                message.quote(account, time, |quote| pieces(data, quote, inner, asked))
            }
            _ => return message,
        };
        // Reading past the end of the data returns zeroes for ever.
        if data.is_empty() {
            break;
        }
    }
    message
}
