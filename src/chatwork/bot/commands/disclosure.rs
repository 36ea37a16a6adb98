//! What of an error may be said in a room.

use super::definition::{own_flags_only, reached};
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};
use std::iter;

/// What may be said of one error.
pub(super) struct Disclosure {
    /// Whether the wrong value stands in the message. Otherwise it is of a variable or a default, and neither it nor what is
    /// near to it is said.
    pub(super) is_written: bool,
    /// Whether the possible values of the argument are shown.
    pub(super) lists_values: bool,
    /// The commands and options that are not hidden.
    names: Vec<String>,
}

impl Disclosure {
    /// `command` is the program's own definition.
    pub(super) fn new(command: Command, words: &[String], error: &clap::Error) -> Self {
        let mut command = own_flags_only(command).no_binary_name(true);
        command.build();
        let (reached, _) = reached(&command, words);
        let (wrong, names) = (argument(error), names(reached));
        let mut wrong = reached.get_arguments().filter(|arg| Some(arg.to_string()) == wrong);
        let lists_values = wrong.any(|arg| !arg.is_hide_possible_values_set());
        drop(wrong);
        Self { is_written: is_written(command, words, error), lists_values, names }
    }

    /// Whether a suggestion names no hidden command and no hidden option.
    pub(super) fn names(&self, text: &str) -> bool {
        self.names.iter().any(|name| name == text)
    }
}

/// Whether the message alone, without variables and defaults, has the error as well.
fn is_written(command: Command, words: &[String], error: &clap::Error) -> bool {
    let alone = without_surroundings(command).try_get_matches_from_mut(words);
    alone.is_err_and(|alone| {
        (alone.kind(), argument(&alone), value(&alone)) == (error.kind(), argument(error), value(error))
    })
}

/// The argument of which an error speaks.
fn argument(error: &clap::Error) -> Option<String> {
    text(error, ContextKind::InvalidArg)
}

fn value(error: &clap::Error) -> Option<String> {
    text(error, ContextKind::InvalidValue)
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    }
}

fn without_surroundings(command: Command) -> Command {
    let reset = |arg: Arg| {
        arg.env(Resettable::Reset).default_value(Resettable::Reset).default_missing_value(Resettable::Reset)
    };
    let mut command = command.mut_args(reset);
    for inner in command.get_subcommands_mut() {
        *inner = without_surroundings(std::mem::take(inner));
    }
    command
}

fn names(command: &Command) -> Vec<String> {
    let commands = command.get_subcommands().filter(|inner| !inner.is_hide_set());
    let commands = commands.flat_map(|inner| iter::once(inner.get_name()).chain(inner.get_visible_aliases()));
    let commands = commands.map(str::to_owned);
    let options = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let options = options.flat_map(|arg| arg.get_long_and_visible_aliases().unwrap_or_default());
    let ours = ["help", "--help", "--version"].map(str::to_owned);
    commands.chain(options.map(|long| format!("--{long}"))).chain(ours).collect()
}
