//! Whom a message addresses.

use std::collections::BTreeSet;

/// The accounts that a message mentions by `[To:id]`, `[rp aid=id …]`, or, with `everybody`, by `[toall]`.
///
/// What stands in a quote notifies nobody, and what stands in `[code]` is text.
pub(super) fn mentions(body: &str, everybody: impl IntoIterator<Item = u64>) -> BTreeSet<u64> {
    let body = without(&without_code(body), "[qt]", "[/qt]");
    let mut mentioned = BTreeSet::new();
    for tag in tags(&body) {
        let id = match tag.strip_prefix("To:") {
            Some(id) => Some(id),
            None => tag.strip_prefix("rp aid=").map(|rest| rest.split(' ').next().unwrap_or(rest)),
        };
        mentioned.extend(id.and_then(|id| id.parse::<u64>().ok()));
    }
    if tags(&body).any(|tag| tag == "toall") {
        mentioned.extend(everybody);
    }
    mentioned
}

/// The insides of all brackets.
fn tags(body: &str) -> impl Iterator<Item = &str> {
    body.split('[').skip(1).filter_map(|rest| rest.split_once(']')).map(|(tag, _)| tag)
}

/// Code ends at the first end tag, whatever is inside.
fn without_code(body: &str) -> String {
    let mut kept = String::new();
    let mut rest = body;
    while let Some((before, after)) = rest.split_once("[code]") {
        let Some((_, end)) = after.split_once("[/code]") else { break };
        kept.push_str(before);
        rest = end;
    }
    kept + rest
}

/// Quotes stand in quotes. One that is never closed is text.
fn without(body: &str, open: &str, close: &str) -> String {
    let mut kept = String::new();
    let mut outer = Vec::new();
    let mut rest = body;
    loop {
        let next_open = rest.find(open).unwrap_or(usize::MAX);
        let next_close = rest.find(close).unwrap_or(usize::MAX);
        if next_open < next_close {
            kept.push_str(&rest[..next_open]);
            outer.push(kept.len());
            kept.push_str(open);
            rest = &rest[next_open + open.len()..];
        } else if next_close < usize::MAX {
            kept.push_str(&rest[..next_close]);
            match outer.pop() {
                Some(start) => kept.truncate(start),
                None => kept.push_str(close),
            }
            rest = &rest[next_close + close.len()..];
        } else {
            kept.push_str(rest);
            return kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Vec<u64> {
        mentions(body, [7, 8]).into_iter().collect()
    }

    #[test]
    fn to_reply_and_everybody_are_mentions() {
        assert_eq!(of("[To:123] Bob さん\n[To:4]"), [4, 123]);
        assert_eq!(of("[rp aid=2739132 to=93207172-1007287785163345920] sue445"), [2_739_132]);
        assert_eq!(of("[toall] hello"), [7, 8]);
        assert!(of("[To:abc] [to:1] [To: 1] a [b] c [To:1").is_empty());
    }

    #[test]
    fn quotes_and_code_mention_nobody() {
        assert_eq!(of("[qt][qtmeta aid=1 time=1][To:1]a\n[qt][To:2]b[/qt][To:3][/qt][To:4]"), [4]);
        assert_eq!(of("[code][To:1] [info][/code][To:2]"), [2]);
        assert_eq!(of("[qt][To:1] never closed"), [1]);
        assert_eq!(of("[code][To:1]"), [1]);
    }
}
