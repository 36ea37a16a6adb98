//! The author's own text: without quotes, and without the names after addresses.

use super::own_name::{address_length, ends_with_honorific, is_blank, lone_honorific};
use super::plain::PlainText;
use super::{Document, Kind, Mention, Node, Step};
use crate::chatwork::AccountId;

impl Document<'_> {
    /// The author's own text, for commands that `reader` reads: [`plain_text`](Self::plain_text) without quotes, without the
    /// names that people's pages write after `[To:…]`, `[rp …]` and `[返信 …]`, and without surrounding white space.
    ///
    /// `names_of` returns the names of an account that are known, none or several. Only a known name of the account in the tag
    /// is left out, directly after the tag, with `さん`, `さま`, `様` or `san` and with a comma or a colon. The end, a line
    /// break, white space or punctuation must follow. `[pname:…]` and `@` with the account's number count as known names. The
    /// name of another account than the reader is left out only before the author's first word: later it is what the author
    /// speaks of. All other words stay: no word of the author is lost.
    ///
    /// ```
    /// use kaiwa::chatwork::AccountId;
    /// use kaiwa::chatwork::notation::parse;
    ///
    /// let names_of = |account: AccountId| match account.0 {
    ///     1 => Some("Bot"),
    ///     2 => Some("田中"),
    ///     _ => None,
    /// };
    /// let own_text = |body| parse(body).own_text(AccountId(1), names_of);
    /// assert_eq!(own_text("[To:1]Bot\ndeploy"), "deploy");
    /// assert_eq!(own_text("[To:2]田中さん[To:1]Botさん、deploy\n[qt]deploy?[/qt]"), "deploy");
    /// assert_eq!(own_text("[To:1]Bot\n担当 [To:2]田中さん"), "担当 田中さん");
    /// assert_eq!(own_text("[To:1] Bottle を買う"), "Bottle を買う");
    /// assert_eq!(own_text("[To:3]鈴木さん\nお願いします"), "鈴木さん\nお願いします");
    /// ```
    pub fn own_text<N>(&self, reader: AccountId, names_of: impl FnMut(AccountId) -> N) -> String
    where
        N: IntoIterator<Item: AsRef<str>>,
    {
        self.heard(reader, names_of).text().to_owned()
    }

    /// The own text, and the addresses before it.
    pub(in crate::chatwork) fn heard<N>(
        &self,
        reader: AccountId,
        names_of: impl FnMut(AccountId) -> N,
    ) -> Heard
    where
        N: IntoIterator<Item: AsRef<str>>,
    {
        let mut own = OwnText {
            source: self.source(),
            reader,
            names_of,
            text: PlainText::default(),
            cut: 0,
            last: Last::Other,
            boxes: 0,
            began: false,
            front: Some(Front::default()),
            heard: Heard::default(),
        };
        let mut walk = self.walk();
        while let Some(step) = walk.next() {
            match step {
                Step::Enter(node) if matches!(node.kind(), Kind::Quote(_)) => {
                    own.enter(node);
                    walk.skip_children();
                }
                Step::Enter(node) => own.enter(node),
                Step::Leave(node) => own.leave(node),
            }
        }
        own.end()
    }
}

/// A message to a reader of commands.
///
/// ```text
/// [To:2]田中さん      the front: addresses, with names that are left out if they are known.
/// [To:9]鈴木さん      An unknown name stays. It may be words: what the line says is for that account.
/// [To:1]Botさん
/// /deploy prod       the rest
/// ```
#[derive(Debug, Default, PartialEq)]
pub(in crate::chatwork) struct Heard {
    all: String,
    /// Where the rest begins.
    rest: usize,
    /// Whom the front addresses.
    pub(in crate::chatwork) front: Vec<Mention>,
    /// Whether the text in the front is certainly not of the rest: another address follows, or it ends as names do.
    certain: bool,
    /// Whether the rest begins in no box and no code.
    pub(in crate::chatwork) plain: bool,
}

#[cfg_attr(not(any(test, feature = "clap")), expect(dead_code))]
impl Heard {
    /// The own text.
    pub(in crate::chatwork) fn text(&self) -> &str {
        self.all.trim()
    }

    /// What follows the front, with unknown names out of the way.
    pub(in crate::chatwork) fn rest(&self) -> &str {
        self.all[self.rest..].trim()
    }

    /// What follows the front, as far as it is certain where that ends.
    pub(in crate::chatwork) fn request(&self) -> &str {
        if self.certain && !self.rest().is_empty() { self.rest() } else { self.text() }
    }
}

