//! Who may use commands, where and how often.

use super::explanation::{Explanation, tell};
use super::language::Language;
use super::limiter::{Limiter, TooOften};
use super::line::expects_reply;
use crate::Error;
use crate::chatwork::bot::Context;
use crate::chatwork::{AccountId, Role, RoomId};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// A check in front of commands. Clones are cheap, and share what they count.
///
/// A new guard admits everybody. [`accounts`](Self::accounts) and [`roles`](Self::roles) say who is admitted: whoever is one of
/// the accounts, or has one of the roles in the room of the message. [`rooms`](Self::rooms) and [`limit`](Self::limit) must
/// hold as well. Several guards must all admit.
///
/// ```
/// use kaiwa::chatwork::bot::commands::Guard;
/// use kaiwa::chatwork::{AccountId, Role, RoomId};
/// use std::time::Duration;
///
/// // Administrators of room 123, and account 7 there; each five times in a minute.
/// let guard = Guard::new()
///     .accounts([AccountId(7)])
///     .roles([Role::Admin])
///     .rooms([RoomId(123)])
///     .limit(5, Duration::from_secs(60));
/// # drop(guard);
/// ```
///
/// Use it [for all commands](super::ReadCommand::guard), or [for one](Self::admits).
#[derive(Clone, Debug, Default)]
pub struct Guard(Arc<Rules>);

#[derive(Clone, Debug, Default)]
struct Rules {
    accounts: Option<HashSet<AccountId>>,
    roles: Option<Vec<Role>>,
    rooms: Option<HashSet<RoomId>>,
    limit: Option<Arc<Limiter>>,
    silent: bool,
}

/// Why a guard does not admit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refusal {
    Person,
    Room,
    TooOften { times: usize, window: Duration, refused: TooOften },
}

impl Guard {
    /// A guard that admits everybody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Admits these accounts.
    #[must_use]
    pub fn accounts(mut self, accounts: impl IntoIterator<Item = AccountId>) -> Self {
        self.rules().accounts.get_or_insert_default().extend(accounts);
        self
    }

    /// Admits members who have one of these roles in the room of the message. The guard asks the service each time, so that
    /// nobody keeps a right that was taken away: `GET /rooms/{room_id}/members`, unless the account is one of
    /// [`accounts`](Self::accounts). In a direct chat both people are administrators.
    #[must_use]
    pub fn roles(mut self, roles: impl IntoIterator<Item = Role>) -> Self {
        self.rules().roles.get_or_insert_default().extend(roles);
        self
    }

    /// Admits only in these rooms.
    #[must_use]
    pub fn rooms(mut self, rooms: impl IntoIterator<Item = RoomId>) -> Self {
        self.rules().rooms.get_or_insert_default().extend(rooms);
        self
    }

    /// Admits each person so many times in any window of this length, in all rooms together, by the client's clock. It is
    /// counted in this process, and a message counts once, however often it is handled. Who writes more gets one reply that says so, and then none until the window allows it.
    #[must_use]
    pub fn limit(mut self, times: usize, window: Duration) -> Self {
        self.rules().limit = Some(Arc::new(Limiter::new(times, window)));
        self
    }

    /// Does not answer those whom it does not admit.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.rules().silent = true;
        self
    }

    fn rules(&mut self) -> &mut Rules {
        Arc::make_mut(&mut self.0)
    }

    /// Whether the author of the message is admitted, for a check of a single command. Otherwise the bot replies why, if the
    /// message addresses it, and unless the guard is [silent](Self::silent).
    ///
    /// # Errors
    ///
    /// If the members cannot be read, or the reply fails. Nobody is admitted then.
    pub async fn admits(&self, context: &Context) -> Result<bool, Error> {
        // Without an address a command may be meant for another bot, which knows it as well.
        let replies = !self.0.silent && expects_reply(context);
        let Some(refusal) = self.0.check(context, replies).await? else { return Ok(true) };
        let again = matches!(refusal, Refusal::TooOften { refused: TooOften { first: false, .. }, .. });
        if replies && !again {
            tell(context, &Explanation::text(refusal.text(context.commands.language))).await?;
        }
        Ok(false)
    }
}

impl Rules {
    async fn check(&self, context: &Context, replies: bool) -> Result<Option<Refusal>, Error> {
        let message = context.message();
        let account = message.account_id;
        if self.rooms.as_ref().is_some_and(|rooms| !rooms.contains(&message.room_id)) {
            return Ok(Some(Refusal::Room));
        }
        let listed = self.accounts.as_ref().map(|accounts| accounts.contains(&account));
        if listed == Some(false) && self.roles.is_none() {
            return Ok(Some(Refusal::Person));
        }
        // Before the members are asked for, so that nobody makes the bot use up its calls.
        if let Some(limit) = &self.limit {
            let counted = (message.room_id, message.message_id.clone());
            let now = context.client().transport().clock().now();
            if let Err(refused) = limit.take(account, &counted, now, replies) {
                return Ok(Some(Refusal::TooOften { times: limit.times, window: limit.window, refused }));
            }
        }
        match &self.roles {
            Some(roles) if listed != Some(true) => {
                let members = context.room().members().await?;
                let admitted =
                    members.iter().any(|member| member.account_id == account && roles.contains(&member.role));
                Ok((!admitted).then_some(Refusal::Person))
            }
            _ => Ok(None),
        }
    }
}

impl Refusal {
    fn text(self, language: Language) -> String {
        match (self, language) {
            (Self::Person, Language::Japanese) => "この操作をする権限がありません。".to_owned(),
            (Self::Person, Language::English) => "You are not allowed to do this.".to_owned(),
            (Self::Room, Language::Japanese) => "このルームでは使えません。".to_owned(),
            (Self::Room, Language::English) => "This cannot be used in this room.".to_owned(),
            (Self::TooOften { times, window, refused }, Language::Japanese) => {
                let (window, wait) = (length(window, language), length(refused.wait, language));
                format!("使えるのは {window}に {times} 回までです。あと {wait}お待ちください。")
            }
            (Self::TooOften { times, window, refused }, Language::English) => {
                let (window, wait) = (length(window, language), length(refused.wait, language));
                format!("This can be used {times} times in {window}. Please wait {wait}.")
            }
        }
    }
}

/// A length of time in the largest unit that leaves no rest that matters, rounded up.
fn length(time: Duration, language: Language) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let (count, unit) = match seconds {
        0..120 => (seconds, ["秒", "s"]),
        120..7200 => (seconds.div_ceil(60), ["分", "min"]),
        _ => (seconds.div_ceil(3600), ["時間", "h"]),
    };
    format!(
        "{count} {}",
        match language {
            Language::Japanese => unit[0],
            Language::English => unit[1],
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_limit_and_the_wait() {
        let refused = TooOften { wait: Duration::from_millis(22_001), first: true };
        let refusal = Refusal::TooOften { times: 3, window: Duration::from_secs(3600), refused };
        assert_eq!(
            refusal.text(Language::Japanese),
            "使えるのは 60 分に 3 回までです。あと 23 秒お待ちください。"
        );
        assert_eq!(refusal.text(Language::English), "This can be used 3 times in 60 min. Please wait 23 s.");
        let lengths = [0, 119, 120, 121, 7200, 7201]
            .map(|seconds| length(Duration::from_secs(seconds), Language::English));
        assert_eq!(lengths, ["0 s", "119 s", "2 min", "3 min", "2 h", "3 h"]);
    }
}
