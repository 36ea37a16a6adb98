//! Long messages in several parts.

use super::{Kind, MessageBuilder, Node, Step, escape, parse};
use crate::chatwork::MAX_MESSAGE;
use crate::text::{self, Cut};

const CODE: Frame<'_> = Frame::new("[code]", "[/code]");

impl MessageBuilder {
    /// The message in parts that the service takes, one after the other: each has at most [`MAX_MESSAGE`] characters.
    ///
    /// Boxes, titles, quotes, tasks and code that do not end within a part are closed there and opened again in the next one. No
    /// tag is cut, and no character as people see it. A part ends with a line where it can. Parts of white space only are left
    /// out.
    ///
    /// ```
    /// use kaiwa::chatwork::notation::MessageBuilder;
    ///
    /// # async fn example(room: kaiwa::chatwork::RoomHandle, log: &str) -> Result<(), kaiwa::Error> {
    /// for part in MessageBuilder::new().info("ログ", |info| info.code(log)).split() {
    ///     room.post(part).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn split(&self) -> Vec<MessageBuilder> {
        self.split_to(MAX_MESSAGE)
    }

    /// As [`split`](Self::split), with parts of at most `max` characters, at least one.
    ///
    /// If the tags around a text take more than three quarters of a part, or a tag alone is longer than a part, the text or the
    /// tag stands alone and [escaped](escape), and notifies nobody. So does a character as people see it that fits into a part,
    /// but not between the tags around it. One that is longer than a part is cut.
    ///
    /// ```
    /// use kaiwa::chatwork::notation::MessageBuilder;
    ///
    /// let message = MessageBuilder::new().info("", |info| info.text("一行目です\n二行目です"));
    /// let parts: Vec<String> = message.split_to(21).into_iter().map(String::from).collect();
    /// assert_eq!(parts, ["[info]一行目です\n[/info]", "[info]二行目です[/info]"]);
    /// ```
    pub fn split_to(&self, max: usize) -> Vec<MessageBuilder> {
        if self.as_str().len() <= max || self.as_str().chars().count() <= max {
            return vec![self.clone()];
        }
        let mut splitter = Splitter::new(max.max(1));
        let document = parse(self.as_str());
        for step in document.walk() {
            match step {
                Step::Enter(node) => splitter.enter(node),
                Step::Leave(node) if node.kind().is_container() => splitter.close(),
                Step::Leave(_) => {}
            }
        }
        splitter.flush();
        let parts: Vec<_> = splitter.parts.into_iter().map(MessageBuilder::from_notation).collect();
        if parts.is_empty() { vec![Self::new()] } else { parts }
    }
}

/// A tag that holds others, or code.
#[derive(Clone, Copy)]
struct Frame<'a> {
    opening: &'a str,
    closing: &'a str,
    /// Whether something stands in it.
    used: bool,
}

impl<'a> Frame<'a> {
    const fn new(opening: &'a str, closing: &'a str) -> Self {
        Self { opening, closing, used: false }
    }

    fn length(&self) -> usize {
        self.opening.chars().count() + self.closing.chars().count()
    }
}

/// Writes one part after the other.
///
/// ```text
/// frames   [info] [title] [code]     what surrounds the text, outermost first
///          opened ^               ^  those before are open in the part; the others open with the next text
/// part     [info]abc                 `length` counts it with the closing tags of the open frames
/// ```
struct Splitter<'a> {
    max: usize,
    parts: Vec<String>,
    part: String,
    length: usize,
    /// Whether the part has more than white space.
    says_something: bool,
    frames: Vec<Frame<'a>>,
    opened: usize,
    /// The lengths of all frames, and of those that are not open.
    around: usize,
    pending: usize,
}

impl<'a> Splitter<'a> {
    fn new(max: usize) -> Self {
        Self {
            max,
            parts: Vec::new(),
            part: String::new(),
            length: 0,
            says_something: false,
            frames: Vec::new(),
            opened: 0,
            around: 0,
            pending: 0,
        }
    }

