//! The test that the READMEs show, which rustdoc would pass over.

#[path = "readme/sandbox.rs"]
mod sandbox;

#[test]
fn the_readmes_show_the_test_that_is_run() {
    let shown = include_str!("readme/sandbox.rs");
    assert!(include_str!("../README.md").contains(shown));
    let code = |text: &str| {
        text.lines().filter(|line| !line.trim().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    assert!(code(include_str!("../README.ja.md")).contains(&code(shown)));
}
