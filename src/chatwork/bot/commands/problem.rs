//! What is wrong with a command: the facts that clap has, in words of one language.

use super::disclosure::Disclosure;
use super::language::Language;
use crate::text;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error;

/// How many characters of a person's word are repeated.
const ECHOED: usize = 60;

/// How many characters of the reason that a program's parser gives are shown.
const REASON: usize = 200;

/// What is wrong.
#[derive(Debug, PartialEq)]
pub(super) enum Problem {
    UnclosedQuote(char),
    UnknownCommand(String),
    UnknownOption(String),
    Unexpected(String),
    /// A value is missing behind this argument.
    NeedsValue(String),
    NeedsEquals(String),
    /// The value is shown only if the person wrote it.
    WrongValue {
        argument: String,
        value: Option<String>,
        reason: Option<String>,
    },
    TooFewValues {
        argument: String,
        least: isize,
    },
    WrongNumberOfValues {
        argument: String,
        expected: isize,
    },
    Repeated(String),
    Conflict {
        argument: String,
        others: Vec<String>,
    },
    Missing(Vec<String>),
    MissingCommand,
    Other,
}

/// A problem, and what would be right.
#[derive(Debug, PartialEq)]
pub(super) struct Trouble {
    pub(super) problem: Problem,
    pub(super) possible: Vec<String>,
    pub(super) meant: Vec<String>,
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self { problem, possible: Vec::new(), meant: Vec::new() }
    }
}

impl Trouble {
    /// Reads the error, as far as it may be said.
    pub(super) fn new(error: &clap::Error, disclosure: &Disclosure) -> Self {
        let first = |kind| texts(error, kind).into_iter().next();
        let argument = first(ContextKind::InvalidArg).unwrap_or_default();
        let is_missing = |value: &String| value.is_empty();
        let value =
            first(ContextKind::InvalidValue).filter(|value| disclosure.is_written || is_missing(value));
        let number = |kind| match error.get(kind) {
            Some(ContextValue::Number(number)) => *number,
            _ => 1,
        };
        let problem = match error.kind() {
            ErrorKind::InvalidSubcommand => {
                Problem::UnknownCommand(first(ContextKind::InvalidSubcommand).unwrap_or_default())
            }
            ErrorKind::UnknownArgument if argument.starts_with('-') => Problem::UnknownOption(argument),
            ErrorKind::UnknownArgument => Problem::Unexpected(argument),
            ErrorKind::TooManyValues => match value {
                Some(value) => Problem::Unexpected(value),
                None => Problem::WrongValue { argument, value: None, reason: None },
            },
            ErrorKind::InvalidValue if value.as_deref() == Some("") => Problem::NeedsValue(argument),
            ErrorKind::InvalidValue => Problem::WrongValue { argument, value, reason: None },
            ErrorKind::ValueValidation => {
                let reason = value.as_ref().and_then(|_| error.source()).map(|source| source.to_string());
                Problem::WrongValue { argument, value, reason }
            }
            ErrorKind::NoEquals => Problem::NeedsEquals(argument),
            ErrorKind::TooFewValues => {
                Problem::TooFewValues { argument, least: number(ContextKind::MinValues) }
            }
            ErrorKind::WrongNumberOfValues => {
                Problem::WrongNumberOfValues { argument, expected: number(ContextKind::ExpectedNumValues) }
            }
            ErrorKind::ArgumentConflict => conflict(error, argument),
            ErrorKind::MissingRequiredArgument => Problem::Missing(texts(error, ContextKind::InvalidArg)),
            ErrorKind::MissingSubcommand => Problem::MissingCommand,
            _ => Problem::Other,
        };
        let values = |kind| match disclosure.lists_values {
            true => texts(error, kind),
            false => Vec::new(),
        };
        let names = |kind| texts(error, kind).into_iter().filter(|name| disclosure.names(name));
        let possible = values(ContextKind::ValidValue);
        // It would say what is near to a value that is not said.
        let near = if disclosure.is_written { values(ContextKind::SuggestedValue) } else { Vec::new() };
        let meant = names(ContextKind::SuggestedSubcommand).chain(names(ContextKind::SuggestedArg));
        Self {
            problem,
            possible: possible.into_iter().chain(names(ContextKind::ValidSubcommand)).collect(),
            meant: meant.chain(near).collect(),
        }
    }

    /// The sentences, in plain text that is not escaped. `help` is what shows the help.
    pub(super) fn text(&self, language: Language, help: Option<&str>) -> String {
        let (sentence, possible, meant, hint) = match language {
            Language::Japanese => (
                japanese(&self.problem),
                "使えるもの: ",
                "もしかして: ",
                ("使い方を見るには、このボット宛てに ", " と送ってください。"),
            ),
            Language::English => {
                (english(&self.problem), "Possible: ", "Did you mean: ", ("For help, send ", " to this bot."))
            }
        };
        let list = |label: &str, values: &[String]| {
            (!values.is_empty()).then(|| format!("{label}{}", shown(language, values)))
        };
        let hint = help.map(|help| format!("{}{help}{}", hint.0, hint.1));
        let lines = [Some(sentence), list(meant, &self.meant), list(possible, &self.possible), hint];
        lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }
}

