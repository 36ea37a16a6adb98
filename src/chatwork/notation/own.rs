//! The author's own text: without quotes, and without the names after addresses.

use super::plain::PlainText;
use super::{Document, Kind, Node, Step};
use crate::chatwork::AccountId;

/// What people write after a name.
const HONORIFICS: [&str; 4] = ["さん", "さま", "様", "san"];

/// A name ends before these. Characters that also join words, such as `-` and `'`, are not among them.
const ENDS_NAME: &str = "、。，．､｡,:：;；!！?？…‥「」『』【】（）()<>＜＞〜～\"“”[";

/// What follows the name of a person of whom a sentence speaks.
const PARTICLES: [char; 11] = ['か', 'が', 'で', 'と', 'に', 'の', 'は', 'へ', 'も', 'や', 'を'];

/// These belong to the address: `Bot、` and `Bot:`.
const AFTER_NAME: [char; 6] = ['、', '，', '､', ',', ':', '：'];

impl Document<'_> {
    /// The author's own text, for commands: [`plain_text`](Self::plain_text) without quotes, without the names that people's
    /// pages write after `[To:…]`, `[rp …]` and `[返信 …]`, and without surrounding white space.
    ///
    /// `names_of` returns the names of an account that are known, none or several. Only a known name of the account in the tag
    /// is left out, directly after the tag, with `さん`, `さま`, `様` or `san` and with a comma or a colon. The end, a line
    /// break, white space or punctuation must follow. `[pname:…]` and `@` with the account's number count as known names. All
    /// other words stay: no word of the author is lost.
    ///
    /// ```
    /// use kaiwa::chatwork::AccountId;
    /// use kaiwa::chatwork::notation::parse;
    ///
    /// let names_of = |account: AccountId| (account == AccountId(1)).then_some("Bot");
    /// let own_text = |body| parse(body).own_text(names_of);
    /// assert_eq!(own_text("[To:1]Bot\ndeploy"), "deploy");
    /// assert_eq!(own_text("[To:1]Botさん、deploy\n[qt]deploy?[/qt]"), "deploy");
    /// assert_eq!(own_text("[To:1] Bottle を買う"), "Bottle を買う");
    /// assert_eq!(own_text("[To:2]田中さん\nお願いします"), "田中さん\nお願いします");
    /// ```
    pub fn own_text<N>(&self, names_of: impl FnMut(AccountId) -> N) -> String
    where
        N: IntoIterator<Item: AsRef<str>>,
    {
        let mut own = OwnText {
            source: self.source(),
            names_of,
            text: PlainText::default(),
            cut: 0,
            last: Last::Other,
        };
        let mut walk = self.walk();
        while let Some(step) = walk.next() {
            match step {
                Step::Enter(node) if matches!(node.kind(), Kind::Quote(_)) => {
                    own.enter(node);
                    walk.skip_children();
                }
                Step::Enter(node) => own.enter(node),
                Step::Leave(node) => own.text.leave(node),
            }
        }
        own.text.out.trim().to_owned()
    }
}

struct OwnText<'s, F> {
    source: &'s str,
    names_of: F,
    text: PlainText,
    /// Where the name that was found last ends.
    cut: usize,
    last: Last,
}

/// What came directly before, apart from white space.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Address,
    Name,
    Other,
}

impl<F, N> OwnText<'_, F>
where
    F: FnMut(AccountId) -> N,
    N: IntoIterator<Item: AsRef<str>>,
{
    fn enter(&mut self, node: Node<'_, '_>) {
        let range = node.range();
        match node.kind() {
            Kind::To(account) => self.address(account, range.end),
            Kind::Reply(reply) => self.address(reply.account, range.end),
            Kind::Text(text) => {
                let named = self.cut.saturating_sub(range.start).min(text.len());
                self.push(&text[named..]);
            }
            // It is part of a name, or stands for one.
            Kind::Unknown(_) | Kind::Pname(_) | Kind::PiconName(_) if range.end <= self.cut => {}
            _ => {
                self.last = Last::Other;
                self.text.enter(node);
            }
        }
    }

    fn address(&mut self, account: AccountId, end: usize) {
        let known = (self.names_of)(account);
        let number = account.to_string();
        let own_forms = ["@", "[pname:", "[piconname:"].map(|before| {
            let after = if before == "@" { "" } else { "]" };
            format!("{before}{number}{after}")
        });
        let rest = &self.source[end..];
        let known = known.into_iter().filter_map(|name| address_length(rest, name.as_ref()));
        // Of two names, such as `Bot` and `Bot 2`, the longer one is meant.
        let longest = known.max().or_else(|| own_forms.iter().find_map(|form| address_length(rest, form)));
        let length = longest.or_else(|| lone_honorific(rest));
        self.last = if length.is_some() { Last::Name } else { Last::Address };
        self.cut = end + length.unwrap_or_default();
    }

    /// Adds text. Words before and after a name stay separate.
    fn push(&mut self, text: &str) {
        if self.last == Last::Other {
            return self.text.push(text);
        }
        let begins = self.text.begins_line();
        let mut text = if begins { text.trim_start_matches(is_blank) } else { text };
        if self.last == Last::Name {
            if begins {
                text = text.strip_prefix("\r\n").or_else(|| text.strip_prefix('\n')).unwrap_or(text);
            } else if !text.is_empty()
                && !self.text.out.ends_with(char::is_whitespace)
                && !text.starts_with(char::is_whitespace)
            {
                self.text.push(" ");
            } else if self.text.out.ends_with(is_blank) {
                text = text.trim_start_matches(is_blank);
            }
        }
        if !text.is_empty() {
            self.last = Last::Other;
            self.text.push(text);
        }
    }
}

/// White space within a line.
fn is_blank(character: char) -> bool {
    character.is_whitespace() && !matches!(character, '\n' | '\r')
}

/// The length of the name at the beginning of `rest`, with what belongs to it. `None` if another word begins there.
fn address_length(rest: &str, name: &str) -> Option<usize> {
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
        if matches!(honorific, "さん" | "さま") && rest.starts_with(PARTICLES) {
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

fn without_separator(text: &str) -> &str {
    match text.strip_prefix(AFTER_NAME) {
        // Not an emoticon, such as `:)`.
        Some(rest)
            if !rest.starts_with(|next: char| {
                next.is_ascii_punctuation() && !matches!(next, '/' | '!' | '[')
            }) =>
        {
            rest
        }
        _ => text,
    }
}

/// The length of an honorific that is all that stands on the line: its name is a tag that was removed, or was never written.
fn lone_honorific(rest: &str) -> Option<usize> {
    let after = rest.trim_start_matches(is_blank).strip_prefix("さん")?.trim_start_matches(is_blank);
    (after.is_empty() || after.starts_with(['\n', '\r'])).then(|| rest.len() - after.len())
}
