//! What a kind of file has of its own.

use super::failure::Failure;
use super::schema::Schema;
use rusqlite::Connection;

/// A kind of file: what is in it, and what can be asked of it.
pub(crate) trait Content: Sized + 'static {
    /// What errors call it.
    const NAME: &'static str;
    const SCHEMA: Schema;
    /// The statements of a connection.
    type Queries<'c>;

    fn queries(connection: &Connection) -> Result<Self::Queries<'_>, Failure>;
}
