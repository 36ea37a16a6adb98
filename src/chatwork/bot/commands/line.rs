//! Whom a message is for, and what of it is a command.

use super::words;
use crate::chatwork::bot::Context;
use crate::chatwork::notation::{Document, Kind, Mention, Step, parse};

/// What a bot may read as a command.
pub(super) struct Line {
    /// Without the prefix.
    pub(super) text: String,
    pub(super) prefixed: bool,
    /// Whether the bot may reply something else than the program does.
    pub(super) addressed: bool,
}

impl Line {
    /// `None` if the message is not for the bot.
    pub(super) fn of(context: &Context) -> Option<Self> {
        let document = parse(&context.message().body);
        if is_of_the_service(&document) {
            return None;
        }
        let heard = context.heard();
        let Some(line) = words::after_prefix(heard.rest()) else {
            let text = heard.request().to_owned();
            return is_addressed(context, &document).then_some(Self {
                text,
                prefixed: false,
                addressed: true,
            });
        };
        // Only the addresses before the prefix say whom it is for. Those behind it are arguments.
        let mut front =
            heard.front.iter().filter(|mention| matches!(mention, Mention::Account(_))).peekable();
        let (addressed, is_for_others) = match front.peek() {
            Some(_) => {
                let addressed = context.is_direct() || front.any(|mention| *mention == me(context));
                (addressed, !addressed)
            }
            None => (is_addressed(context, &document), is_of_others(context, &document)),
        };
        // What stands in a box or as code was copied.
        let for_the_bot = addressed || heard.plain && !is_for_others;
        for_the_bot.then(|| Self { text: line.to_owned(), prefixed: true, addressed })
    }
}

/// Whether the person expects a reply, also one that says what is wrong.
pub(super) fn expects_reply(context: &Context) -> bool {
    let addressed = || is_addressed(context, &parse(&context.message().body));
    Line::of(context).map_or_else(addressed, |line| line.addressed)
}

fn me(context: &Context) -> Mention {
    Mention::Account(context.me())
}

/// Whether the message addresses the bot, and not only as it addresses everybody in the room: with a webhook of the account,
/// the service reports `[toall]` as a mention.
fn is_addressed(context: &Context, document: &Document<'_>) -> bool {
    let mentions = |wanted| document.mentions().any(|mention| mention == wanted);
    let is_to_all = || !context.is_direct() && mentions(Mention::All) && !mentions(me(context));
    context.mentions_me() && !is_to_all()
}

/// Whether the service says that the message is for another account, and its text does not: it is of a direct chat of others.
fn is_of_others(context: &Context, document: &Document<'_>) -> bool {
    let mentioned = context.message().mentioned.filter(|account| *account != context.me());
    mentioned.is_some_and(|account| !document.notifies(account))
}

/// Whether the service wrote the message in a person's name: a file was uploaded, a task was added, the message was deleted.
/// What a person quotes is none.
fn is_of_the_service(document: &Document<'_>) -> bool {
    let mut walk = document.walk();
    while let Some(step) = walk.next() {
        match step {
            Step::Enter(node) if matches!(node.kind(), Kind::Quote(_)) => walk.skip_children(),
            Step::Enter(node) if matches!(node.kind(), Kind::Dtext(_) | Kind::Deleted) => return true,
            _ => {}
        }
    }
    false
}
