//! Characters as people see them, which consist of several for Unicode: `é`, `👨‍👩‍👧`, `🇯🇵`, `각`.
//!
//! The rules are those of Unicode for extended grapheme clusters (UAX 29), made simpler where that joins more: a text is never
//! cut where Unicode joins, but may stay whole where Unicode cuts.

use super::marks::{JOINS_AFTER, JOINS_BEFORE};

const JOINER: char = '\u{200d}';

/// These join two consonants to one sign.
const LINKERS: &str = "\u{94d}\u{9cd}\u{acd}\u{b4d}\u{c4d}\u{d4d}\u{1039}\u{17d2}\u{1a60}\u{1b44}\u{1bab}\u{a9c0}\u{aaf6}\
                       \u{10a3f}\u{11133}\u{113d0}\u{1193e}\u{11a47}\u{11a99}\u{11f42}";

/// The graphemes of a text, in order. One that is longer than `max` characters comes in pieces of more than that: nothing is
/// read further than it is of use.
pub(super) fn graphemes(text: &str, max: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (grapheme, after) = rest.split_at(first(rest, max));
        rest = after;
        (!grapheme.is_empty()).then_some(grapheme)
    })
}

/// The length of the first grapheme, in bytes.
fn first(text: &str, max: usize) -> usize {
    let mut characters = text.char_indices();
    let Some((_, mut before)) = characters.next() else { return 0 };
    // Whether a linker came after the last letter, and whether half a flag has begun.
    let (mut linked, mut half_flag) = (false, is_flag_letter(before));
    for (number, (at, next)) in characters.enumerate() {
        let flag = half_flag && is_flag_letter(next);
        // `number` is one less than the characters so far.
        if number >= max || !(flag || joins(before, next) || (linked && next.is_alphabetic())) {
            return at;
        }
        linked = LINKERS.contains(next) || (linked && is_in(JOINS_BEFORE, next));
        half_flag = !flag && is_flag_letter(next);
        before = next;
    }
    text.len()
}

/// Whether two characters are one whatever stands before them.
fn joins(before: char, next: char) -> bool {
    match (before, next) {
        ('\r', '\n') => true,
        ('\r' | '\n', _) | (_, '\r' | '\n') => false,
        _ if before.is_ascii() && next.is_ascii() => false,
        _ => {
            before == JOINER
                || is_in(JOINS_BEFORE, next)
                || is_in(JOINS_AFTER, before)
                || joins_syllable(before, next)
        }
    }
}

/// The letters of which two are a flag.
fn is_flag_letter(character: char) -> bool {
    ('\u{1f1e6}'..='\u{1f1ff}').contains(&character)
}

/// Whether two characters are of one Korean syllable.
fn joins_syllable(before: char, next: char) -> bool {
    let leads = |c: char| matches!(c, '\u{1100}'..='\u{115f}' | '\u{a960}'..='\u{a97c}');
    let is_vowel = |c: char| matches!(c, '\u{1160}'..='\u{11a7}' | '\u{d7b0}'..='\u{d7c6}');
    let trails = |c: char| matches!(c, '\u{11a8}'..='\u{11ff}' | '\u{d7cb}'..='\u{d7fb}');
    let is_syllable = |c: char| matches!(c, '\u{ac00}'..='\u{d7a3}');
    (leads(before) && (leads(next) || is_vowel(next) || is_syllable(next)))
        || ((is_vowel(before) || is_syllable(before)) && (is_vowel(next) || trails(next)))
        || (trails(before) && trails(next))
}

fn is_in(ranges: &[(u32, u32)], character: char) -> bool {
    let code = u32::from(character);
    let after = ranges.partition_point(|(_, last)| *last < code);
    ranges.get(after).is_some_and(|(first, _)| *first <= code)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use unicode_segmentation::UnicodeSegmentation;

    /// Texts of characters that often belong together.
    pub(in super::super) fn difficult() -> impl Strategy<Value = String> {
        let pieces = vec![
            "a",
            "e",
            "\u{301}",
            "\u{200d}",
            "\u{200c}",
            "\u{fe0f}",
            "👩",
            "👧",
            "❤",
            "🏽",
            "🇯",
            "🇵",
            "\r",
            "\n",
            " ",
            "。",
            "が",
            "\u{3099}",
            "ﾊ",
            "\u{ff9e}",
            "ก",
            "\u{e33}",
            "\u{e49}",
            "ᄀ",
            "ᅡ",
            "ᆨ",
            "가",
            "각",
            "क",
            "\u{94d}",
            "ष",
            "\u{93f}",
            "\u{600}",
            "\u{e0067}",
            "\u{e007f}",
            "1",
            "\u{20e3}",
            "\u{1bab}",
        ];
        vec(prop_oneof![9 => select(pieces).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)], 0..24)
            .prop_map(|pieces| pieces.concat())
    }

    #[test]
    fn what_people_see_as_one_is_one() {
        for one in [
            "é",
            "e\u{301}\u{302}",
            "が",
            "か\u{3099}",
            "ﾊ\u{ff9e}",
            "👨‍👩‍👧",
            "❤\u{fe0f}",
            "👋🏽",
            "🇯🇵",
            "1\u{fe0f}\u{20e3}",
            "각",
            "\u{1100}\u{1161}\u{11a8}",
            "\r\n",
            "क\u{94d}षि",
            "ก\u{e33}",
            "🏴\u{e0067}\u{e0062}\u{e007f}",
        ] {
            assert_eq!(graphemes(one, 99).count(), 1, "{one:?}");
        }
        assert_eq!(graphemes("🇯🇵🇺🇸a\r\n\nか", 99).collect::<Vec<_>>(), ["🇯🇵", "🇺🇸", "a", "\r\n", "\n", "か"]);
        assert_eq!(graphemes("", 99).count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Every boundary is one of Unicode.
        #[test]
        fn nothing_is_cut_where_unicode_joins(text in difficult()) {
            let boundaries: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
            let mut at = 0;
            for grapheme in graphemes(&text, 99) {
                prop_assert!(boundaries.contains(&at), "{:?} {}", text, at);
                at += grapheme.len();
            }
            prop_assert_eq!(at, text.len());
        }
    }

    /// Each pair of characters, against Unicode.
    #[test]
    fn pairs_are_joined_as_by_unicode() {
        let joined = |text: &str| graphemes(text, 99).count() == 1;
        let mut more = 0;
        for code in 0..=0x10_ffff_u32 {
            let Some(character) = char::from_u32(code) else { continue };
            for pair in [format!("a{character}"), format!("{character}あ"), format!("{character}\u{301}")] {
                let unicode = pair.graphemes(true).count() == 1;
                assert!(joined(&pair) || !unicode, "{pair:?}");
                more += usize::from(joined(&pair) && !unicode);
            }
        }
        // Unicode cuts before and after control characters.
        assert!(more < 5_000, "{more}");
    }
}
