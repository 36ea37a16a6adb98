//! The links of the READMEs lead somewhere.

use super::{README, README_JA};
use std::collections::BTreeSet;
use std::path::Path;

/// The lines that are not code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// The targets of links and pictures.
fn targets(text: &str) -> Vec<&str> {
    let after = prose(text).flat_map(|line| line.split("](").skip(1));
    after.map(|rest| rest.split(')').next().unwrap_or_default()).collect()
}

/// From a page of the repository on GitHub: its issues.
const ISSUES: &str = "../../issues/";

/// What GitHub calls a heading in an address: in lower case, without punctuation, with a hyphen for each blank.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The anchors of the page's headings, of which there are no two alike.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings: Vec<&str> = prose(text)
        .filter(|line| line.starts_with('#'))
        .filter_map(|line| Some(line.split_once(' ')?.1))
        .collect();
    let anchors: BTreeSet<String> = headings.iter().map(|heading| anchor(heading)).collect();
    assert_eq!(anchors.len(), headings.len(), "two headings have the same anchor");
    anchors
}

#[test]
fn anchors_are_those_of_github() {
    for (heading, expected) in [
        ("Errors and outcomes", "errors-and-outcomes"),
        ("What a 0.x version may change", "what-a-0x-version-may-change"),
        ("`kaiwa::guide`, in Japanese", "kaiwaguide-in-japanese"),
        ("エラーと結果", "エラーと結果"),
        ("設定（環境変数、プロキシ）", "設定環境変数プロキシ"),
        ("Rust のバージョン", "rust-のバージョン"),
    ] {
        assert_eq!(anchor(heading), expected);
    }
    assert_eq!(targets("a [b](#c) ![d](e.png)\n```\n[f](g)\n```\n[h](i.md#j)"), ["#c", "e.png", "i.md#j"]);
}

#[test]
fn the_links_of_the_readmes_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in [("README.md", README), ("README.ja.md", README_JA)] {
        let anchors = anchors(text);
        let targets = targets(text);
        assert!(targets.len() > 30, "{name}: {targets:?}");
        for target in targets {
            let exists = match target.strip_prefix('#') {
                Some(heading) => anchors.contains(heading),
                None => target.starts_with(ISSUES) || root.join(target).exists(),
            };
            assert!(exists, "{name}: {target}");
        }
    }
}

/// The contents name each part of the page, in its order.
#[test]
fn the_contents_are_those_of_the_page() {
    for (text, contents) in [(README, "\n## Contents\n"), (README_JA, "\n## 目次\n")] {
        let (_, rest) = text.split_once(contents).expect("the contents");
        let (list, parts) = rest.split_once("\n## ").expect("a part");
        let parts = format!("## {parts}");
        let headings: Vec<String> = prose(&parts)
            .filter_map(|line| line.strip_prefix("## "))
            .map(|heading| format!("- [{heading}](#{})", anchor(heading)))
            .collect();
        let listed: Vec<&str> = list.lines().filter(|line| line.starts_with("- ")).collect();
        assert_eq!(listed, headings);
    }
}
