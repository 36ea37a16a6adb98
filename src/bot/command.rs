//! Commands of a durable bot, by clap.

use super::context::DurableContext;
use super::received::Received;
use crate::Error;
use crate::chatwork::bot::commands::{Guard, Language, Only, Reading, read_text};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

/// A message to be read as a command; from [`DurableContext::command`]. Awaited, it queues a reply where there is something to
/// explain.
#[must_use = "nothing is read until it is awaited"]
pub struct DurableCommand<'a, C> {
    context: &'a DurableContext,
    guards: Vec<Guard>,
    only: Only,
    command: PhantomData<fn() -> C>,
}

impl DurableContext {
    /// Reads the message as a command, as [`Context::command`](crate::chatwork::bot::Context::command) does. What it has to say is
    /// queued, and posted when the handler returns.
    ///
    /// Awaited, it returns the command, or `None` if there is nothing to do: the message is not for the bot, or a reply is queued that says
    /// what is wrong. In TAS-CHA explanations are in Japanese.
    ///
    /// # Errors
    /// A [guard](DurableCommand::guard) cannot ask for the members. No command is returned then.
    ///
    /// # Panics
    /// In a debug build clap panics if the definition contradicts itself. The bot reports it as any panic of a handler.
    pub fn command<C: clap::Parser>(&self) -> DurableCommand<'_, C> {
        DurableCommand { context: self, guards: Vec::new(), only: Only::default(), command: PhantomData }
    }

    /// Whether this guard admits the author, for a check of a single command. Otherwise a reply that says why is queued, as
    /// [`Guard::admits`] does.
    ///
    /// # Errors
    /// The members cannot be read; or the message is of TAS-CHA, of which a guard knows neither accounts nor rooms: compare
    /// [`author_id`](Self::author_id) there. Nobody is admitted then.
    pub async fn admits(&self, guard: impl Borrow<Guard>) -> Result<bool, Error> {
        match &self.received {
            Received::Chatwork(context) => guard.borrow().admits(context).await,
            #[cfg(feature = "tascha")]
            Received::Tascha(_) => Err(Error::config(
                "a guard knows accounts and rooms of Chatwork only: in TAS-CHA read the command without a guard, and compare the `author_id()` of the context with those who may use it",
            )),
        }
    }
}

impl<C> DurableCommand<'_, C> {
    /// A check in front, as [`ReadCommand::guard`](crate::chatwork::bot::commands::ReadCommand::guard). A guard cannot check commands in
    /// TAS-CHA: reading one is an error there; compare [`author_id`](DurableContext::author_id) instead.
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

impl<C: clap::Parser> DurableCommand<'_, C> {
    /// What the message is. It queues nothing, and does not ask the guards.
    pub fn read(&self) -> Reading<C> {
        match &self.context.received {
            Received::Chatwork(context) => context.command::<C>().only(self.only).read(),
            #[cfg(feature = "tascha")]
            Received::Tascha(received) => {
                read_text(&received.own_text(), received.is_addressed(), self.only, Language::default())
            }
        }
    }
}

impl<'a, C: clap::Parser + Send + 'a> IntoFuture for DurableCommand<'a, C> {
    type Output = Result<Option<C>, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let command = match &self.context.received {
                Received::Chatwork(context) => {
                    let command = context.command::<C>().only(self.only);
                    return self.guards.iter().fold(command, |command, guard| command.guard(guard)).await;
                }
                #[cfg(feature = "tascha")]
                Received::Tascha(_) => self.read(),
            };
            if let (Some(guard), false) = (self.guards.first(), matches!(command, Reading::Nothing)) {
                self.context.admits(guard).await?;
            }
            match command {
                Reading::Command(command) => Ok(Some(command)),
                Reading::Explain(explanation) => {
                    self.context.reply(explanation.into_message())?;
                    Ok(None)
                }
                Reading::Nothing => Ok(None),
            }
        }
        .boxed()
    }
}

impl<C> fmt::Debug for DurableCommand<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableCommand")
            .field("context", self.context)
            .field("guards", &self.guards)
            .field("only", &self.only)
            .finish()
    }
}
