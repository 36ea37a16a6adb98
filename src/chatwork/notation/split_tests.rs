//! Long messages in parts.

use super::properties::{build, piece};
use super::*;
use crate::chatwork::{AccountId, MAX_MESSAGE, MessageId, RoomId};
use proptest::collection::vec;
use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

fn parts(message: &MessageBuilder, max: usize) -> Vec<String> {
    message.split_to(max).into_iter().map(String::from).collect()
}

/// What people read of a message, and its tags without those that hold others; brackets are as they were before escaping.
fn content(message: &str) -> String {
    let leaf = |node: Node<'_, '_>| match node.kind() {
        Kind::Code(code) => code.to_owned(),
        kind if kind.is_container() => String::new(),
        _ => node.source().to_owned(),
    };
    let leaves: String = parse(message).descendants().map(leaf).collect();
    leaves.replace('［', "[").replace('］', "]").split_whitespace().collect()
}

#[test]
fn what_is_open_is_closed_and_opened_again() {
    let message = MessageBuilder::new()
        .reply(RoomId(1), &MessageId::from("2"), AccountId(3))
        .info("件名", |info| {
            info.text("一行目\n").quote(AccountId(4), None, |quote| quote.text("二行目\n三行目")).hr()
        })
        .code("a = 1\nb = 2\nc = 3\n");
    assert_eq!(
        parts(&message, 60),
        [
            "[rp aid=3 to=1-2][info][title]件名[/title]一行目\n[/info]",
            "[info][qt][qtmeta aid=4]二行目\n三行目[/qt][hr][/info]",
            "[code]a = 1\nb = 2\nc = 3\n[/code]",
        ]
    );
    assert_eq!(
        parts(&MessageBuilder::new().code("a = 1\nb = 2\nc = 3\n"), 27),
        ["[code]a = 1\nb = 2\n[/code]", "[code]c = 3\n[/code]"]
    );
    let title = MessageBuilder::new()
        .info("あいうえおかきくけこさしすせそた", |info| info.text("本文"));
    assert_eq!(
        parts(&title, 40),
        ["[info][title]あいうえおかきくけこさし[/title][/info]", "[info][title]すせそた[/title]本文[/info]"]
    );
}

#[test]
fn a_short_message_stays_as_it_is() {
    let message = MessageBuilder::new().info("", |info| info).text("あ".repeat(MAX_MESSAGE - 13));
    assert_eq!(message.split(), std::slice::from_ref(&message));
    assert_eq!(MessageBuilder::new().split(), [MessageBuilder::new()]);
    let longer = message.text("い");
    let parts = longer.split();
    assert_eq!(parts.iter().map(|part| part.as_str().chars().count()).collect::<Vec<_>>(), [MAX_MESSAGE, 1]);
    assert_eq!(parts[1].as_str(), "い");
    // A part of white space would be refused by the service.
    assert_eq!(MessageBuilder::new().text("あ".repeat(MAX_MESSAGE)).text("\n").split().len(), 1);
}

#[test]
fn tags_and_characters_stay_whole() {
    let family = "👨‍👩‍👧";
    let message = MessageBuilder::new().text("aaaaaa").to(AccountId(123)).text(family.repeat(2));
    assert_eq!(parts(&message, 9), ["aaaaaa", "[To:123]", family, family]);
    // Nothing fits: what would be a tag is escaped, so that nobody is notified by half a quote.
    assert_eq!(parts(&message, 6), ["aaaaaa", "［To:12", "3］", family, family]);
    let crowded =
        MessageBuilder::new().quote(AccountId(1), None, |quote| quote.to(AccountId(2)).code("[toall]"));
    assert_eq!(parts(&crowded, 20), ["［To:2］", "［toall］"]);
}

/// One character for people.
const FAMILY: &str = "👩🏽\u{200d}👩🏽\u{200d}👧🏽\u{200d}👦🏽";

