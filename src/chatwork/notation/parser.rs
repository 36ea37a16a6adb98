//! The parser, in one pass from left to right.
//!
//! Nodes are kept in one list, in the order of the text. A tag with children has a second entry for its closing tag, and the
//! index of that. If a tag turns out to be unclosed, it becomes text, and its children become its siblings without being read
//! again. Nothing recurses, however deeply tags are nested.

use super::head::{self, Container, Head, Literal};
use super::kind::{Download, Kind};
use memchr::memmem::Finder;
use memchr::{memchr, memchr3};

/// A node, or the closing tag of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// The kind of the node; `None` for a closing tag.
    pub(super) kind: Option<Kind<'a>>,
    /// Where it begins. It ends where the next entry begins: entries leave no gaps.
    pub(super) start: usize,
    /// The index after the last entry that belongs to it.
    pub(super) end: usize,
}

/// The entries of `source`; empty if it is only text.
pub(super) fn entries(source: &str) -> Vec<Entry<'_>> {
    let mut parser = Parser {
        source,
        entries: Vec::new(),
        open: Vec::new(),
        open_count: [0; Container::COUNT],
        text_start: 0,
        code: Closer::new("[/code]"),
        url: Closer::new("[/url]"),
        download: Closer::new("[/download]"),
        reopened: false,
    };
    parser.run();
    parser.finish()
}

struct Parser<'a> {
    source: &'a str,
    entries: Vec<Entry<'a>>,
    /// The open tags, outermost first.
    open: Vec<(Container, usize)>,
    /// How many of each kind of tag are in `open`, so that an unmatched closing tag costs no search.
    open_count: [usize; Container::COUNT],
    /// The start of the text that has no entry yet.
    text_start: usize,
    code: Closer,
    url: Closer,
    download: Closer,
    /// Whether a tag with an entry became text, so that texts may be next to each other.
    reopened: bool,
}

impl<'a> Parser<'a> {
    fn run(&mut self) {
        let mut position = 0;
        while let Some(start) = find(self.source, position, b'[') {
            let (inner, after) = match bracketed(self.source, start) {
                Bracketed::Yes(inner, after) => (inner, after),
                Bracketed::NotBefore(next) => {
                    position = next;
                    continue;
                }
                Bracketed::NeverAgain => break,
            };
            position = match head::read(inner) {
                Head::Single(kind) => {
                    // `[deleted]` only counts as the whole message.
                    let whole = start == 0 && after == self.source.len();
                    let kind = if whole && inner == "deleted" { Kind::Deleted } else { kind };
                    self.push(Some(kind), start, after)
                }
                Head::Literal(literal) => self.literal(literal, start, after),
                Head::Open(container, kind) => self.open(container, kind, start, after),
                Head::Close(container) => self.close(container, start, after),
                Head::Text => after,
            };
        }
    }

    /// Adds an entry for `start..after`, and before it one for the preceding text.
    fn push(&mut self, kind: Option<Kind<'a>>, start: usize, after: usize) -> usize {
        self.push_text(start);
        self.entries.push(Entry { kind, start, end: self.entries.len() + 1 });
        self.text_start = after;
        after
    }

    fn push_text(&mut self, end: usize) {
        let start = self.text_start;
        if start < end {
            let kind = Some(Kind::Text(&self.source[start..end]));
            self.entries.push(Entry { kind, start, end: self.entries.len() + 1 });
        }
    }

    fn literal(&mut self, literal: Literal, start: usize, after: usize) -> usize {
        let closer = match literal {
            Literal::Code => &mut self.code,
            Literal::Url => &mut self.url,
            Literal::Download(_) => &mut self.download,
        };
        let Some(end) = closer.find(self.source, after) else { return after };
        let content = &self.source[after..end];
        let after = end + closer.tag.len();
        let kind = match literal {
            Literal::Code => Kind::Code(content),
            Literal::Url => Kind::Url(content),
            Literal::Download(file) => Kind::Download(Download { file, label: content }),
        };
        self.push(Some(kind), start, after)
    }

    fn open(&mut self, container: Container, mut kind: Kind<'a>, start: usize, mut after: usize) -> usize {
        if container == Container::Title && !self.may_begin_title(start, after) {
            return after;
        }
        if container == Container::Quote
            && self.source.as_bytes().get(after) == Some(&b'[')
            && let Bracketed::Yes(inner, meta_end) = bracketed(self.source, after)
            && let Some(meta) = head::quote_meta(inner)
        {
            kind = Kind::Quote(Some(meta));
            after = meta_end;
        }
        self.push(Some(kind), start, after);
        self.open.push((container, self.entries.len() - 1));
        self.open_count[container as usize] += 1;
        after
    }

