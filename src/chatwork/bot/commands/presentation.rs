//! How a command set is shown in a room: no values of the program's surroundings, and no words of clap.

use super::language::Headings;
use clap::builder::{Resettable, StyledStr};
use clap::{Arg, Command};

/// Goes through all commands of a command that was built.
pub(super) fn present(command: Command, headings: &'static Headings) -> Command {
    let usage = if command.has_subcommands() { "" } else { "{usage}" };
    below(command, headings).help_template(template(headings, usage))
}

fn below(command: Command, headings: &'static Headings) -> Command {
    let mut command = with_aliases_named(command, headings)
        .mut_args(|arg| argument(arg, headings))
        .subcommand_help_heading(headings.commands)
        .subcommand_value_name(headings.command)
        .help_template(template(headings, "/{usage}"))
        .term_width(0)
        .max_term_width(0);
    for inner in command.get_subcommands_mut() {
        *inner = below(std::mem::take(inner), headings);
    }
    command
}

fn template(headings: &Headings, usage: &str) -> String {
    let line = if usage.is_empty() { String::new() } else { format!("{}: {usage}\n\n", headings.usage) };
    format!("{{before-help}}{{about-with-newline}}\n{line}{{all-args}}{{after-help}}")
}

/// What clap writes into the line of the usage is in English.
pub(super) fn translated(help: &str, headings: &Headings) -> String {
    let begin = help.lines().position(|line| line.starts_with(headings.usage)).unwrap_or(usize::MAX);
    let mut is_usage = false;
    let lines = help.split_inclusive('\n').enumerate().map(|(number, line)| {
        is_usage = (is_usage || number == begin) && !line.trim().is_empty();
        if is_usage { line.replace("[OPTIONS]", headings.any_options) } else { line.to_owned() }
    });
    lines.collect()
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
    let aliases = visible_aliases(&arg);
    if !aliases.is_empty() {
        arg = with_note(hiding_aliases(arg), &enclosed(headings.aliases, &aliases));
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
    with_note(arg, &enclosed(headings.one_of, &shown)).hide_possible_values(true)
}

fn visible_aliases(arg: &Arg) -> Vec<String> {
    let shorts = arg.get_visible_short_aliases().unwrap_or_default();
    let longs = arg.get_visible_aliases().unwrap_or_default();
    let shorts = shorts.into_iter().map(|short| format!("-{short}"));
    shorts.chain(longs.into_iter().map(|long| format!("--{long}"))).collect()
}

/// The aliases still work.
fn hiding_aliases(mut arg: Arg) -> Arg {
    let longs = arg.get_all_aliases().unwrap_or_default();
    let longs: Vec<String> = longs.into_iter().map(str::to_owned).collect();
    let shorts = arg.get_all_short_aliases().unwrap_or_default();
    arg = arg.visible_alias(Resettable::Reset).visible_short_alias(Resettable::Reset);
    arg.aliases(longs).short_aliases(shorts)
}

fn with_note(arg: Arg, note: &str) -> Arg {
    let noted = |help: Option<&StyledStr>| match help {
        Some(help) => format!("{help} {note}"),
        None => note.to_owned(),
    };
    let (short, long) = (noted(arg.get_help()), arg.get_long_help().map(|help| noted(Some(help))));
    let arg = arg.help(short);
    match long {
        Some(long) => arg.long_help(long),
        None => arg,
    }
}

fn with_aliases_named(command: Command, headings: &'static Headings) -> Command {
    let shorts = command.get_visible_short_flag_aliases().map(|short| format!("-{short}"));
    let longs = command.get_visible_long_flag_aliases().map(|long| format!("--{long}"));
    let visible: Vec<String> =
        shorts.chain(longs).chain(command.get_visible_aliases().map(str::to_owned)).collect();
    if visible.is_empty() {
        return command;
    }
    let all: Vec<String> = command.get_all_aliases().map(str::to_owned).collect();
    let all_shorts: Vec<char> = command.get_all_short_flag_aliases().collect();
    let all_longs: Vec<String> = command.get_all_long_flag_aliases().map(str::to_owned).collect();
    let note = enclosed(headings.aliases, &visible);
    let about = command.get_about().map_or_else(|| note.clone(), |about| format!("{about} {note}"));
    let command = command
        .visible_alias(Resettable::Reset)
        .visible_short_flag_alias(Resettable::Reset)
        .visible_long_flag_alias(Resettable::Reset)
        .aliases(all)
        .short_flag_aliases(all_shorts)
        .about(about);
    all_longs.into_iter().fold(command, |command, long| command.long_flag_alias(long))
}

fn enclosed([before, between, after]: [&str; 3], words: &[String]) -> String {
    format!("{before}{}{after}", words.join(between))
}
