//! The name after the tag of an address, with what people write after a name.

/// What people write after a name.
const HONORIFICS: [&str; 4] = ["さん", "さま", "様", "san"];

/// A name ends before these. Characters that also join words, such as `-` and `'`, are not among them.
const ENDS_NAME: &str = "、。，．､｡,:：;；!！?？…‥「」『』【】（）()<>＜＞〜～\"“”[/／";

/// What follows the name of a person of whom a sentence speaks, as in `田中さんに聞いて`, `田中様宛`.
const IN_SENTENCE: &str = "かがくさしずっだたでとどなにねのはへまもやよらをじ宛達等方側用経";

/// These belong to the address: `Bot、` and `Bot:`.
const AFTER_NAME: [char; 6] = ['、', '，', '､', ',', ':', '：'];

/// White space within a line.
pub(super) fn is_blank(character: char) -> bool {
    character.is_whitespace() && !matches!(character, '\n' | '\r')
}

/// The length of the name at the beginning of `rest`, with what belongs to it. `None` if another word begins there.
pub(super) fn address_length(rest: &str, name: &str) -> Option<usize> {
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    let after = strip_name(rest.trim_start_matches(is_blank), name)?;
    let end = match honorific(after) {
        Honorific::Ends(end) => end,
        Honorific::None if ends_name(after) => after,
        Honorific::None | Honorific::Unclear => return None,
    };
    Some(rest.len() - without_separator(end).len())
}

/// What follows the name. The width of its blanks does not matter.
fn strip_name<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut characters = text.chars();
    for wanted in name.chars() {
        let found = characters.next()?;
        if found != wanted && !(is_blank(found) && is_blank(wanted)) {
            return None;
        }
    }
    Some(characters.as_str())
}

enum Honorific<'a> {
    /// There is one, and this follows.
    Ends(&'a str),
    /// There may be one that is part of a sentence, as in `田中 さんに聞いて`.
    Unclear,
    None,
}

fn honorific(after: &str) -> Honorific<'_> {
    let text = after.trim_start_matches(is_blank);
    for honorific in HONORIFICS {
        // "Bot-san" is written with a hyphen too.
        let text = if honorific == "san" { text.strip_prefix('-').unwrap_or(text) } else { text };
        let Some((before, rest)) = text.split_at_checked(honorific.len()) else { continue };
        if !before.eq_ignore_ascii_case(honorific) {
            continue;
        }
        if ends_name(rest) {
            return Honorific::Ends(rest);
        }
        if rest.starts_with(|next| IN_SENTENCE.contains(next)) {
            return Honorific::Unclear;
        }
    }
    Honorific::None
}

/// Whether a name may end before this text.
fn ends_name(rest: &str) -> bool {
    let mut characters = rest.chars();
    match characters.next() {
        None => true,
        // `Bot.` ends, `Bot.exe` does not.
        Some('.') => characters.next().is_none_or(char::is_whitespace),
        Some(next) => next.is_whitespace() || ENDS_NAME.contains(next),
    }
}

/// A comma or a colon belongs to the name before it, also after a blank, but not if it begins a word, such as `:)`.
fn without_separator(text: &str) -> &str {
    let Some(rest) = text.trim_start_matches(is_blank).strip_prefix(AFTER_NAME) else { return text };
    let apart = text.starts_with(is_blank) && text.trim_start().starts_with([',', ':']);
    let begins_word = |next: char| match apart {
        true => !next.is_whitespace(),
        false => next.is_ascii_punctuation() && !matches!(next, '/' | '!' | '['),
    };
    if rest.starts_with(begins_word) { text } else { rest }
}

/// The length of an honorific that is all that stands on the line: its name is a tag that was removed, or was never written.
pub(super) fn lone_honorific(rest: &str) -> Option<usize> {
    let after = rest.trim_start_matches(is_blank).strip_prefix("さん")?.trim_start_matches(is_blank);
    (after.is_empty() || after.starts_with(['\n', '\r'])).then(|| rest.len() - after.len())
}

/// Whether a text ends as a name does.
pub(super) fn ends_with_honorific(text: &str) -> bool {
    let text = text.trim_end_matches(|last: char| last.is_whitespace() || AFTER_NAME.contains(&last));
    let ends_with = |honorific: &str| {
        let start = text.len().checked_sub(honorific.len()).filter(|start| text.is_char_boundary(*start));
        start.is_some_and(|start| text[start..].eq_ignore_ascii_case(honorific))
    };
    HONORIFICS.into_iter().any(ends_with)
}
