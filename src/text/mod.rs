//! Texts of people, made fit for a service or a file system: [`split`] and [`safe_file_name`].

mod file_name;
mod graphemes;
mod marks;

pub use file_name::{MAX_FILE_NAME, safe_file_name};

use graphemes::graphemes;

/// Splits a text into parts of at most `max` characters (Unicode scalar values), at least one.
///
/// A part ends with a line where that leaves it more than half full, else with a word or a sentence, else with a character as
/// people see it: an emoji, a flag or an accented letter stays whole, unless it alone is longer than `max`. The parts together
/// are the text. For Chatwork, [`MessageBuilder::split`](crate::chatwork::notation::MessageBuilder::split) also keeps boxes,
/// quotes and code closed.
///
/// ```
/// assert_eq!(kaiwa::text::split("一行目です\n二行目です", 8), ["一行目です\n", "二行目です"]);
/// assert_eq!(kaiwa::text::split("", 8), [""]);
/// ```
pub fn split(text: &str, max: usize) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    loop {
        let (part, after) = rest.split_at(cut(rest, max.max(1)).best());
        parts.push(part);
        if after.is_empty() {
            return parts;
        }
        rest = after;
    }
}

/// Where a text can be cut, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// After a line, a word or a sentence, or at the end of the text.
    pub(crate) nice: Option<usize>,
    /// As far as there is room, but not within a character as people see it. `None` if the first one does not fit.
    pub(crate) whole: Option<usize>,
    /// As far as there is room.
    hard: usize,
}

impl Cut {
    /// The best one.
    pub(crate) fn best(self) -> usize {
        self.nice.or(self.whole).unwrap_or(self.hard)
    }
}

/// Where to cut a text of which `room` characters fit, at least one.
pub(crate) fn cut(text: &str, room: usize) -> Cut {
    // The last cut after a line, and after a word, anywhere and in the second half.
    let (mut line, mut word, mut late_line, mut late_word) = (None, None, None, None);
    let (mut end, mut count) = (0, 0);
    for grapheme in graphemes(text, room) {
        count += grapheme.chars().count();
        if count > room {
            let hard = text.char_indices().nth(room).map_or(text.len(), |(at, _)| at);
            return Cut {
                nice: late_line.or(late_word).or(line).or(word),
                whole: (end > 0).then_some(end),
                hard,
            };
        }
        end += grapheme.len();
        let late = count > room / 2;
        if grapheme.ends_with('\n') {
            line = Some(end);
            late_line = late.then_some(end).or(late_line);
        } else if grapheme
            .ends_with(|last: char| last.is_whitespace() || matches!(last, '。' | '、' | '！' | '？'))
        {
            word = Some(end);
            late_word = late.then_some(end).or(late_word);
        }
    }
    Cut { nice: Some(text.len()), whole: Some(text.len()), hard: text.len() }
}

/// The first character as people see it, if it has at most `most` characters.
#[cfg(feature = "chatwork")]
pub(crate) fn first_grapheme(text: &str, most: usize) -> Option<&str> {
    graphemes(text, most).next().filter(|grapheme| grapheme.chars().count() <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation;

    #[test]
    fn parts_end_with_lines_words_or_characters() {
        assert_eq!(split("aaaa\nbbb ccc", 8), ["aaaa\n", "bbb ccc"]);
        assert_eq!(split("a\nbbbbbb cc", 9), ["a\nbbbbbb ", "cc"]);
        assert_eq!(split("今日は。明日は", 5), ["今日は。", "明日は"]);
        assert_eq!(split("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(split("abc👨‍👩‍👧e\u{301}", 6), ["abc", "👨‍👩‍👧", "e\u{301}"]);
        assert_eq!(split("🇯🇵🇯🇵", 3), ["🇯🇵", "🇯🇵"]);
        assert_eq!(split("a\r\nb", 2), ["a", "\r\n", "b"]);
        // Longer than a part: it is cut after all.
        assert_eq!(split("e\u{301}\u{302}\u{303}", 2), ["e\u{301}", "\u{302}\u{303}"]);
        assert_eq!(split("ab", 0), ["a", "b"]);
    }

    #[test]
    fn long_texts_take_linear_time() {
        for piece in ["a", "\n", " a", "\u{301}", "🇯", "👩‍", "क\u{94d}"] {
            let text = piece.repeat(1_000_000 / piece.len());
            assert_eq!(split(&text, 1_000).concat(), text);
        }
    }

    proptest! {
        #[test]
        fn parts_are_the_text_and_no_grapheme_is_cut(text in prop_oneof![graphemes::tests::difficult(), any::<String>()], max in 1..40usize) {
            let parts = split(&text, max);
            prop_assert_eq!(parts.concat(), &*text);
            let boundaries: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
            let longest = graphemes(&text, 99).map(|grapheme| grapheme.chars().count()).max().unwrap_or(0);
            let mut at = 0;
            for part in &parts {
                prop_assert!(part.chars().count() <= max);
                prop_assert!(!part.is_empty() || text.is_empty());
                prop_assert!(longest > max || at == 0 || boundaries.contains(&at), "{:?} {}", text, at);
                at += part.len();
            }
        }
    }
}
