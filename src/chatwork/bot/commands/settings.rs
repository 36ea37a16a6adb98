//! What the contexts of a bot share for commands.

use super::language::Language;
use super::limiter::Limiter;
use std::sync::Arc;
use std::time::Duration;

/// How many explanations one account gets in the [`WINDOW`]. Two bots that explain to each other what they did not understand
/// would never end.
pub(super) const EXPLANATIONS: usize = 10;

/// See [`EXPLANATIONS`].
pub(super) const WINDOW: Duration = Duration::from_secs(600);

/// The settings of a bot, shared by its contexts.
#[derive(Clone, Debug)]
pub(in crate::chatwork::bot) struct Settings {
    pub(super) language: Language,
    pub(super) explained: Arc<Limiter>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { language: Language::default(), explained: Arc::new(Limiter::new(EXPLANATIONS, WINDOW)) }
    }
}
