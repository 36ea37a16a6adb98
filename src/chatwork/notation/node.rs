//! The nodes of a message.

use super::kind::Kind;
use super::parser::{self, Entry};
use std::fmt;
use std::iter::FusedIterator;

/// Reads a message. The [module](super) describes how malformed tags are read.
///
/// ```
/// use kaiwa::chatwork::notation::{Kind, parse};
///
/// let document = parse("[info][title]お知らせ[/title]本文[/info]");
/// let info = document.nodes().next().expect("the message is a box");
/// assert_eq!(info.kind(), Kind::Info);
/// assert_eq!(info.title().map(|title| title.plain_text()).as_deref(), Some("お知らせ"));
/// ```
pub fn parse(source: &str) -> Document<'_> {
    Document { source, entries: parser::entries(source) }
}

/// A parsed message: a list of nodes, some of which have children. It borrows the message.
///
/// Its [`Display`](fmt::Display) is the original message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document<'a> {
    source: &'a str,
    /// All nodes in the order of their opening tags. Empty if the message is one text, or empty.
    entries: Vec<Entry<'a>>,
}

impl<'a> Document<'a> {
    /// The original message.
    pub fn source(&self) -> &'a str {
        self.source
    }

    /// The top-level nodes.
    pub fn nodes(&self) -> Nodes<'_, 'a> {
        Nodes::new(self, 0, self.len())
    }

    /// Every node, each before its children.
    ///
    /// ```
    /// use kaiwa::chatwork::notation::{Kind, parse};
    ///
    /// let document = parse("[info]a[hr]b[/info]");
    /// let kinds: Vec<_> = document.descendants().map(|node| node.kind()).collect();
    /// assert_eq!(kinds, [Kind::Info, Kind::Text("a"), Kind::Hr, Kind::Text("b")]);
    /// ```
    pub fn descendants(&self) -> impl Iterator<Item = Node<'_, 'a>> {
        self.walk().filter_map(|step| match step {
            Step::Enter(node) => Some(node),
            Step::Leave(_) => None,
        })
    }

    /// Visits the whole tree, with the beginning and the end of each node: for rendering without recursion.
    pub fn walk(&self) -> Walk<'_, 'a> {
        Walk::new(self, 0, self.len())
    }

    /// Whether the message is only text.
    pub fn is_plain(&self) -> bool {
        self.descendants().all(|node| matches!(node.kind(), Kind::Text(_)))
    }

    pub(super) fn len(&self) -> usize {
        if self.entries.is_empty() { usize::from(!self.source.is_empty()) } else { self.entries.len() }
    }

    fn start(&self, index: usize) -> usize {
        // The end of the message follows the last entry, and the single text without an entry.
        match self.entries.get(index) {
            Some(entry) => entry.start,
            None if index == 0 => 0,
            None => self.source.len(),
        }
    }

    /// The text of the entries `from..to`.
    fn slice(&self, from: usize, to: usize) -> &'a str {
        &self.source[self.start(from)..self.start(to)]
    }
}

impl fmt::Display for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // From the tree and not from `source`, so that tests notice a difference.
        for step in self.walk() {
            f.write_str(match step {
                Step::Enter(node) => node.opening(),
                Step::Leave(node) => node.closing(),
            })?;
        }
        Ok(())
    }
}

/// A part of a [`Document`]. Cheap to copy.
///
/// Its [`Display`](fmt::Display) is the original text of the part.
#[derive(Clone, Copy)]
pub struct Node<'d, 'a> {
    document: &'d Document<'a>,
    index: usize,
}

impl<'d, 'a> Node<'d, 'a> {
    /// The kind of the node.
    pub fn kind(&self) -> Kind<'a> {
        // Without an entry it is the single text of a plain message. Closing tags, which have no kind, are never nodes.
        self.entry().and_then(|entry| entry.kind).unwrap_or(Kind::Text(self.document.source))
    }

    /// The children, in order; empty for kinds without children.
    pub fn children(&self) -> Nodes<'d, 'a> {
        let (from, to) = self.inside();
        Nodes::new(self.document, from, to)
    }

    /// The title of a box.
    pub fn title(&self) -> Option<Node<'d, 'a>> {
        self.children().next().filter(|child| child.kind() == Kind::Title)
    }

    /// The original text of the node, with its tags and children.
    pub fn source(&self) -> &'a str {
        self.document.slice(self.index, self.end())
    }

    /// The original opening tag, with the meta of a quote. For a node without children, its whole text.
    pub fn opening(&self) -> &'a str {
        self.document.slice(self.index, self.index + 1)
    }

    /// The original closing tag; empty for a node without children.
    pub fn closing(&self) -> &'a str {
        let (from, to) = self.inside();
        if from == self.end() { "" } else { self.document.slice(to, self.end()) }
    }

    /// Its position in the message, in bytes.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.document.start(self.index)..self.document.start(self.end())
    }

    /// Visits the node and its descendants, as [`Document::walk`] does.
    pub fn walk(&self) -> Walk<'d, 'a> {
        Walk::new(self.document, self.index, self.end())
    }

    fn entry(&self) -> Option<&'d Entry<'a>> {
        self.document.entries.get(self.index)
    }

    fn end(&self) -> usize {
        self.entry().map_or(self.index + 1, |entry| entry.end)
    }

    /// The entries between its tags.
    fn inside(&self) -> (usize, usize) {
        let (first, end) = (self.index + 1, self.end());
        if first == end { (end, end) } else { (first, end - 1) }
    }
}

