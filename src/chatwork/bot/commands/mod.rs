//! Commands that people write to a bot, by [clap]: `#[derive(clap::Parser)]` is the command set. The guide is
//! [`guide::commands`](crate::guide::commands).
//!
//! [`Context::command`] reads a message as a command. [`Guard`] says who may use it, and how often.
//!
//! [clap]: https://docs.rs/clap

mod definition;
mod disclosure;
mod explanation;
mod guard;
mod language;
mod limiter;
mod line;
mod presentation;
mod problem;
mod settings;
mod words;

pub use explanation::Explanation;
pub use guard::Guard;
pub use language::Language;
pub(super) use settings::Settings;

use super::{Bot, Context};
use crate::Error;
use definition::Definition;
use disclosure::Disclosure;
use explanation::tell;
use futures::FutureExt;
use futures::future::BoxFuture;
use line::Line;
use problem::{Problem, Trouble};
use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

/// A message to be read as a command; from [`Context::command`]. Awaited, it replies where there is something to explain.
#[must_use = "nothing is read until it is awaited"]
pub struct ReadCommand<'a, C> {
    context: &'a Context,
    guards: Vec<Guard>,
    only: Only,
    command: PhantomData<fn() -> C>,
}

/// Which texts are read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Only {
    pub(crate) prefixed: bool,
    pub(crate) addressed: bool,
}

/// What a message is to a bot with commands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reading<C> {
    /// A command.
    Command(C),
    /// It addresses the bot and is no command that can be run; this is to be said.
    Explain(Explanation),
    /// It is not for the bot.
    Nothing,
}

impl Bot {
    /// The language in which the bot speaks of [commands](self). Default: Japanese, since Chatwork is used in Japan.
    pub fn language(mut self, language: Language) -> Self {
        self.commands.language = language;
        self
    }
}

impl Context {
    /// Reads the message as a command: the [own text](Self::own_text), if it begins with `/` or `!`, also full-width, or
    /// addresses the bot. The [guide](crate::guide::commands) has an example and the rules.
    ///
    /// Awaited, it returns the command, or `None` if there is nothing to do: the message is not for the bot, or the bot has
    /// replied with help, with what is wrong, or with a refusal. It replies so only if the message addresses it.
    ///
    /// # Errors
    ///
    /// If a reply fails, or a [guard](ReadCommand::guard) cannot ask for the members. No command is returned then.
    ///
    /// # Panics
    ///
    /// In a debug build clap panics if the definition contradicts itself. The bot reports it as any panic of a handler.
    pub fn command<C: clap::Parser>(&self) -> ReadCommand<'_, C> {
        ReadCommand { context: self, guards: Vec::new(), only: Only::default(), command: PhantomData }
    }
}

impl<C> ReadCommand<'_, C> {
    /// A check in front: whoever is not admitted gets no command run, no help and no other explanation. For a single command,
    /// use [`Guard::admits`].
    ///
    /// It takes a `&Guard`, or a `Guard`, of which clones are cheap.
    pub fn guard(mut self, guard: impl Borrow<Guard>) -> Self {
        self.guards.push(guard.borrow().clone());
        self
    }

    /// Reads only texts with a prefix. Texts that address the bot without one are left to the program, such as answers to a
    /// question of the bot.
    pub fn prefixed_only(mut self) -> Self {
        self.only.prefixed = true;
        self
    }

    /// Reads only texts that address the bot. A prefix alone is then not enough, as where several bots share a room.
    pub fn addressed_only(mut self) -> Self {
        self.only.addressed = true;
        self
    }
}

impl<C: clap::Parser> ReadCommand<'_, C> {
    #[cfg(feature = "outbox")]
    pub(crate) fn only(self, only: Only) -> Self {
        Self { only, ..self }
    }

    /// What the message is. It sends nothing, and does not ask the guards.
    pub fn read(&self) -> Reading<C> {
        match Line::of(self.context) {
            Some(line) => read_line(&line, self.only, self.context.commands.language),
            None => Reading::Nothing,
        }
    }

    async fn admitted(&self) -> Result<bool, Error> {
        for guard in &self.guards {
            if !guard.admits(self.context).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl<'a, C: clap::Parser + Send + 'a> IntoFuture for ReadCommand<'a, C> {
    type Output = Result<Option<C>, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let reading = self.read();
            if matches!(reading, Reading::Nothing) || !self.admitted().await? {
                return Ok(None);
            }
            match reading {
                Reading::Command(command) => return Ok(Some(command)),
                Reading::Explain(explanation) => tell(self.context, &explanation).await?,
                Reading::Nothing => {}
            }
            Ok(None)
        }
        .boxed()
    }
}

impl<C> fmt::Debug for ReadCommand<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadCommand")
            .field("context", self.context)
            .field("guards", &self.guards)
            .field("only", &self.only)
            .finish()
    }
}

/// What a text of another service is.
#[cfg(feature = "outbox")]
#[cfg_attr(partial, allow(dead_code))]
pub(crate) fn read_text<C: clap::Parser>(
    text: &str,
    addressed: bool,
    only: Only,
    language: Language,
) -> Reading<C> {
    let line = match words::after_prefix(text) {
        Some(line) => Line { text: line.to_owned(), prefixed: true, addressed },
        None if addressed => Line { text: text.to_owned(), prefixed: false, addressed },
        None => return Reading::Nothing,
    };
    read_line(&line, only, language)
}

fn read_line<C: clap::Parser>(line: &Line, only: Only, language: Language) -> Reading<C> {
    if only.prefixed && !line.prefixed || only.addressed && !line.addressed {
        return Reading::Nothing;
    }
    match parse_line(&line.text, language) {
        Ok(command) => Reading::Command(command),
        Err(explanation) if line.addressed => Reading::Explain(explanation),
        // It may be for another bot.
        Err(_) => Reading::Nothing,
    }
}

fn parse_line<C: clap::Parser>(line: &str, language: Language) -> Result<C, Explanation> {
    let definition = Definition::new(C::command(), language);
    let help = definition.help;
    match words::split(line).map(|words| definition.without_help_command(words)) {
        Ok(words) => definition.parse(&words).map_err(|error| {
            let disclosure = Disclosure::new(C::command(), &words, &error);
            Explanation::new(&error, Trouble::new(&error, &disclosure), language, help)
        }),
        Err(unclosed) => {
            let trouble = Trouble::from(Problem::UnclosedQuote(unclosed.0));
            Err(Explanation::text(trouble.text(language, help)))
        }
    }
}

#[cfg(test)]
mod tests;
