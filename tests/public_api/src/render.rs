//! From the list of items to the lines of the file.

use public_api::PublicApi;
use std::collections::{BTreeMap, HashMap, HashSet};

const AUTO: [&str; 5] = [
    "core::marker::Send",
    "core::marker::Sync",
    "core::marker::Unpin",
    "core::panic::unwind_safe::UnwindSafe",
    "core::panic::unwind_safe::RefUnwindSafe",
];

/// Traits that no program on stable Rust can name.
const UNSTABLE: [&str; 3] =
    ["core::marker::Freeze", "core::marker::StructuralPartialEq", "core::marker::UnsafeUnpin"];

const HEAD: &str = "\
# The public API with all features. `bash .ci/run api` compares it, and says how this file is written anew.
";

const BETWEEN: &str = "
# The types that are not all of Send, Sync, Unpin, UnwindSafe and RefUnwindSafe, or only for some parameters.
";

pub(crate) fn text(api: &PublicApi) -> String {
    // What an item is part of, which is an implementation for the methods of one.
    let texts: HashMap<_, String> = api.items().map(|item| (item.id(), item.to_string())).collect();
    render(api.items().map(|item| {
        let parent = item.parent_id().and_then(|id| texts.get(&id));
        (item.to_string(), parent.map(String::as_str))
    }))
}

/// The text of lines, each with the line that it belongs to.
fn render<'a>(lines: impl Iterator<Item = (String, Option<&'a str>)>) -> String {
    let mut items: Vec<String> = Vec::new();
    let mut lacking: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for (line, parent) in lines {
        // An implementation is listed at its trait and at its type.
        if !seen.insert(line.clone()) {
            continue;
        }
        let Some(implementation) = Implementation::of(&line) else {
            let is_method = parent.is_some_and(|parent| Implementation::of(parent).is_some());
            if !(is_method && line.starts_with("pub fn ")) {
                items.push(line);
            }
            continue;
        };
        if UNSTABLE.contains(&implementation.name) {
            continue;
        }
        if AUTO.contains(&implementation.name) {
            if let Some(lack) = implementation.lack() {
                lacking.entry(implementation.of.to_owned()).or_default().push(lack);
            }
            continue;
        }
        let joined = items.last().and_then(|last| Implementation::of(last)?.and(&implementation));
        if let Some(joined) = joined {
            items.pop();
            items.push(joined);
        } else {
            items.push(line);
        }
    }
    let lacking = lacking.into_iter().map(|(name, lacks)| format!("{name}: {}", lacks.join(", ")));
    let lines = items.into_iter().chain([BETWEEN.to_owned()]).chain(lacking);
    std::iter::once(HEAD.to_owned()).chain(lines).map(|line| line + "\n").collect()
}

/// A line such as `impl<T> !Trait for Type<T> where T: Bound`; and `Trait + Trait` is what this program makes of two.
struct Implementation<'a> {
    /// `impl<T>`
    start: &'a str,
    is_negative: bool,
    name: &'a str,
    of: &'a str,
    bounds: Option<&'a str>,
}

impl<'a> Implementation<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let (head, rest) = line.split_once(" for ").filter(|_| line.starts_with("impl"))?;
        let (start, name) = head.split_at(after_parameters(head)?);
        let (of, bounds) = match rest.split_once(" where ") {
            Some((of, bounds)) => (of, Some(bounds)),
            None => (rest, None),
        };
        let name = name.trim_start();
        Some(Self {
            start,
            is_negative: name.starts_with('!'),
            name: name.trim_start_matches('!'),
            of,
            bounds,
        })
    }

    /// What the type lacks of an auto trait.
    fn lack(&self) -> Option<String> {
        let name = self.name.rsplit("::").next().unwrap_or(self.name);
        if self.is_negative {
            return Some(format!("not {name}"));
        }
        self.bounds.map(|bounds| match bounds.split_once(": ") {
            Some((parameter, bound)) if bound == self.name => format!("{name} if {parameter} is"),
            _ => format!("{name} where {bounds}"),
        })
    }

    /// The line for the traits of both.
    fn and(&self, next: &Implementation) -> Option<String> {
        let is_alike = self.start == next.start && self.of == next.of;
        let is_plain =
            !self.is_negative && !next.is_negative && self.bounds.is_none() && next.bounds.is_none();
        (is_alike && is_plain)
            .then(|| format!("{} {} + {} for {}", self.start, self.name, next.name, self.of))
    }
}

/// Where `impl<…>` ends.
fn after_parameters(head: &str) -> Option<usize> {
    let start = "impl".len();
    if !head[start..].starts_with('<') {
        return Some(start);
    }
    let (mut depth, mut previous) = (0, ' ');
    for (at, sign) in head.char_indices().skip(start) {
        match sign {
            '<' => depth += 1,
            // Not the arrow of `Fn() -> T`.
            '>' if previous != '-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
        previous = sign;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_of_traits_and_what_all_types_have_are_left_out() {
        let iterator = "impl<F: Fn(u8) -> u8> core::iter::Iterator for a::C<F>";
        let lines = [
            ("pub struct a::B", None),
            ("impl a::B", None),
            ("pub fn a::B::new() -> Self", Some("impl a::B")),
            ("impl core::clone::Clone for a::B", None),
            ("pub fn a::B::clone(&self) -> a::B", Some("impl core::clone::Clone for a::B")),
            ("impl core::convert::From<(u8, u8)> for a::B", None),
            ("impl core::fmt::Debug for a::B", None),
            ("impl core::marker::StructuralPartialEq for a::B", None),
            ("impl core::marker::Send for a::B", None),
            ("impl !core::marker::Sync for a::B", None),
            ("impl !core::marker::Unpin for a::B", None),
            (iterator, None),
            ("pub type a::C<F>::Item = u8", Some(iterator)),
            ("impl<F> core::clone::Clone for a::C<F> where F: core::clone::Clone", None),
            ("impl<F> core::marker::Send for a::C<F> where F: core::marker::Send", None),
            ("impl<F> core::marker::Sync for a::C<F> where <F as a::T>::U: core::marker::Copy", None),
            ("impl core::fmt::Debug for a::B", None),
        ];
        let text = render(lines.into_iter().map(|(line, parent)| (line.to_owned(), parent)));
        let kept: Vec<&str> =
            text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(
            kept,
            [
                "pub struct a::B",
                "impl a::B",
                "pub fn a::B::new() -> Self",
                "impl core::clone::Clone + core::convert::From<(u8, u8)> + core::fmt::Debug for a::B",
                iterator,
                "pub type a::C<F>::Item = u8",
                "impl<F> core::clone::Clone for a::C<F> where F: core::clone::Clone",
                "a::B: not Sync, not Unpin",
                "a::C<F>: Send if F is, Sync where <F as a::T>::U: core::marker::Copy",
            ]
        );
    }
}
