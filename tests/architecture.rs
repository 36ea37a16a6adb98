//! The documents for contributors name only files that exist.

use std::collections::BTreeSet;
use std::path::Path;

/// The texts between backticks that look like a path: with a slash, or with the extension of a file.
fn paths(text: &str) -> BTreeSet<&str> {
    let mut code = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if !code {
            found.extend(line.split('`').skip(1).step_by(2).filter(|quoted| is_path(quoted)));
        }
    }
    found
}

fn is_path(text: &str) -> bool {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let ending = Path::new(text).extension().and_then(|ending| ending.to_str());
    let ends = matches!(ending, Some("rs" | "md" | "yaml" | "toml"));
    plain
        && (ends || text.contains('/'))
        && !text.starts_with(['/', '.'])
        && !text.starts_with("application/")
}

/// Whether the path exists in the repository or in `src`.
fn exists(path: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(path).exists() || root.join("src").join(path).exists()
}

#[test]
fn every_named_file_exists() {
    for (name, text, least) in [
        ("src/guide/internals.md", include_str!("../src/guide/internals.md"), 60),
        ("src/guide/ja/internals.md", include_str!("../src/guide/ja/internals.md"), 60),
        ("ARCHITECTURE.md", include_str!("../ARCHITECTURE.md"), 1),
        ("CONTRIBUTING.md", include_str!("../CONTRIBUTING.md"), 10),
        ("SECURITY.md", include_str!("../SECURITY.md"), 1),
    ] {
        let paths = paths(text);
        assert!(paths.len() >= least, "{name} names {} files", paths.len());
        let missing: Vec<&&str> = paths.iter().filter(|path| !exists(path)).collect();
        assert!(missing.is_empty(), "{name} names files that do not exist: {missing:?}");
    }
}

#[test]
fn the_japanese_page_names_the_same_files() {
    let [english, japanese] =
        [include_str!("../src/guide/internals.md"), include_str!("../src/guide/ja/internals.md")].map(paths);
    assert_eq!(japanese, english);
}

/// The table has a row for each of a new contributor's first questions.
#[test]
fn the_first_questions_are_answered() {
    let text = include_str!("../src/guide/internals.md");
    let (_, table) = text.split_once("# Where is …?").expect("the table");
    for (question, file) in [
        ("May a request be sent again?", "transport/verdict.rs"),
        ("Ten posts in ten seconds for each room", "transport/pace/room.rs"),
        ("A time on the wire", "lancers/zone.rs"),
        ("Idempotency keys, in the sandbox", "sandbox/tascha/idempotency.rs"),
        ("The cursor of a page stream", "page/pager.rs"),
        ("A webhook's signature", "chatwork/webhook/verifier.rs"),
    ] {
        let row = table.lines().find(|line| line.contains(question));
        assert!(row.is_some_and(|row| row.contains(file)), "{question}: {row:?}");
    }
}

#[test]
fn a_path_is_distinguished_from_other_code() {
    let text = "see `a/b.rs`, `c.md` and `tests/`, not `x::y`, `a.b()`, `application/json` or `d`\n```text\n`no/code.rs`\n```\n`e.yaml`";
    assert_eq!(paths(text).into_iter().collect::<Vec<_>>(), ["a/b.rs", "c.md", "e.yaml", "tests/"]);
}
