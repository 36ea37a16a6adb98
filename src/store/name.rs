//! The names under which processes share something.

use crate::error::Error;

/// Fails unless this is a name that people may read.
pub(super) fn check(name: &str) -> Result<&str, Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.is_empty() || name.len() > 100 || !name.chars().all(allowed) {
        return Err(Error::config(
            "the name of budgets, replays or tokens has 1 to 100 ASCII letters, digits, `_`, `-` and `.`, and no others",
        ));
    }
    if crate::input::looks_like_secret(name) {
        return Err(Error::config(
            "the name in the store looks like a credential; choose one that people may read",
        ));
    }
    Ok(name)
}
