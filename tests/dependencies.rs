//! What is built along with the library: by whom it may be used, where it is from, and which compiler it needs.

use serde_json::Value;
use std::process::Command;

/// Every package of the lock file, for all features and systems.
fn packages() -> Vec<Value> {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--all-features", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Value = serde_json::from_slice(&cargo.stdout).expect("it is JSON");
    let packages = metadata["packages"].as_array().expect("a list").clone();
    assert!(packages.len() > 100, "{} packages", packages.len());
    packages
}

fn name(package: &Value) -> String {
    format!("{} {}", package["name"].as_str().unwrap_or("?"), package["version"].as_str().unwrap_or("?"))
}

/// The licences that `deny.toml` allows.
fn allowed() -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml")).expect("deny.toml");
    let (_, list) = text.split_once("\nallow = [").expect("a list of licences");
    let (list, _) = list.split_once(']').expect("its end");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether an SPDX expression can be met with these licences; an older form of it has `/` for `OR`.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = any(&mut rest, allowed);
    assert!(rest.is_empty(), "{expression:?} cannot be read from {rest:?} on");
    met
}

fn any(words: &mut &[&str], allowed: &[String]) -> bool {
    let mut met = all(words, allowed);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        met |= all(words, allowed);
    }
    met
}

fn all(words: &mut &[&str], allowed: &[String]) -> bool {
    let mut met = one(words, allowed);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut &[&str], allowed: &[String]) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let met = any(words, allowed);
            *words = words.strip_prefix(&[")"]).expect("a closing parenthesis");
            met
        }
        [licence, "WITH", exception, rest @ ..] => {
            *words = rest;
            allowed.contains(&format!("{licence} WITH {exception}"))
        }
        [licence, rest @ ..] => {
            *words = rest;
            allowed.iter().any(|other| other == licence)
        }
        [] => panic!("an expression ends too early"),
    }
}

#[test]
fn licence_expressions_are_read_as_spdx_has_them() {
    let allowed = ["A", "B", "C WITH x"].map(str::to_owned);
    for met in ["A", "A AND B", "A OR Z", "Z/A", "Z AND Z OR A", "A AND (Z OR B)", "(C WITH x OR Z) AND A"] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for unmet in ["Z", "A AND Z", "Z OR Z", "A AND (Z OR Y)", "C", "C WITH y", "A AND Z OR Z"] {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}

#[test]
fn all_licences_are_among_those_of_deny_toml() {
    let allowed = allowed();
    assert!(allowed.iter().any(|licence| licence == "MIT"), "{allowed:?}");
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(!licence.is_empty(), "{} has no licence", name(&package));
        assert!(is_met(licence, &allowed), "{} is under {licence}", name(&package));
    }
}

#[test]
fn all_packages_are_from_the_registry() {
    for package in packages() {
        let own = package["name"] == "kaiwa";
        let source = package["source"].as_str().unwrap_or("a path");
        assert!(
            own || source == "registry+https://github.com/rust-lang/crates.io-index",
            "{} is from {source}",
            name(&package)
        );
    }
}

/// Nothing that a user builds asks for a compiler newer than the one that the manifest promises.
#[test]
fn no_dependency_needs_a_newer_compiler_than_promised() {
    let version = |text: &str| -> Vec<u32> {
        let mut parts: Vec<u32> = text.split('.').map(|part| part.parse().expect("a number")).collect();
        parts.resize(3, 0);
        parts
    };
    let promised = version(env!("CARGO_PKG_RUST_VERSION"));
    for package in packages() {
        if let Some(needed) = package["rust_version"].as_str() {
            assert!(version(needed) <= promised, "{} needs Rust {needed}", name(&package));
        }
    }
}
