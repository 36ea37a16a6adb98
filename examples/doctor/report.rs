//! The findings about one service, a line each.

use std::fmt;

#[derive(Clone, Copy, PartialEq)]
pub enum Mark {
    Well,
    /// Not wrong, or not known.
    Note,
    Wrong,
}

pub struct Report {
    title: &'static str,
    lines: Vec<(Mark, &'static str, String)>,
    /// The secret, which is never printed.
    secret: Option<String>,
}

impl Report {
    pub fn new(title: &'static str, secret: Option<&str>) -> Self {
        let secret = secret.map(str::trim).filter(|secret| !secret.is_empty()).map(str::to_owned);
        Self { title, lines: Vec::new(), secret }
    }

    pub fn add(&mut self, mark: Mark, label: &'static str, text: impl fmt::Display) {
        let mut text = text.to_string();
        if let Some(secret) = &self.secret {
            text = text.replace(secret, "[redacted]");
        }
        self.lines.push((mark, label, text));
    }

    pub fn well(&mut self, label: &'static str, text: impl fmt::Display) {
        self.add(Mark::Well, label, text);
    }

    pub fn note(&mut self, label: &'static str, text: impl fmt::Display) {
        self.add(Mark::Note, label, text);
    }

    /// A problem, and what to do about it.
    pub fn wrong(&mut self, label: &'static str, text: impl fmt::Display, todo: impl fmt::Display) {
        self.add(Mark::Wrong, label, text);
        self.add(Mark::Wrong, "", format!("-> {todo}"));
    }

    pub fn is_well(&self) -> bool {
        self.lines.iter().all(|(mark, ..)| *mark != Mark::Wrong)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        self.lines.iter().try_for_each(|(mark, label, text)| {
            let mark = match (mark, label.is_empty()) {
                (_, true) => "  ",
                (Mark::Well, _) => "ok",
                (Mark::Note, _) => "--",
                (Mark::Wrong, _) => "!!",
            };
            writeln!(f, "  {mark} {label:<13} {text}")
        })
    }
}
