//! A program's command set, made fit for a chat: flags and headings in one language.

use super::language::{Headings, Language};
use super::presentation::present;
use clap::builder::Resettable;
use clap::{Arg, ArgAction, Command};

/// Marks the command `help` that is not the program's own. Nothing shows an author.
const MARK: &str = "kaiwa";

/// The command that parses.
pub(super) struct Definition {
    command: Command,
    /// What shows the help.
    pub(super) help: Option<&'static str>,
}

impl Definition {
    pub(super) fn new(command: Command, language: Language) -> Self {
        let headings = language.headings();
        // Commands follow the prefix. If there are none, arguments do, as in `/ <TARGET>`.
        let bin_name =
            if command.has_subcommands() { Resettable::Reset } else { Resettable::Value("/".to_owned()) };
        let command = add_flags(command.bin_name(bin_name), headings, &Above::default());
        let has_flag = command.get_arguments().any(is_help);
        // Settings of a command count below it too, and global arguments are there, only after it was built.
        let mut command = own_flags_only(command).no_binary_name(true);
        command.build();
        let help = match () {
            () if helps(&command) => Some("/help"),
            () if has_flag => Some("/ --help"),
            () => None,
        };
        Self { command: present(command, headings), help }
    }

    /// `help deploy` as `deploy --help`: clap's own command of that name describes itself in English.
    pub(super) fn without_help_command(&self, mut words: Vec<String>) -> Vec<String> {
        let (reached, next) = reached(&self.command, &words);
        if helps(reached) && words.get(next).is_some_and(|word| word == "help") {
            words.remove(next);
            words.push("--help".to_owned());
        }
        words
    }

    pub(super) fn parse<C: clap::FromArgMatches>(mut self, words: &[String]) -> Result<C, clap::Error> {
        let mut matches = self.command.try_get_matches_from_mut(words)?;
        C::from_arg_matches_mut(&mut matches)
    }
}

/// The command without the flags and the command `help` that clap adds to it.
pub(super) fn own_flags_only(command: Command) -> Command {
    command.disable_help_flag(true).disable_version_flag(true).disable_help_subcommand(true)
}

/// The command of which the words speak, and how many of them lead to it. The command was built.
pub(super) fn reached<'c>(command: &'c Command, words: &[String]) -> (&'c Command, usize) {
    let (mut at, mut next) = (command, 0);
    while let Some(word) = words.get(next) {
        match word.strip_prefix('-') {
            Some(option) if !option.is_empty() && word != "--" => next += 1 + values(at, option),
            Some(_) => break,
            None if word == "help" && helps(at) => break,
            None => match at.find_subcommand(word) {
                Some(below) => (at, next) = (below, next + 1),
                None => break,
            },
        }
    }
    (at, next)
}

/// How many of the next words are values of an option that is written so, after its first `-`.
fn values(command: &Command, option: &str) -> usize {
    let words_of = |is_wanted: &dyn Fn(&Arg) -> bool| {
        let arg = command.get_arguments().find(|arg| is_wanted(arg))?;
        let most = arg.get_num_args().map_or(0, |count| count.max_values());
        let least = arg.get_num_args().map_or(0, |count| count.min_values());
        (most > 0).then_some(if arg.is_require_equals_set() { 0 } else { least.max(1) })
    };
    if let Some(long) = option.strip_prefix('-') {
        let has = |arg: &Arg| longs(arg).any(|name| name == long);
        return if long.contains('=') { 0 } else { words_of(&has).unwrap_or(0) };
    }
    let mut letters = option.chars();
    while let Some(letter) = letters.next() {
        if let Some(words) = words_of(&|arg: &Arg| shorts(arg).any(|short| short == letter)) {
            // What follows in the word is the value.
            return if letters.as_str().is_empty() { words } else { 0 };
        }
    }
    0
}

fn longs(arg: &Arg) -> impl Iterator<Item = &str> {
    arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default())
}

fn shorts(arg: &Arg) -> impl Iterator<Item = char> {
    arg.get_short().into_iter().chain(arg.get_all_short_aliases().unwrap_or_default())
}

/// Whether there is a command `help` that is not the program's own.
fn helps(command: &Command) -> bool {
    command.find_subcommand("help").is_some_and(|help| help.get_author() == Some(MARK))
}

fn is_help(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong)
}

fn version(command: &Command) -> Option<&str> {
    command.get_version().or(command.get_long_version())
}

/// What the commands above a command hand on to it.
#[derive(Clone, Default)]
struct Above {
    no_help_flag: bool,
    no_help_command: bool,
    no_version_flag: bool,
    propagates_version: bool,
    version: Option<String>,
    global: Vec<Arg>,
}

impl Above {
    fn below(&self, command: &Command) -> Self {
        let propagates_version = self.propagates_version || command.is_propagate_version_set();
        let version = version(command).map(str::to_owned);
        let global = command.get_arguments().filter(|arg| arg.is_global_set());
        Self {
            no_help_flag: self.no_help_flag || command.is_disable_help_flag_set(),
            no_help_command: self.no_help_command || command.is_disable_help_subcommand_set(),
            // Without a version clap calls the flag disabled.
            no_version_flag: self.no_version_flag
                || command.clone().version("").is_disable_version_flag_set(),
            version: version.filter(|_| propagates_version),
            propagates_version,
            global: self.global.iter().chain(global).cloned().collect(),
        }
    }
}

/// Adds the flags and the command that clap would add, in the words of the language.
fn add_flags(mut command: Command, headings: &'static Headings, above: &Above) -> Command {
    if let (Some(version), None) = (&above.version, version(&command)) {
        command = command.version(version.clone());
    }
    let below = above.below(&command);
    let has_version = version(&command).is_some();
    let has_help = command.has_subcommands() && command.find_subcommand("help").is_none();
    let has_help = has_help && !below.no_help_flag && !below.no_help_command;
    for inner in command.get_subcommands_mut() {
        *inner = add_flags(std::mem::take(inner), headings, &below);
    }
    if !below.no_help_flag {
        command = flag(command, "help", 'h', ArgAction::Help, headings.help, &above.global);
    }
    if has_version && !below.no_version_flag {
        command = flag(command, "version", 'V', ArgAction::Version, headings.version, &above.global);
    }
    // One that is never reached is listed.
    let help = || Command::new("help").about(headings.help).author(MARK);
    if has_help { command.subcommand(help()) } else { command }
}

/// Adds a flag, unless the program has one of the name, here or for all commands below another.
fn flag(
    command: Command,
    name: &'static str,
    short: char,
    action: ArgAction,
    help: &'static str,
    global: &[Arg],
) -> Command {
    let known = || command.get_arguments().chain(global);
    if known().any(|arg| arg.get_id() == name || longs(arg).any(|long| long == name)) {
        return command;
    }
    let mut flag = Arg::new(name).long(name).action(action).help(help).help_heading(None);
    // A command below may use the letter for an argument of all commands that are below it, but not this one.
    if !known().any(|arg| shorts(arg).any(|taken| taken == short)) {
        flag = flag.short(short);
    }
    command.arg(flag)
}