    fn enter(&mut self, node: Node<'_, 'a>) {
        match node.kind() {
            Kind::Text(text) => self.text(text),
            Kind::Code(code) => {
                self.open(CODE);
                self.text(code);
                self.close();
            }
            kind if kind.is_container() => self.open(Frame::new(node.opening(), node.closing())),
            _ => self.whole(node.source()),
        }
    }

    fn open(&mut self, frame: Frame<'a>) {
        self.around += frame.length();
        self.pending += frame.length();
        self.frames.push(frame);
    }

    fn close(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        self.around -= frame.length();
        if self.opened > self.frames.len() {
            self.opened = self.frames.len();
            self.part.push_str(frame.closing);
        } else {
            self.pending -= frame.length();
            let fits = frame.length() + self.around <= self.max && !self.is_crowded();
            if !frame.used && fits {
                self.whole(&format!("{}{}", frame.opening, frame.closing));
            }
        }
    }

    /// How many characters fit into the part, within the frames.
    fn room(&self) -> usize {
        self.max.saturating_sub(self.length + self.pending)
    }

    /// Whether the frames leave too little of a part.
    fn is_crowded(&self) -> bool {
        self.around > self.max / 4 * 3
    }

    fn text(&mut self, mut text: &str) {
        if self.is_crowded() {
            return self.bare(text);
        }
        while !text.is_empty() {
            let room = self.room();
            match (room > 0).then(|| text::cut(text, room)) {
                Some(Cut { nice: Some(length), .. }) => text = self.put(text, length),
                // In a new part there may be a better place.
                _ if !self.part.is_empty() && room <= self.max / 2 => self.flush(),
                Some(Cut { whole: Some(length), .. }) => text = self.put(text, length),
                _ if !self.part.is_empty() => self.flush(),
                Some(cut) => match text::first_grapheme(text, self.max) {
                    Some(grapheme) => {
                        self.bare(grapheme);
                        text = &text[grapheme.len()..];
                    }
                    None => text = self.put(text, cut.best()),
                },
                // A part has room for one character, as it is not crowded.
                None => return self.bare(text),
            }
            if !text.is_empty() {
                self.flush();
            }
        }
    }

    /// Adds a tag, in one piece.
    fn whole(&mut self, tag: &str) {
        let length = tag.chars().count();
        if self.is_crowded() || length + self.around > self.max {
            return self.bare(tag);
        }
        if length > self.room() {
            self.flush();
        }
        self.put(tag, tag.len());
        self.says_something = true;
    }

    /// Adds a text without what surrounds it. Without its code or its quote, a tag in it would take effect.
    fn bare(&mut self, text: &str) {
        self.flush();
        for frame in &mut self.frames {
            frame.used = true;
        }
        for part in text::split(&escape(text), self.max) {
            if !part.trim().is_empty() {
                self.parts.push(part.to_owned());
            }
        }
    }

    /// Adds the first bytes of a text that fits, and returns the rest.
    fn put<'t>(&mut self, text: &'t str, bytes: usize) -> &'t str {
        let (text, rest) = text.split_at(bytes);
        for frame in &mut self.frames[self.opened..] {
            frame.used = true;
            self.part.push_str(frame.opening);
        }
        self.opened = self.frames.len();
        self.length += std::mem::take(&mut self.pending) + text.chars().count();
        self.part.push_str(text);
        self.says_something |= !text.trim().is_empty();
        rest
    }

    /// Ends the part.
    fn flush(&mut self) {
        for frame in self.frames[..self.opened].iter().rev() {
            self.part.push_str(frame.closing);
        }
        let part = std::mem::take(&mut self.part);
        if std::mem::take(&mut self.says_something) {
            self.parts.push(part);
        }
        (self.length, self.opened, self.pending) = (0, 0, self.around);
    }
}
