//! The words of a command that a person wrote.

/// Before a command that does not address the bot. Japanese keyboards write the full-width ones.
const PREFIXES: [char; 4] = ['/', '!', '／', '！'];

/// Quotes that a phone or an office program writes instead of `"`.
const CURLY_DOUBLE: [char; 4] = ['“', '”', '„', '‟'];

/// The same for `'`.
const CURLY_SINGLE: [char; 4] = ['‘', '’', '‚', '‛'];

/// A quote that is opened and not closed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unclosed(pub(super) char);

/// What follows the prefix; `None` without one, or if nothing that looks like a word follows, as in `!!!`.
pub(super) fn after_prefix(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(PREFIXES)?.trim_start();
    (!rest.is_empty() && !rest.starts_with(PREFIXES)).then_some(rest)
}

/// The words of a command line.
pub(super) fn split(line: &str) -> Result<Vec<String>, Unclosed> {
    let folded = fold(line)?;
    Ok(shlex::split(&folded).expect("every quote in the folded text is closed, and no backslash ends it"))
}

/// Writes the line as a shell would want it. What must not be touched stands in `'…'`.
fn fold(line: &str) -> Result<String, Unclosed> {
    let mut folded = String::with_capacity(line.len() + 8);
    let mut quote = None;
    let mut before = ' ';
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        let next = rest.clone().next();
        let apostrophe = is_single(character) && is_letter(before) && next.is_some_and(is_letter);
        let escaped = (character == '\\').then_some(next).flatten().filter(|next| {
            quote.map_or_else(|| is_quote(*next) || next.is_whitespace(), |open| closes(open, *next))
        });
        if let Some(next) = escaped {
            rest.next();
            // As in a shell, a line goes on after `\`.
            let continued = quote.is_none() && matches!(next, '\n' | '\r');
            literal(&mut folded, if continued { ' ' } else { next }, quote.is_some(), continued);
            before = if continued { ' ' } else { next };
            continue;
        }
        match quote {
            Some(open) if closes(open, character) && !apostrophe => {
                folded.push('\'');
                quote = None;
            }
            None if is_quote(character) && !apostrophe => {
                folded.push('\'');
                quote = Some(character);
            }
            None if before.is_whitespace() && is_dash(character, rest.as_str()) => {
                folded.push_str(if character == '—' { "--" } else { "-" });
                // The second of two full-width dashes begins the word as well.
                continue;
            }
            _ => literal(&mut folded, character, quote.is_some(), character.is_whitespace()),
        }
        before = character;
    }
    quote.map_or(Ok(folded), |open| Err(Unclosed(open)))
}

/// Adds a character that stands for itself, or a blank that separates words.
fn literal(folded: &mut String, character: char, quoted: bool, separates: bool) {
    match (quoted, character) {
        (false, _) if separates => folded.push(' '),
        (true, '\'') => folded.push_str(r"'\''"),
        (true, _) => folded.push(character),
        (false, '\'') => folded.push_str(r"\'"),
        // `#` would begin a comment, and the rest of the line would be lost.
        (false, '#' | '\\' | '"') => folded.extend(['\\', character]),
        (false, _) if character.is_whitespace() => folded.extend(['\'', character, '\'']),
        (false, _) => folded.push(character),
    }
}

fn is_quote(character: char) -> bool {
    matches!(character, '"' | '＂') || CURLY_DOUBLE.contains(&character) || is_single(character)
}

fn is_single(character: char) -> bool {
    matches!(character, '\'' | '＇') || CURLY_SINGLE.contains(&character)
}

/// Whether a quote ends one that `open` began: of the curly ones some keyboards write the same twice. A quote of another kind
/// is text.
fn closes(open: char, character: char) -> bool {
    let both = |quotes: [char; 4]| quotes.contains(&open) && quotes.contains(&character);
    open == character || both(CURLY_DOUBLE) || both(CURLY_SINGLE)
}

/// A letter of a script that has apostrophes: `don't`, but not in Japanese.
fn is_letter(character: char) -> bool {
    character.is_alphabetic() && character < '\u{2e80}'
}

