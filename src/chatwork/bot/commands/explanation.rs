//! What a bot says of a command instead of running it.

use super::language::Language;
use super::presentation::translated;
use super::problem::Trouble;
use super::settings::WINDOW;
use crate::Error;
use crate::chatwork::bot::Context;
use crate::chatwork::notation::MessageBuilder;
use clap::error::ErrorKind;

/// What to say to a person whose text is not run as a command: the help, the version, what is wrong, or a refusal. What the
/// person wrote is [escaped](crate::chatwork::notation::escape) in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Explanation(MessageBuilder);

impl Explanation {
    /// Plain text.
    pub(super) fn text(text: impl AsRef<str>) -> Self {
        Self(MessageBuilder::new().text(text))
    }

    /// What clap says, in words of the language. `help` is what shows the help.
    pub(super) fn new(error: &clap::Error, trouble: Trouble, language: Language, help: Option<&str>) -> Self {
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                let headings = language.headings();
                let text = translated(&error.render().to_string(), headings);
                Self(MessageBuilder::new().info(headings.title, |info| info.code(text.trim())))
            }
            ErrorKind::DisplayVersion => Self::text(error.render().to_string().trim()),
            _ => Self::text(trouble.text(language, help)),
        }
    }

    /// The text, in notation.
    pub fn message(&self) -> &MessageBuilder {
        &self.0
    }

    /// The text, to post it otherwise than [`ReadCommand`](super::ReadCommand) does.
    pub fn into_message(self) -> MessageBuilder {
        self.0
    }
}

/// How long it is: it may contain what a person wrote.
impl std::fmt::Debug for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Explanation").field("length", &self.0.as_str().len()).finish()
    }
}

/// Replies with it, in several messages if it is long, unless the person has had too many.
pub(super) async fn tell(context: &Context, explanation: &Explanation) -> Result<(), Error> {
    let now = context.client().transport().clock().now();
    let message = context.message();
    let counted = (message.room_id, message.message_id.clone());
    if let Err(refused) = context.commands.explained.take(message.account_id, &counted, now, true) {
        if refused.first {
            tracing::warn!(window = ?WINDOW, "an account gets no more explanations of commands for a time");
        }
        return Ok(());
    }
    for part in context.reply_text(explanation.message()).split() {
        context.say(part).await?;
    }
    Ok(())
}