#[test]
fn a_character_that_does_not_fit_between_tags_stands_alone() {
    let boxed = |text: &str| MessageBuilder::new().info("", |info| info.text(text));
    let text = format!("ab{FAMILY}cd");
    // It has 11 characters, and the box 13.
    let family = format!("[info]{FAMILY}[/info]");
    assert_eq!(parts(&boxed(&text), 24), ["[info]ab[/info]", &family, "[info]cd[/info]"]);
    assert_eq!(parts(&boxed(&text), 23), ["[info]ab[/info]", FAMILY, "[info]cd[/info]"]);
    assert_eq!(parts(&MessageBuilder::new().code(&text), 23), ["[code]ab[/code]", FAMILY, "[code]cd[/code]"]);
    // There is room for more, but not in this part.
    let long = "e".to_owned() + &"\u{301}".repeat(30);
    let message = MessageBuilder::new().text("a").info("", |info| info.text(format!("b{long}c")));
    assert_eq!(parts(&message, 44), ["a[info]b[/info]", &format!("[info]{long}[/info]"), "[info]c[/info]"]);
    // Longer than a part: it is cut after all.
    let cut = parts(&boxed(&long), 20);
    assert_eq!(content(&cut.concat()), long);
    assert!(cut.iter().all(|part| part.chars().count() <= 20), "{cut:?}");
}

#[test]
fn deep_nesting_does_not_make_it_grow_without_end() {
    let deep = |depth: usize, inner: &str| {
        (0..depth).fold(MessageBuilder::new().text(inner), |inner, _| {
            MessageBuilder::new().info("", |info| info.append(&inner))
        })
    };
    for depth in [10, 3_000, 4_000, 20_000] {
        let message = deep(depth, &"あ".repeat(100_000));
        let parts = message.split();
        let whole: usize = parts.iter().map(|part| part.as_str().chars().count()).sum();
        assert!(parts.iter().all(|part| part.as_str().chars().count() <= MAX_MESSAGE));
        assert!(whole <= 5 * message.as_str().chars().count(), "{depth}: {whole}");
        let content: usize = parts.iter().map(|part| content(part.as_str()).chars().count()).sum();
        assert_eq!(content, 100_000, "{depth}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn nothing_is_lost_and_every_part_stands_alone(pieces in vec(piece(), 0..8), max in prop_oneof![1..60usize, 60..1500usize]) {
        let message = build(MessageBuilder::new(), &pieces);
        let parts = parts(&message, max);
        for part in &parts {
            prop_assert!(part.chars().count() <= max || parts.len() == 1 && part.is_empty(), "{}", part);
            // All tags are closed: nothing of the frames is text.
            for node in parse(part).descendants() {
                if let Kind::Text(text) = node.kind() {
                    prop_assert!(!text.contains(['[', ']']), "{:?} in {}", text, part);
                }
            }
        }
        let whole: String = parts.iter().map(|part| content(part)).collect();
        prop_assert_eq!(whole, content(message.as_str()));
        let document = parse(message.as_str());
        let mut asked_for = document.mentions();
        let found: Vec<Mention> = parts.iter().flat_map(|part| parse(part).mentions().collect::<Vec<_>>()).collect();
        // Those of tags that did not fit are text.
        prop_assert!(found.iter().all(|mention| asked_for.any(|asked| asked == *mention)), "{:?}", parts);
        if max >= 1000 {
            prop_assert_eq!(found, document.mentions().collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_character_is_cut_within_tags(words in vec(prop_oneof!["👨‍👩‍👧|🇯🇵|e\u{301}|❤\u{fe0f}|a|。", Just(FAMILY.to_owned())], 1..40), code in any::<bool>(), max in 13..40usize) {
        let text = words.concat();
        let message = MessageBuilder::new();
        let message = if code { message.code(&text) } else { message.info("", |info| info.text(&text)) };
        let characters: Vec<&str> = text.graphemes(true).collect();
        let parts = parts(&message, max);
        let bare = parts.iter().map(|part| ["[info]", "[/info]", "[code]", "[/code]"].iter().fold(part.clone(), |part, tag| part.replace(tag, "")));
        let bare: Vec<String> = bare.collect();
        prop_assert_eq!(bare.iter().flat_map(|part| part.graphemes(true)).collect::<Vec<_>>(), characters, "{:?}", parts);
    }

    #[test]
    fn no_character_is_cut(words in vec(prop_oneof!["👨‍👩‍👧|🇯🇵|e\u{301}|か\u{3099}|❤\u{fe0f}|a|\r\n|。".prop_map(|word| word)], 1..60), max in 8..40usize) {
        let text = words.concat();
        let message = MessageBuilder::new().text(&text);
        let boundaries: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).chain([text.len()]).collect();
        let mut rest = 0;
        for part in parts(&message, max) {
            // Parts of white space are left out.
            let at = rest + text[rest..].find(&part).expect("it is a part of the text");
            prop_assert!(boundaries.contains(&at) && boundaries.contains(&(at + part.len())), "{:?}", part);
            prop_assert!(text[rest..at].trim().is_empty());
            rest = at + part.len();
        }
        prop_assert!(text[rest..].trim().is_empty());
    }
}
