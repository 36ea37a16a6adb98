//! The guide to the operations has all of them.

use kaiwa::{Operation, Safety, chatwork, lancers, tascha};
use std::collections::BTreeSet;

const ENGLISH: &str = include_str!("../../src/guide/operations.md");
const JAPANESE: &str = include_str!("../../src/guide/ja/operations.md");

/// The rows of a service's table.
fn rows<'a>(page: &'a str, service: &str) -> Vec<&'a str> {
    let (_, rest) = page.split_once(&format!("\n# {service}\n")).expect("a heading of the service");
    let table = rest.split("\n# ").next().unwrap_or_default();
    table.lines().filter(|line| line.starts_with("| `")).collect()
}

/// The code in a row: the operation, then its methods, then parameters that change the class.
fn code(row: &str) -> Vec<&str> {
    row.split('`').skip(1).step_by(2).collect()
}

/// What a row says: the operation, and its class.
fn says(row: &str) -> String {
    let class = row.rsplit('|').nth(1).unwrap_or_default().trim();
    let word: String = class.chars().take_while(char::is_ascii_alphabetic).collect();
    format!("{} {word}", code(row)[0])
}

#[test]
fn each_operation_stands_in_the_guide_with_its_class() {
    let services: [(&str, &[&Operation]); 3] = [
        ("Chatwork", chatwork::table::ALL),
        ("TAS-CHA", tascha::table::ALL),
        ("Lancers", lancers::table::ALL),
    ];
    for (service, operations) in services {
        let expected: BTreeSet<String> = operations
            .iter()
            .map(|operation| {
                let class = match operation.safety {
                    Safety::Safe => "safe",
                    Safety::Idempotent => "idempotent",
                    Safety::Keyed => "keyed",
                    Safety::Unsafe => "unsafe",
                };
                format!("{operation} {class}")
            })
            .collect();
        for page in [ENGLISH, JAPANESE] {
            let rows = rows(page, service);
            assert_eq!(rows.len(), operations.len(), "{service}");
            assert_eq!(rows.iter().map(|row| says(row)).collect::<BTreeSet<_>>(), expected);
        }
    }
}

#[test]
fn the_methods_in_the_guide_exist_and_are_the_same_in_japanese() {
    let api = include_str!("../../.ci/public-api.txt");
    for (service, module) in [("Chatwork", "chatwork"), ("TAS-CHA", "tascha"), ("Lancers", "lancers")] {
        let (english, japanese) = (rows(ENGLISH, service), rows(JAPANESE, service));
        let code_of = |rows: &[&'static str]| rows.iter().map(|row| code(row)).collect::<Vec<_>>();
        assert_eq!(code_of(&english), code_of(&japanese));
        for call in english.iter().flat_map(|row| code(row).into_iter().skip(1)) {
            for name in call.split('.').filter_map(|part| part.split_once('(')).map(|(name, _)| name) {
                let exists = api.lines().filter(|line| line.starts_with("pub ")).any(|line| {
                    line.contains(&format!("kaiwa::{module}::"))
                        && [format!("::{name}("), format!("::{name}<")].iter().any(|part| line.contains(part))
                });
                assert!(exists, "{service} has no method `{name}`, of `{call}`");
            }
        }
    }
}