    /// A title must be directly after `[info]`, and not be empty.
    fn may_begin_title(&self, start: usize, after: usize) -> bool {
        let after_info = self.text_start == start
            && self.open.last().is_some_and(|(container, index)| {
                *container == Container::Info && index + 1 == self.entries.len()
            });
        after_info && !self.source[after..].starts_with("[/title]")
    }

    fn close(&mut self, container: Container, start: usize, after: usize) -> usize {
        if self.open_count[container as usize] == 0 {
            return after;
        }
        while let Some((closed, index)) = self.open.pop() {
            self.open_count[closed as usize] -= 1;
            if closed == container {
                self.push(None, start, after);
                self.entries[index].end = self.entries.len();
                break;
            }
            self.reopen(index);
        }
        after
    }

    /// Turns an unclosed tag into text.
    fn reopen(&mut self, index: usize) {
        self.reopened = true;
        let is_info = self.entries[index].kind == Some(Kind::Info);
        self.make_text(index);
        // The title of an unclosed box becomes text too.
        if is_info
            && let Some(title) = self.entries.get(index + 1)
            && title.kind == Some(Kind::Title)
        {
            let closing = title.end - 1;
            self.make_text(index + 1);
            self.make_text(closing);
        }
    }

    fn make_text(&mut self, index: usize) {
        let end = self.entries.get(index + 1).map_or(self.text_start, |next| next.start);
        let entry = &mut self.entries[index];
        entry.kind = Some(Kind::Text(&self.source[entry.start..end]));
        entry.end = index + 1;
    }

    fn finish(mut self) -> Vec<Entry<'a>> {
        while let Some((_, index)) = self.open.pop() {
            self.reopen(index);
        }
        if !self.entries.is_empty() {
            self.push_text(self.source.len());
        }
        if self.reopened {
            join_texts(self.source, &mut self.entries);
        }
        self.entries
    }
}

/// Joins adjacent texts.
fn join_texts<'a>(source: &'a str, entries: &mut Vec<Entry<'a>>) {
    let mut kept = 0_usize;
    let mut open = Vec::new();
    for index in 0..entries.len() {
        let mut entry = entries[index].clone();
        let end = entries.get(index + 1).map_or(source.len(), |next| next.start);
        if matches!(entry.kind, Some(Kind::Text(_))) {
            if let Some(before) = kept.checked_sub(1).and_then(|before| entries.get_mut(before))
                && matches!(before.kind, Some(Kind::Text(_)))
            {
                before.kind = Some(Kind::Text(&source[before.start..end]));
                continue;
            }
            entry.kind = Some(Kind::Text(&source[entry.start..end]));
        }
        entry.end = kept + 1;
        match entry.kind {
            Some(kind) if kind.is_container() => open.push(kept),
            Some(_) => {}
            None => {
                if let Some(opened) = open.pop() {
                    entries[opened].end = kept + 1;
                }
            }
        }
        entries[kept] = entry;
        kept += 1;
    }
    entries.truncate(kept);
}

enum Bracketed<'a> {
    /// The text between the brackets, and the end of the closing one.
    Yes(&'a str, usize),
    /// No tag begins here, nor anywhere before this position.
    NotBefore(usize),
    /// No tag begins here or later.
    NeverAgain,
}

/// The text between the `[` at `start` and its `]`, on one line and without another `[`.
///
/// Stopping at the next `[` also keeps parsing linear: no byte is read for two tags.
fn bracketed(source: &str, start: usize) -> Bracketed<'_> {
    let inner = start + 1;
    let Some(length) = memchr3(b']', b'[', b'\n', &source.as_bytes()[inner..]) else {
        return Bracketed::NeverAgain;
    };
    let end = inner + length;
    match source.as_bytes()[end] {
        b']' => Bracketed::Yes(&source[inner..end], end + 1),
        _ => Bracketed::NotBefore(end),
    }
}

fn find(source: &str, from: usize, byte: u8) -> Option<usize> {
    memchr(byte, &source.as_bytes()[from..]).map(|offset| from + offset)
}

/// Finds the next closing tag of a kind. The result is cached, also if there is none, so that unclosed tags do not each search
/// the rest of the message.
struct Closer {
    tag: &'static str,
    next: Next,
}

enum Next {
    Unknown,
    At(usize),
    None,
}

impl Closer {
    const fn new(tag: &'static str) -> Self {
        Self { tag, next: Next::Unknown }
    }

    fn find(&mut self, source: &str, from: usize) -> Option<usize> {
        match self.next {
            Next::At(position) if position >= from => return Some(position),
            Next::None => return None,
            Next::At(_) | Next::Unknown => {}
        }
        let found = Finder::new(self.tag).find(&source.as_bytes()[from..]).map(|offset| from + offset);
        self.next = found.map_or(Next::None, Next::At);
        found
    }
}