struct OwnText<'s, F> {
    source: &'s str,
    reader: AccountId,
    names_of: F,
    text: PlainText,
    /// Where the name that was found last ends.
    cut: usize,
    last: Last,
    /// How many boxes, titles and tasks are open.
    boxes: usize,
    /// Whether there is a word already.
    began: bool,
    /// `None` after it.
    front: Option<Front>,
    heard: Heard,
}

/// What came directly before, apart from white space.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Address,
    Name,
    Other,
}

/// The place in the front.
#[derive(Clone, Copy, Default, PartialEq)]
enum Front {
    /// A word here is of the rest.
    #[default]
    Open,
    /// After an address without a known name, on its line.
    Unnamed,
    /// After a word behind such an address, on its line.
    Doubtful,
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
                self.hear(&text[named..]);
            }
            // It is part of a name, or stands for one.
            Kind::Unknown(_) | Kind::Pname(_) | Kind::PiconName(_) if range.end <= self.cut => {}
            kind => {
                if kind == Kind::ToAll && self.front.is_some() {
                    self.heard.front.push(Mention::All);
                }
                self.boxes += usize::from(kind.is_container());
                self.last = Last::Other;
                let before = self.text.out.len();
                self.text.enter(node);
                if !self.text.out[before..].trim().is_empty() {
                    self.begin_rest(before, false);
                    self.began = true;
                }
            }
        }
    }

    fn leave(&mut self, node: Node<'_, '_>) {
        self.boxes -= usize::from(node.kind().is_container());
        self.text.leave(node);
    }

    fn address(&mut self, account: AccountId, end: usize) {
        let known: Vec<N::Item> = (self.names_of)(account).into_iter().collect();
        let is_other = account != self.reader;
        // An account of whom the author speaks keeps its name.
        let length = if is_other && self.began { None } else { self.name_length(account, &known, end) };
        self.last = if length.is_some() { Last::Name } else { Last::Address };
        self.cut = end + length.unwrap_or_default();
        if let Some(front) = &mut self.front {
            let may_be_named = is_other || known.is_empty();
            *front = if length.is_none() && may_be_named { Front::Unnamed } else { Front::Open };
            self.heard.front.push(Mention::Account(account));
            self.heard.certain = self.began;
        }
    }

    /// The length of the name after an address, with what belongs to it.
    fn name_length(&self, account: AccountId, known: &[N::Item], end: usize) -> Option<usize> {
        let own_forms = ["@", "[pname:", "[piconname:"].map(|before| {
            let after = if before == "@" { "" } else { "]" };
            format!("{before}{account}{after}")
        });
        let rest = &self.source[end..];
        let known = known.iter().filter_map(|name| address_length(rest, name.as_ref()));
        // Of two names, such as `Bot` and `Bot 2`, the longer one is meant.
        let longest = known.max().or_else(|| own_forms.iter().find_map(|form| address_length(rest, form)));
        longest.or_else(|| lone_honorific(rest))
    }

    /// Adds text. Words before and after a name stay separate.
    fn push(&mut self, text: &str) {
        self.began |= !text.trim().is_empty();
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

    /// Looks in a text that was added for the end of the front.
    fn hear(&mut self, mut text: &str) {
        while let Some(front) = self.front {
            let words = text.trim_start();
            let is_on_line = !text[..text.len() - words.len()].contains(['\n', '\r']);
            let begins_name = |first: char| first.is_alphanumeric() || "[【（(「『<＜@".contains(first);
            let doubtful = match front {
                Front::Doubtful => is_on_line,
                Front::Unnamed => is_on_line && words.starts_with(begins_name),
                Front::Open => false,
            };
            if words.is_empty() {
                // A line break ends the line of the address.
                self.front = Some(if is_on_line { front } else { Front::Open });
                return;
            }
            if !doubtful || self.boxes > 0 {
                return self.begin_rest(self.text.out.len() - words.len(), self.boxes == 0);
            }
            let line = words.find(['\n', '\r']).unwrap_or(words.len());
            self.heard.certain = ends_with_honorific(&words[..line]);
            self.front = Some(Front::Doubtful);
            text = &words[line..];
        }
    }

    fn begin_rest(&mut self, at: usize, plain: bool) {
        if self.front.take().is_some() {
            (self.heard.rest, self.heard.plain) = (at, plain);
        }
    }

    fn end(mut self) -> Heard {
        // Addresses and no more: there is no rest.
        self.begin_rest(self.text.out.len(), true);
        self.heard.all = self.text.out;
        self.heard
    }
}
