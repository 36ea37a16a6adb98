//! The READMEs list the crates whose types are in the public API.

use super::{README, README_JA};
use std::collections::BTreeSet;

const API: &str = include_str!("../../.ci/public-api.txt");
const LOCK: &str = include_str!("../../Cargo.lock");

/// The crates that paths begin with, by the names that programs depend on.
fn used(api: &str) -> BTreeSet<&str> {
    let paths = api.lines().flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && !"_:".contains(c)));
    // A path after `>` begins with `::`, and one of a parameter with a capital.
    let crates = paths.filter_map(|path| Some(path.split_once("::")?.0));
    crates
        .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        .filter(|name| !["alloc", "core", "kaiwa", "std"].contains(name))
        .map(|name| match name {
            "axum_core" => "axum-core",
            "clap_builder" => "clap",
            "futures_core" => "futures-core",
            "serde_core" => "serde",
            other => other,
        })
        .collect()
}

/// The rows ``| `name` version | … |`` of the table.
fn listed(readme: &str) -> Vec<(&str, &str)> {
    let cells =
        readme.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next()?.split_once("` "));
    cells.filter(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit())).collect()
}

#[test]
fn the_readmes_list_the_crates_of_the_public_api() {
    let shown = "pub fn kaiwa::a::B::c<T>(&self, T::Item) -> <url::Url as core::ops::Deref>::Target where T: serde_core::ser::Serialize";
    assert_eq!(used(shown), BTreeSet::from(["serde", "url"]));
    assert_eq!(listed("| `a` 1 | x |\n| `b` | 2 |\n| `c-d` 0.5 | `e` |"), [("a", "1"), ("c-d", "0.5")]);

    for readme in [README, README_JA] {
        let listed = listed(readme);
        assert_eq!(listed.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), used(API));
        for (name, version) in listed {
            let locked = LOCK.contains(&format!("name = \"{name}\"\nversion = \"{version}."));
            assert!(locked, "{name} {version} is not what is locked");
        }
    }
}
