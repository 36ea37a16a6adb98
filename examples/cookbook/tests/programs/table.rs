//! The table of the README, the programs, and what they have in common.

use crate::{bare, end, program};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The sources, by name.
fn sources() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    let files = fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files.map(|path| (name(&path), fs::read_to_string(&path).expect("a text"))).collect()
}

/// The cells of the rows that name a program, by the program.
fn rows() -> BTreeMap<String, Vec<String>> {
    let readme = include_str!("../../README.md");
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows = readme.lines().filter(|line| line.starts_with("| `")).map(cells);
    let name = |cells: &Vec<String>| cells[0].trim_matches('`').to_owned();
    rows.map(|cells: Vec<String>| (name(&cells), cells)).collect()
}

#[test]
fn the_table_has_each_program_with_its_command_and_its_crates() {
    let (sources, rows) = (sources(), rows());
    assert!(sources.len() >= 20);
    assert_eq!(sources.keys().collect::<Vec<_>>(), rows.keys().collect::<Vec<_>>());
    let manifest = include_str!("../../Cargo.toml");
    let dependencies = manifest.split("[dependencies]").nth(1).and_then(|rest| rest.split("\n[").next());
    let crates: Vec<_> =
        dependencies.expect("a section").lines().filter_map(|line| line.split_once(" = {")).collect();
    let module = include_str!("../../src/outbox_postgres.rs");
    for (name, source) in &sources {
        let [_, english, japanese, command, features, needs] = &rows[name][..] else {
            panic!("{:?}", rows[name])
        };
        assert!(!english.is_empty() && !japanese.is_ascii(), "{name}");
        assert!(command.contains(name.as_str()), "{name}: {command}");
        let stands_on = if source.contains("kaiwa_cookbook") { module } else { "" };
        let uses =
            |library: &str| [source, stands_on].iter().any(|text| text.contains(&format!("{library}::")));
        let is_common = |package: &str| ["anyhow", "kaiwa", "tokio"].contains(&package);
        let used = crates.iter().map(|(package, _)| *package);
        let used = used.filter(|package| uses(&package.replace('-', "_")) && !is_common(package));
        let used: Vec<_> = used.map(|package| format!("`{package}`")).collect();
        assert_eq!(needs, &used.join(", "), "{name}");
        let signs = [
            ("axum", "Verified"),
            ("outbox", "kaiwa_cookbook"),
            ("redis", "store::Redis"),
            ("sandbox", "kaiwa::sandbox"),
            ("sqlite-bundled", "SqliteOutboxStore"),
            ("webhooks", "verify_repeats"),
        ];
        let used: Vec<_> =
            signs.iter().filter(|(_, sign)| source.contains(sign)).map(|(feature, _)| *feature).collect();
        let listed: Vec<_> = features.split('`').skip(1).step_by(2).collect();
        assert_eq!(listed, used, "{name}");
    }
}

#[test]
fn a_program_has_at_most_40_lines_and_says_what_it_reads() {
    for (name, source) in sources() {
        assert!(source.lines().count() <= 40, "{name}: {} lines", source.lines().count());
        let about: String = source.lines().take_while(|line| line.starts_with("//! ")).collect();
        assert!(about.contains(&format!("`{name}")) && about.contains("ead"), "{name}: {about}");
        for variable in source.split('"').filter(|text| is_variable(text)) {
            assert!(variable.ends_with("_BASE_URL") || about.contains(variable), "{name}: {variable}");
        }
        let uses_sandbox = source.split("#[cfg(test)]").next().is_some_and(|code| code.contains("sandbox::"));
        assert!(!uses_sandbox, "{name} runs against the service as it is");
    }
}

fn is_variable(text: &str) -> bool {
    text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// Without its variables, and without arguments or with some.
#[tokio::test]
async fn a_program_that_cannot_begin_says_why_in_one_readable_line() {
    let programs = [
        program!("count_waits"),
        program!("custom_http_client"),
        program!("lancers_reply"),
        program!("limits_by_redis"),
        program!("many_tokens"),
        program!("nightly_job"),
        program!("notify_from_ci"),
        program!("opentelemetry"),
        program!("outbox_on_postgres"),
        program!("overdue_tasks"),
        program!("post_file"),
        program!("post_to_all"),
        program!("quote_somebody"),
        program!("receive_actix"),
        program!("receive_axum"),
        program!("receive_hyper"),
        program!("resume_export"),
        program!("serverless_webhook"),
        program!("split_report"),
        program!("sync_script"),
        program!("tascha_task"),
        program!("test_a_lost_answer"),
    ];
    assert_eq!(programs.len(), sources().len());
    let folder = tempfile::tempdir().expect("a folder");
    for program in programs {
        for arguments in [&[][..], &["1", "2", "3"]] {
            let ended = end(bare(program).args(arguments).current_dir(folder.path()), "").await;
            assert!(!ended.success && ended.out.is_empty(), "{program}: {ended:?}");
            let first = ended.err.lines().next().unwrap_or_default();
            let reason = first.strip_prefix("Error: ").unwrap_or_default();
            assert!(!reason.is_empty() && !reason.contains(['{', '(']), "{program}: {ended:?}");
            assert!(
                ["is not set", "usage: ", "is not the id", "cannot", "is not a"]
                    .iter()
                    .any(|part| reason.contains(part)),
                "{program}: {ended:?}"
            );
        }
    }
}
