//! A name for a file of which another person chose the name.

use super::graphemes::graphemes;

/// The longest name that [`safe_file_name`] returns, in bytes: file systems take 255, and a download needs some for its
/// partial file.
pub const MAX_FILE_NAME: usize = 180;

/// An extension that is longer than this, with its dot, is none.
const MAX_EXTENSION: usize = 20;

/// The names of devices in Windows, in every folder and with every extension; some of them with a digit after them.
const DEVICES: [&str; 7] = ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"];
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

/// The name of an uploaded file, as one under which it can be saved in a folder on any system.
///
/// People choose the names of files, and a service passes them on: `../../.ssh/authorized_keys`, `\\server\a`, `con.txt`, or
/// `invoice\u{202e}fdp.exe`, which is shown as `invoiceexe.pdf`. The result
///
/// - is one name: no separator of a path, no `:`, and neither `.` nor `..`;
/// - has no control character, no invisible one that changes the order or hides text, and none that Windows or a shell pattern
///   reserves, also `[` and `]`; each of them becomes `_`, also `¥`, `₩` and wide slashes, which some systems take for a
///   separator;
/// - has no two blanks in a row: behind many of them the extension would be out of sight;
/// - does not begin with a dot, a hyphen or a blank, and does not end with a dot or a blank;
/// - is no device of Windows;
/// - has at most [`MAX_FILE_NAME`] bytes and keeps its extension;
/// - is not empty: `file` stands for a name of which nothing remains.
///
/// A name that is safe stays as it is. Two files may still get one name: create the file with
/// [`create_new`](std::fs::OpenOptions::create_new), or put its id before the name. The extension says nothing about the
/// content.
///
/// ```
/// use kaiwa::text::safe_file_name;
///
/// assert_eq!(safe_file_name("見積書 (最終).pdf"), "見積書 (最終).pdf");
/// assert_eq!(safe_file_name("../../etc/passwd"), "_._.._etc_passwd");
/// assert_eq!(safe_file_name("CON.txt"), "_CON.txt");
/// assert_eq!(safe_file_name(".."), "file");
/// ```
pub fn safe_file_name(name: &str) -> String {
    let mut replaced = String::with_capacity(name.len());
    for character in name.chars() {
        let character = if is_unsafe(character) { '_' } else { character };
        if !(character.is_whitespace() && replaced.ends_with(char::is_whitespace)) {
            replaced.push(character);
        }
    }
    let safe = trimmed(&shortened(&trimmed(&replaced)));
    if !safe.contains(char::is_alphanumeric) && !safe.contains(|character: char| !character.is_ascii()) {
        return "file".to_owned();
    }
    if is_device(&safe) { trimmed(&shortened(&format!("_{safe}"))) } else { safe }
}

/// Whether a character has no place in a file's name.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '[' | ']'
            // Read as a slash or a backslash by some systems, or look like one.
            | '¥' | '₩' | '⁄' | '∕' | '∖' | '⧵' | '⧸' | '⧹' | '／' | '＼'
            // They change the order of what is read, or are not seen.
            | '\u{61c}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{34f}' | '\u{2800}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{feff}' | '\u{fff9}'..='\u{ffff}' | '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
            | '\u{f000}'..='\u{f0ff}' | '\u{e0000}'..='\u{e00ff}' | '\u{f0000}'..='\u{10ffff}'
        )
}

/// Without what a name must not begin or end with.
fn trimmed(name: &str) -> String {
    let end = name.trim_end_matches(|character: char| character == '.' || character.is_whitespace());
    let name = end.trim_start();
    match name.chars().next() {
        Some(first @ ('.' | '-')) => format!("_{}", &name[first.len_utf8()..]),
        _ => name.to_owned(),
    }
}

