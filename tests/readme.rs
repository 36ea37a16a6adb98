//! What the READMEs and the guides show: programs that are run, links, tables, and the same in both languages.

#[path = "readme/bot.rs"]
mod bot;
#[path = "readme/foreign.rs"]
mod foreign;
#[path = "readme/links.rs"]
mod links;
#[path = "readme/operations.rs"]
mod operations;
#[allow(dead_code, reason = "the tests of the examples use all of it")]
#[path = "examples/program.rs"]
mod program;
#[path = "readme/sandbox.rs"]
mod sandbox;

const README: &str = include_str!("../README.md");
const README_JA: &str = include_str!("../README.ja.md");

/// Code without its comments, which are of the language of the page.
fn uncommented(code: &str) -> String {
    let is_comment = |line: &&str| line.trim_start().starts_with("//");
    let lines = code.lines().filter(|line| !is_comment(line));
    lines.map(|line| line.split(" // ").next().unwrap_or_default().trim_end()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_readmes_show_the_test_that_is_run() {
    let shown = include_str!("readme/sandbox.rs");
    assert!(README.contains(shown));
    assert!(uncommented(README_JA).contains(&uncommented(shown)));
}

/// The line breaks of Japanese text that a browser would show as blanks within a sentence: the breaks inside paragraphs and items
/// with a wide character on either side.
fn blanks(text: &str) -> Vec<String> {
    let mut code = false;
    let mut found = Vec::new();
    let mut before = "";
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        // Tables, headings, quotations and items begin on a line of their own.
        let numbered = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(". ");
        let begins = ["|", "#", ">", "- ", "* "].iter().any(|start| line.trim_start().starts_with(start));
        let begins = begins || numbered;
        let own = code || fence || line.starts_with(['|', '#']) || line.trim().is_empty();
        let wide = |c: Option<char>| c.is_some_and(|c| c >= '\u{2e80}');
        let (last, first) = (before.trim_end().chars().last(), line.trim_start().chars().next());
        if !own && !begins && last.is_some() && (wide(last) || wide(first)) {
            found.push(format!("{before} // {line}"));
        }
        before = if own { "" } else { line };
    }
    found
}

#[test]
fn no_line_break_of_the_japanese_texts_is_shown_as_a_blank() {
    for shown in [
        "文が\n続く",
        "文が `a`\n続く",
        "文が\n`a`",
        "- 項目が\n  続く",
        "> 文が\n続く",
        "a\n文",
        "**太**、\nb",
    ] {
        assert_eq!(blanks(shown).len(), 1, "{shown}");
    }
    for good in [
        "文。\n\n文。",
        "- 項目\n- 項目",
        "| 表 |\n| 表 |",
        "# 題\n文",
        "文\n```\n文\n文\n```\n文",
        "a\nb",
        "文\n- 項目",
        "1. 項目\n2. 項目",
    ] {
        assert_eq!(blanks(good), [""; 0], "{good}");
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = vec![root.join("README.ja.md")];
    let guides = root.join("src/guide");
    let mut directories = vec![guides];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("it is there") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                texts.push(path);
            }
        }
    }
    assert!(texts.len() > 5, "{texts:?}");
    for path in texts {
        let text = std::fs::read_to_string(&path).expect("it is text");
        let found = blanks(&text);
        assert!(found.is_empty(), "{}: {found:#?}", path.display());
    }
}

/// The levels of the headings and the code blocks of a page, in their order.
fn outline(text: &str) -> (Vec<usize>, Vec<String>) {
    let (mut headings, mut blocks) = (Vec::new(), Vec::new());
    let mut code: Option<String> = None;
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        match &mut code {
            Some(block) => {
                block.push_str(line);
                block.push('\n');
                if fence {
                    blocks.extend(code.take());
                }
            }
            None if fence => code = Some(format!("{line}\n")),
            None if line.starts_with('#') => headings.push(line.split(' ').next().map_or(0, str::len)),
            None => {}
        }
    }
    (headings, blocks)
}

#[test]
fn the_japanese_guides_are_built_as_the_english_ones_and_have_their_code() {
    let shown = "# a\n```\n# not(a) heading\n```\ntext\n## b\n";
    assert_eq!(outline(shown), (vec![1, 2], vec!["```\n# not(a) heading\n```\n".to_owned()]));
    let guides = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide");
    let mut pages = 0;
    for entry in std::fs::read_dir(guides.join("ja")).expect("it is there") {
        let page = entry.expect("it can be listed").path();
        let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("it is text");
        let english = guides.join(page.file_name().expect("it has a name"));
        assert_eq!(outline(&read(&page)), outline(&read(&english)), "{}", page.display());
        pages += 1;
    }
    assert!(pages >= 15, "there are {pages}");
}

#[test]
fn the_japanese_readme_is_built_as_the_english_one_and_has_its_code() {
    // Before a comment of a command stand several blanks.
    let code = |block: &String| {
        let lines = uncommented(block);
        lines
            .lines()
            .map(|line| line.split("  # ").next().unwrap_or_default().trim_end())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let [english, japanese] = [README, README_JA].map(|page| {
        let (headings, blocks) = outline(page);
        (headings, blocks.iter().map(code).collect::<Vec<_>>())
    });
    assert!(english.0.len() > 20 && english.1.len() > 10, "{english:?}");
    assert_eq!(japanese, english);
}
