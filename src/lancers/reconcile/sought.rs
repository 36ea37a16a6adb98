//! What a message is looked for by, in a form that can be stored.

use crate::input::{self, InvalidInput};
use crate::lancers::MessageId;

/// A message that is to be posted to a board, and what a later run of the program looks for it by: the author is the login
/// name.
///
/// ```
/// use kaiwa::lancers::{MessageId, Sought};
///
/// let stored = r#"{"text":"承知しました","author":"alice","since":"2026-01-05T00:00:00Z","after":999}"#;
/// let sought: Sought = serde_json::from_str(stored)?;
/// let same = Sought::new("承知しました", "alice".to_owned(), "2026-01-05T00:00:00Z".parse()?);
/// assert_eq!(sought, same.after(MessageId(999)));
/// assert_eq!(serde_json::to_string(&sought)?, stored);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Sought = crate::Sought<MessageId, String>;

pub(super) fn check(author: &str) -> Result<(), InvalidInput> {
    input::not_empty("author", author.is_empty())
}