fn conflict(error: &clap::Error, argument: String) -> Problem {
    let argument = match argument.is_empty() {
        true => texts(error, ContextKind::InvalidSubcommand).into_iter().next().unwrap_or_default(),
        false => argument,
    };
    let others = texts(error, ContextKind::PriorArg);
    if others == [argument.as_str()] {
        Problem::Repeated(argument)
    } else {
        Problem::Conflict { argument, others }
    }
}

fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// A text in one line, and not the whole of a long one.
fn brief(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.chars().count() > most {
        true => format!("{}…", &line[..text::cut(&line, most).best()].trim_end()),
        false => line,
    }
}

fn echo(text: &str) -> String {
    brief(text, ECHOED)
}

fn shown(language: Language, values: &[String]) -> String {
    let between = match language {
        Language::Japanese => "、",
        Language::English => ", ",
    };
    values.iter().map(|value| echo(value)).collect::<Vec<_>>().join(between)
}

/// Why a value is wrong. Phones write digits of full width in Japanese texts: a text keeps them, and no number has them.
fn why(language: Language, value: &str, reason: Option<&String>) -> Option<String> {
    let is_wide = value.chars().any(|char| ('０'..='９').contains(&char));
    match language {
        Language::Japanese if is_wide => Some("数字は半角で書いてください".to_owned()),
        Language::English if is_wide => Some("write its digits as 0 to 9".to_owned()),
        _ => reason.map(|reason| brief(reason, REASON)),
    }
}

fn japanese(problem: &Problem) -> String {
    match problem {
        Problem::UnclosedQuote(quote) => format!("引用符 {quote} が閉じられていません。"),
        Problem::UnknownCommand(word) => format!("「{}」というコマンドはありません。", echo(word)),
        Problem::UnknownOption(word) => format!("「{}」というオプションはありません。", echo(word)),
        Problem::Unexpected(word) => format!("「{}」は不要です。", echo(word)),
        Problem::NeedsValue(argument) => format!("{} には値が必要です。", echo(argument)),
        Problem::NeedsEquals(argument) => format!("{} の値の前には = が必要です。", echo(argument)),
        Problem::WrongValue { argument, value: None, .. } => {
            format!("{} の値が正しくありません。", echo(argument))
        }
        Problem::WrongValue { argument, value: Some(value), reason } => {
            let why = why(Language::Japanese, value, reason.as_ref()).map(|why| format!("（{why}）"));
            format!("「{}」は {} に使えません{}。", echo(value), echo(argument), why.unwrap_or_default())
        }
        Problem::TooFewValues { argument, least } => {
            format!("{} には値が {least} 個以上必要です。", echo(argument))
        }
        Problem::WrongNumberOfValues { argument, expected } => {
            format!("{} には値が {expected} 個必要です。", echo(argument))
        }
        Problem::Repeated(argument) => format!("{} は一度しか使えません。", echo(argument)),
        Problem::Conflict { argument, others } if others.is_empty() => {
            format!("{} はほかの指定と一緒に使えません。", echo(argument))
        }
        Problem::Conflict { argument, others } => {
            format!("{} は {} と一緒に使えません。", echo(argument), shown(Language::Japanese, others))
        }
        Problem::Missing(arguments) => {
            format!("{} を指定してください。", shown(Language::Japanese, arguments))
        }
        Problem::MissingCommand => "コマンドを書いてください。".to_owned(),
        Problem::Other => "コマンドとして読み取れません。".to_owned(),
    }
}

fn english(problem: &Problem) -> String {
    match problem {
        Problem::UnclosedQuote(quote) => format!("The quote {quote} is not closed."),
        Problem::UnknownCommand(word) => format!("There is no command \"{}\".", echo(word)),
        Problem::UnknownOption(word) => format!("There is no option \"{}\".", echo(word)),
        Problem::Unexpected(word) => format!("\"{}\" is too much.", echo(word)),
        Problem::NeedsValue(argument) => format!("{} needs a value.", echo(argument)),
        Problem::NeedsEquals(argument) => format!("{} needs = before its value.", echo(argument)),
        Problem::WrongValue { argument, value: None, .. } => {
            format!("The value of {} is not valid.", echo(argument))
        }
        Problem::WrongValue { argument, value: Some(value), reason } => {
            let why = why(Language::English, value, reason.as_ref()).map(|why| format!(": {why}"));
            format!("\"{}\" is no value for {}{}.", echo(value), echo(argument), why.unwrap_or_default())
        }
        Problem::TooFewValues { argument, least } => {
            format!("{} needs at least {least} values.", echo(argument))
        }
        Problem::WrongNumberOfValues { argument, expected } => {
            let plural = if *expected == 1 { "" } else { "s" };
            format!("{} needs {expected} value{plural}.", echo(argument))
        }
        Problem::Repeated(argument) => format!("{} can be used only once.", echo(argument)),
        Problem::Conflict { argument, others } if others.is_empty() => {
            format!("{} cannot be used with the others.", echo(argument))
        }
        Problem::Conflict { argument, others } => {
            format!("{} cannot be used with {}.", echo(argument), shown(Language::English, others))
        }
        Problem::Missing(arguments) => format!("Missing: {}", shown(Language::English, arguments)),
        Problem::MissingCommand => "Please write a command.".to_owned(),
        Problem::Other => "This cannot be read as a command.".to_owned(),
    }
}
