//! The statements of a connection.

use rusqlite::{Connection, Statement};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Each is prepared once.
pub(crate) struct Statements<'c> {
    connection: &'c Connection,
    prepared: HashMap<&'static str, Statement<'c>>,
}

impl<'c> Statements<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Self {
        Self { connection, prepared: HashMap::new() }
    }

    pub(crate) fn get(&mut self, sql: &'static str) -> rusqlite::Result<&mut Statement<'c>> {
        Ok(match self.prepared.entry(sql) {
            Entry::Occupied(prepared) => prepared.into_mut(),
            Entry::Vacant(missing) => missing.insert(self.connection.prepare(sql)?),
        })
    }
}