impl fmt::Display for Node<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source())
    }
}

impl fmt::Debug for Node<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("kind", &self.kind()).field("source", &self.source()).finish()
    }
}

/// Sibling nodes.
#[derive(Clone, Debug)]
pub struct Nodes<'d, 'a> {
    document: &'d Document<'a>,
    next: usize,
    end: usize,
}

impl<'d, 'a> Nodes<'d, 'a> {
    pub(super) fn new(document: &'d Document<'a>, next: usize, end: usize) -> Self {
        Self { document, next, end }
    }
}

impl<'d, 'a> Iterator for Nodes<'d, 'a> {
    type Item = Node<'d, 'a>;

    fn next(&mut self) -> Option<Node<'d, 'a>> {
        let node = (self.next < self.end).then_some(Node { document: self.document, index: self.next })?;
        self.next = node.end();
        Some(node)
    }
}

impl FusedIterator for Nodes<'_, '_> {}

/// A step of a [`Walk`].
#[derive(Clone, Copy, Debug)]
pub enum Step<'d, 'a> {
    /// A node begins.
    Enter(Node<'d, 'a>),
    /// A node ends. Each node that begins ends, also one without children.
    Leave(Node<'d, 'a>),
}

/// Visits a tree in the order of the text, from [`Document::walk`].
///
/// ```
/// use kaiwa::chatwork::notation::{Kind, Step, parse};
///
/// let mut html = String::new();
/// for step in parse("[info]a[hr]b[/info]").walk() {
///     match step {
///         Step::Enter(node) => match node.kind() {
///             Kind::Info => html.push_str("<div>"),
///             Kind::Hr => html.push_str("<hr>"),
///             Kind::Text(text) => html.push_str(text), // and escape it
///             _ => {}
///         },
///         Step::Leave(node) if node.kind() == Kind::Info => html.push_str("</div>"),
///         Step::Leave(_) => {}
///     }
/// }
/// assert_eq!(html, "<div>a<hr>b</div>");
/// ```
#[derive(Clone, Debug)]
pub struct Walk<'d, 'a> {
    document: &'d Document<'a>,
    next: usize,
    end: usize,
    /// The nodes that have begun and not ended.
    open: Vec<usize>,
    /// A node without children that has begun, and ends next.
    leaf: Option<usize>,
}

impl<'d, 'a> Walk<'d, 'a> {
    pub(super) fn new(document: &'d Document<'a>, next: usize, end: usize) -> Self {
        Self { document, next, end, open: Vec::new(), leaf: None }
    }

    /// Skips the children of the node that was entered last.
    ///
    /// ```
    /// use kaiwa::chatwork::notation::{Kind, Step, parse};
    ///
    /// let document = parse("a[qt]b[/qt]c");
    /// let mut walk = document.walk();
    /// let mut said = String::new();
    /// while let Some(step) = walk.next() {
    ///     match step {
    ///         Step::Enter(node) if matches!(node.kind(), Kind::Quote(_)) => walk.skip_children(),
    ///         Step::Enter(node) => said.push_str(&node.plain_text()),
    ///         Step::Leave(_) => {}
    ///     }
    /// }
    /// assert_eq!(said, "ac");
    /// ```
    pub fn skip_children(&mut self) {
        if self.leaf.is_none()
            && let Some(&index) = self.open.last()
            && self.next == index + 1
        {
            self.next = self.node(index).inside().1;
        }
    }

    fn node(&self, index: usize) -> Node<'d, 'a> {
        Node { document: self.document, index }
    }
}

impl<'d, 'a> Iterator for Walk<'d, 'a> {
    type Item = Step<'d, 'a>;

    fn next(&mut self) -> Option<Step<'d, 'a>> {
        if let Some(leaf) = self.leaf.take() {
            return Some(Step::Leave(self.node(leaf)));
        }
        if self.next == self.end {
            return None;
        }
        let node = self.node(self.next);
        self.next += 1;
        match node.entry() {
            Some(entry) if entry.kind.is_none() => self.open.pop().map(|index| Step::Leave(self.node(index))),
            Some(entry) if entry.end > node.index + 1 => {
                self.open.push(node.index);
                Some(Step::Enter(node))
            }
            _ => {
                self.leaf = Some(node.index);
                Some(Step::Enter(node))
            }
        }
    }
}

impl FusedIterator for Walk<'_, '_> {}
