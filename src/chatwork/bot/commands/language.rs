//! The languages in which a bot speaks of commands.

/// The language of what a bot says about commands: headings of help, problems, refusals. Descriptions of commands and
/// arguments are the program's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Language {
    /// Japanese: Chatwork is used in Japan.
    #[default]
    Japanese,
    /// English.
    English,
}

/// The words around the program's own in help.
pub(super) struct Headings {
    pub(super) title: &'static str,
    pub(super) usage: &'static str,
    pub(super) commands: &'static str,
    pub(super) command: &'static str,
    pub(super) arguments: &'static str,
    pub(super) options: &'static str,
    pub(super) help: &'static str,
    pub(super) version: &'static str,
    /// For the options in a line of usage.
    pub(super) any_options: &'static str,
    /// What stands before, between and after possible values.
    pub(super) one_of: [&'static str; 3],
    /// The same for other names of a command or an option.
    pub(super) aliases: [&'static str; 3],
}

impl Language {
    pub(super) const fn headings(self) -> &'static Headings {
        match self {
            Self::Japanese => &Headings {
                title: "使い方",
                usage: "書き方",
                commands: "コマンド",
                command: "コマンド",
                arguments: "引数",
                options: "オプション",
                help: "使い方を表示する",
                version: "バージョンを表示する",
                any_options: "[オプション]",
                one_of: ["（", "、", " のどれか）"],
                aliases: ["（", "、", " でも同じ）"],
            },
            Self::English => &Headings {
                title: "Help",
                usage: "Usage",
                commands: "Commands",
                command: "COMMAND",
                arguments: "Arguments",
                options: "Options",
                help: "Shows this help",
                version: "Shows the version",
                any_options: "[OPTIONS]",
                one_of: ["(one of ", ", ", ")"],
                aliases: ["(also ", ", ", ")"],
            },
        }
    }
}
