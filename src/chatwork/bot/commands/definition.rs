//! A program's command set, made fit for a chat: no values of the program's surroundings, and headings in one language.

use super::language::{Headings, Language};
use clap::builder::Resettable;
use clap::{Arg, ArgAction, Command};

/// The command that parses, and what it is given.
pub(super) struct Definition {
    command: Command,
    /// What shows the help.
    pub(super) help: Option<&'static str>,
    /// Possible values that the program hides, which clap lists in errors all the same.
    pub(super) hidden: Vec<String>,
}

impl Definition {
    pub(super) fn new(command: Command, language: Language) -> Self {
        let headings = language.headings();
        let hidden = hidden_values(&command);
        let help = match () {
            () if helps(&command) => Some("/help"),
            () if command.is_disable_help_flag_set() => None,
            () => Some("/ --help"),
        };
        // Commands follow the prefix. If there are none, arguments do, as in `/ <TARGET>`.
        let command = match command.has_subcommands() {
            true => prepare(command.bin_name(Resettable::Reset), headings, false)
                .help_template(template(headings, "")),
            false => {
                prepare(command.bin_name("/"), headings, false).help_template(template(headings, "{usage}"))
            }
        };
        Self { command: command.no_binary_name(true), help, hidden }
    }

    pub(super) fn parse<C: clap::FromArgMatches>(mut self, words: &[String]) -> Result<C, clap::Error> {
        let mut matches = self.command.try_get_matches_from_mut(words)?;
        C::from_arg_matches_mut(&mut matches)
    }
}

/// `help deploy` as `deploy --help`: clap's own command of that name describes itself in English.
pub(super) fn without_help_command(mut words: Vec<String>, command: &Command) -> Vec<String> {
    let mut at = command;
    for index in 0..words.len() {
        if words[index] == "help" && helps(at) {
            words.remove(index);
            words.push("--help".to_owned());
            break;
        }
        match at.find_subcommand(&words[index]) {
            Some(below) => at = below,
            None => break,
        }
    }
    words
}

/// Whether there is a command `help` that is not the program's own.
fn helps(command: &Command) -> bool {
    command.has_subcommands()
        && !command.is_disable_help_subcommand_set()
        && !command.is_disable_help_flag_set()
        && command.find_subcommand("help").is_none()
}

fn hidden_values(command: &Command) -> Vec<String> {
    let hides = command.get_arguments().filter(|arg| arg.is_hide_possible_values_set());
    let values = hides.flat_map(|arg| arg.get_possible_values()).map(|value| value.get_name().to_owned());
    values.chain(command.get_subcommands().flat_map(hidden_values)).collect()
}

/// Goes through all commands. `versioned`: whether one above hands its version on.
fn prepare(mut command: Command, headings: &'static Headings, versioned: bool) -> Command {
    let has_help = helps(&command);
    let has_version = versioned || command.get_version().or(command.get_long_version()).is_some();
    let below = has_version && command.is_propagate_version_set();
    if !command.is_disable_help_flag_set() {
        command = flag(command, "help", 'h', ArgAction::Help, headings.help).disable_help_flag(true);
    }
    if has_version && !command.is_disable_version_flag_set() {
        command = flag(command, "version", 'V', ArgAction::Version, headings.version);
        command = command.disable_version_flag(true);
    }
    command = command
        .mut_args(|arg| argument(arg, headings))
        .subcommand_help_heading(headings.commands)
        .subcommand_value_name(headings.command)
        .help_template(template(headings, "/{usage}"))
        .term_width(0)
        .max_term_width(0)
        .disable_help_subcommand(true);
    for inner in command.get_subcommands_mut() {
        *inner = prepare(std::mem::take(inner), headings, below);
    }
    // The program's own `help` stays, and one that is never reached is listed.
    if has_help { command.subcommand(Command::new("help").about(headings.help)) } else { command }
}

fn template(headings: &Headings, usage: &str) -> String {
    let line = if usage.is_empty() { String::new() } else { format!("{}: {usage}\n\n", headings.usage) };
    format!("{{before-help}}{{about-with-newline}}\n{line}{{all-args}}{{after-help}}")
}

/// Adds a flag, unless the program has one of the name.
fn flag(command: Command, name: &'static str, short: char, action: ArgAction, help: &'static str) -> Command {
    let taken = |arg: &Arg| {
        let longs = arg.get_long_and_visible_aliases().unwrap_or_default();
        arg.get_id() == name || longs.contains(&name)
    };
    if command.get_arguments().any(taken) {
        return command;
    }
    let mut flag = Arg::new(name).long(name).action(action).help(help).help_heading(None);
    let shorts = |arg: &Arg| arg.get_short_and_visible_aliases().unwrap_or_default();
    if !command.get_arguments().any(|arg| shorts(arg).contains(&short)) {
        flag = flag.short(short);
    }
    command.arg(flag)
}

/// No value of a variable or of a default may be shown in a room: they can be tokens.
fn argument(arg: Arg, headings: &'static Headings) -> Arg {
    let mut arg = arg.hide_env(true).hide_env_values(true);
    if arg.get_action().takes_values() {
        arg = arg.hide_default_value(true);
    }
    if arg.get_help_heading().is_none() {
        let heading = if arg.is_positional() { headings.arguments } else { headings.options };
        arg = arg.help_heading(heading);
    }
    let values = arg.get_possible_values();
    let shown = values.iter().filter(|value| !value.is_hide_set()).map(|value| match value.get_help() {
        Some(help) => format!("{}: {help}", value.get_name()),
        None => value.get_name().to_owned(),
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() || arg.is_hide_possible_values_set() {
        return arg;
    }
    let [before, between, after] = headings.one_of;
    let list = format!("{before}{}{after}", shown.join(between));
    let with_list = |help: Option<&clap::builder::StyledStr>| match help {
        Some(help) => format!("{help} {list}"),
        None => list.clone(),
    };
    let (short, long) = (with_list(arg.get_help()), arg.get_long_help().map(|help| with_list(Some(help))));
    let arg = arg.help(short).hide_possible_values(true);
    match long {
        Some(long) => arg.long_help(long),
        None => arg,
    }
}