/// Whether this begins an option: phones write `—` for `--`, and Japanese keyboards `－` for `-`.
fn is_dash(character: char, rest: &str) -> bool {
    let after = match character {
        '—' => rest,
        '－' => rest.strip_prefix('－').unwrap_or(rest),
        _ => return false,
    };
    after.starts_with(|first: char| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prefix_is_followed_by_a_word() {
        for text in ["/deploy", "!deploy", "！deploy", "／deploy", "/ deploy", "！　deploy"] {
            assert_eq!(after_prefix(text), Some("deploy"), "{text}");
        }
        for text in ["", "deploy", "/", "! ", "!!!", "//deploy", "！！", "-deploy", " /deploy"] {
            assert_eq!(after_prefix(text), None, "{text}");
        }
    }

    #[test]
    fn blanks_and_quotes_of_every_keyboard_separate_words() {
        for (line, words) in [
            ("a　b\u{a0}c\td", vec!["a", "b", "c", "d"]),
            ("a\r\nb\n\nc", vec!["a", "b", "c"]),
            ("“a b” „c d‟ ”e f” ＂g h＂", vec!["a b", "c d", "e f", "g h"]),
            ("‘a b’ ’c d’ ＇e f＇ 'g h'", vec!["a b", "c d", "e f", "g h"]),
            ("--name=\"a b\" x\"y z\"", vec!["--name=a b", "xy z"]),
            ("—name －v －－all －5", vec!["--name", "-v", "--all", "-5"]),
            ("\"\" ''", vec!["", ""]),
            ("", vec![]),
            ("　\n", vec![]),
        ] {
            assert_eq!(split(line), Ok(words.into_iter().map(str::to_owned).collect()), "{line}");
        }
    }

    #[test]
    fn what_a_person_wrote_stays_as_it_is() {
        for (line, words) in [
            // Within quotes everything but the closing quote stays: blanks, lines, quotes of other kinds, shell characters.
            ("\"１　行目\n２行目\"", vec!["１　行目\n２行目"]),
            ("\"彼は“はい”と 'a\\x' $HOME `ls` #1\"", vec!["彼は“はい”と 'a\\x' $HOME `ls` #1"]),
            ("“say \"hi\" — now”", vec!["say \"hi\" — now"]),
            (r#""a \"b\" c" “a \” b”"#, vec!["a \"b\" c", "a ” b"]),
            // No comments, no paths without their backslashes, no apostrophes that swallow the rest.
            ("close #12 # 13", vec!["close", "#12", "#", "13"]),
            (r"docs\new \\server\share a\", vec![r"docs\new", r"\\server\share", r"a\"]),
            ("don't rock’n’roll ‘don’t go’", vec!["don't", "rock’n’roll", "don’t go"]),
            (r#"\"a\ b\" \'c"#, vec!["\"a b\"", "'c"]),
            ("a \\\n  b", vec!["a", "b"]),
            // Brackets of Japanese are words of the text, and so are its long vowels and dashes.
            (
                "「買い物 メモ」 ー 土曜—日曜 a — b －",
                vec!["「買い物", "メモ」", "ー", "土曜—日曜", "a", "—", "b", "－"],
            ),
        ] {
            assert_eq!(split(line), Ok(words.into_iter().map(str::to_owned).collect()), "{line}");
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_is_named() {
        for (line, open) in
            [("a \"b c", '"'), ("“a \"", '“'), ("'東京'へ '", '\''), ("\"a'", '"'), (r#""a\""#, '"')]
        {
            assert_eq!(split(line), Err(Unclosed(open)), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_word_is_lost(line in r#"([a-zé東　 \n#$\\'"“”‘’—－-]|\PC){0,40}"#) {
            let Ok(words) = split(&line) else { return Ok(()) };
            let kept = |text: &str| -> String {
                let mark = |c: &char| !c.is_whitespace() && !is_quote(*c) && !"\\—－-".contains(*c);
                text.chars().filter(mark).collect()
            };
            prop_assert_eq!(kept(&words.concat()), kept(&line));
        }

        #[test]
        fn plain_lines_read_as_in_a_shell(line in r#"([a-z $=-]|"[a-z #'$]*"| '[a-z "]* ')*"#) {
            if let (Ok(words), Some(shell)) = (split(&line), shlex::split(&line)) {
                prop_assert_eq!(words, shell);
            }
        }
    }
}
