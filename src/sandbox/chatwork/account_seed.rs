//! Accounts at the start.

use std::fmt;

/// An account: a person or a bot.
#[derive(Clone, Default)]
#[must_use = "an account does nothing until a seed has it"]
pub struct Account {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) chatwork_id: String,
    pub(super) organization_id: u64,
    pub(super) organization_name: String,
    pub(super) department: String,
    pub(super) title: String,
    pub(super) url: String,
    pub(super) introduction: String,
    pub(super) mail: String,
    pub(super) tokens: Vec<String>,
}

/// Without the tokens.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Account {
    /// An account with an empty profile and no token. It gets a "My Chat".
    pub fn new(id: u64, name: impl Into<String>) -> Self {
        Self { id, name: name.into(), ..Self::default() }
    }

    /// An API token of the account. Given several times, it has several.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.tokens.push(token.into());
        self
    }

    /// The organization. Those of one organization may put each other into group chats without being contacts.
    pub fn organization(mut self, id: u64, name: impl Into<String>) -> Self {
        self.organization_id = id;
        self.organization_name = name.into();
        self
    }

    /// The `chatwork_id` by which others find the account.
    pub fn chatwork_id(mut self, id: impl Into<String>) -> Self {
        self.chatwork_id = id.into();
        self
    }

    /// The department within the organization.
    pub fn department(mut self, department: impl Into<String>) -> Self {
        self.department = department.into();
        self
    }

    /// The job title.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The mail address, shown and for signing in.
    pub fn mail(mut self, mail: impl Into<String>) -> Self {
        self.mail = mail.into();
        self
    }

    /// The text about oneself.
    pub fn introduction(mut self, introduction: impl Into<String>) -> Self {
        self.introduction = introduction.into();
        self
    }

    /// The web address of the profile.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Where the picture lies; nothing is served there.
    pub(super) fn avatar_image_url(&self) -> String {
        format!("https://appdata.example.com/avatar/{}.png", self.id)
    }
}