/// As many bytes of a name as it may have, with its extension.
fn shortened(name: &str) -> String {
    if name.len() <= MAX_FILE_NAME {
        return name.to_owned();
    }
    let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= MAX_EXTENSION);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let room = MAX_FILE_NAME - extension.len();
    let mut kept = 0;
    for grapheme in graphemes(stem, MAX_FILE_NAME) {
        if kept + grapheme.len() > room {
            break;
        }
        kept += grapheme.len();
    }
    if kept == 0 {
        // One character with marks without end.
        kept = (0..=room).rev().find(|end| stem.is_char_boundary(*end)).unwrap_or(0);
    }
    format!("{}{extension}", &stem[..kept])
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered = |device: &&str| {
        let number = stem.strip_prefix(*device).map(|number| number.chars().collect::<Vec<_>>());
        matches!(number.as_deref(), Some(['0'..='9' | '¹' | '²' | '³']))
    };
    DEVICES.contains(&&*stem) || NUMBERED_DEVICES.iter().any(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    #[test]
    fn names_of_every_kind() {
        for (name, safe) in [
            ("報告書 2026-11.pdf", "報告書 2026-11.pdf"),
            ("スクリーンショット 19.28.59.png", "スクリーンショット 19.28.59.png"),
            ("👨‍👩‍👧.png", "👨‍👩‍👧.png"),
            ("が.txt", "が.txt"),
            ("a.tar.gz", "a.tar.gz"),
            ("/etc/passwd", "_etc_passwd"),
            ("..\\..\\boot.ini", "_._.._boot.ini"),
            ("\u{43}:\\fakepath\\a.png", "C__fakepath_a.png"),
            ("a.txt:hidden", "a.txt_hidden"),
            ("..／..＼a", "_._.._a"),
            ("¥¥server¥a", "__server_a"),
            ("a\0b\nc\u{7f}\u{85}.txt", "a_b_c__.txt"),
            ("invoice\u{202e}fdp.exe", "invoice_fdp.exe"),
            ("a\u{200b}\u{feff}\u{2066}.txt", "a___.txt"),
            ("a?*<>|\".txt", "a______.txt"),
            ("[重要] 見積[1].pdf", "_重要_ 見積_1_.pdf"),
            ("a.pdf          \u{3000}\u{2003}.exe", "a.pdf .exe"),
            ("a.pdf\u{2800}\u{2800}.exe", "a.pdf__.exe"),
            ("a\u{34f}\u{17b4}\u{180f}\u{1d173}b", "a____b"),
            ("a　b c", "a　b c"),
            ("\u{2800}", "file"),
            (".bashrc", "_bashrc"),
            ("...a", "_..a"),
            ("-rf", "_rf"),
            ("  a.txt  ", "a.txt"),
            ("　a.txt. . ", "a.txt"),
            ("a.txt...", "a.txt"),
            ("CON", "_CON"),
            ("con.txt", "_con.txt"),
            ("Aux .tar.gz", "_Aux .tar.gz"),
            ("lpt1", "_lpt1"),
            ("COM¹.txt", "_COM¹.txt"),
            ("CONIN$", "_CONIN$"),
            ("console.txt", "console.txt"),
            ("com10", "com10"),
            ("com", "com"),
            ("", "file"),
            (" ", "file"),
            (".", "file"),
            ("..", "file"),
            ("/", "file"),
            ("\u{202e}", "file"),
            ("...---", "file"),
        ] {
            assert_eq!(safe_file_name(name), safe, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension_and_no_half_character() {
        let long = safe_file_name(&format!("{}.pdf", "報告".repeat(100)));
        assert!(long.len() <= MAX_FILE_NAME && long.ends_with("報告.pdf"), "{long}");
        let family = safe_file_name(&format!("{}.png", "👨‍👩‍👧".repeat(50)));
        assert_eq!(family, format!("{}.png", "👨‍👩‍👧".repeat(9)));
        let no_extension = safe_file_name(&format!("a.{}", "b".repeat(500)));
        assert_eq!(no_extension.len(), MAX_FILE_NAME);
        let marks = safe_file_name(&format!("e{}.txt", "\u{301}".repeat(500)));
        assert!(marks.len() <= MAX_FILE_NAME && marks.ends_with(".txt"), "{marks}");
        // What is cut off may leave a dot or a blank at the end.
        assert_eq!(safe_file_name(&format!("{}. {}", "a".repeat(178), "b".repeat(50))), "a".repeat(178));
    }

    fn name() -> impl Strategy<Value = String> {
        let pieces = vec![
            "a",
            ".",
            "..",
            "/",
            "\\",
            ":",
            " ",
            "　",
            "[",
            "\u{2800}",
            "-",
            "con",
            "nul",
            "com1",
            "\u{202e}",
            "\0",
            "\n",
            "報",
            "👨‍👩‍👧",
            ".txt",
            "¥",
            "＼",
            "_",
        ];
        let piece = prop_oneof![9 => select(pieces).prop_map(str::to_owned), 1 => any::<String>()];
        (vec(piece, 0..8), 1..60usize).prop_map(|(pieces, times)| {
            if times > 50 { pieces.concat().repeat(times) } else { pieces.concat() }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn every_name_is_one_safe_name(name in name()) {
            let safe = safe_file_name(&name);
            prop_assert!(!safe.is_empty() && safe.len() <= MAX_FILE_NAME, "{}", safe);
            prop_assert!(!safe.contains(is_unsafe) && !is_device(&safe), "{}", safe);
            prop_assert!(!safe.starts_with(['.', '-', ' ']) && !safe.ends_with(['.', ' ']), "{}", safe);
            let blanks: Vec<bool> = safe.chars().map(char::is_whitespace).collect();
            prop_assert!(!blanks.windows(2).any(|pair| pair == [true, true]), "{}", safe);
            let path = std::path::Path::new("folder").join(&safe);
            prop_assert_eq!(path.components().count(), 2);
            prop_assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(&*safe));
            prop_assert_eq!(safe_file_name(&safe), safe);
        }
    }
}
