//! What is in the file, and how a file of an earlier version becomes one of this version.

use super::failure::Failure;
use rusqlite::Connection;

/// The tables of a kind of file.
#[derive(Clone, Copy)]
pub(crate) struct Schema {
    /// Marks the file as one of this kind.
    pub(crate) application: i32,
    /// What leads from each version to the next. One that was released is never changed.
    pub(crate) steps: &'static [&'static str],
}

impl Schema {
    /// Fails unless the file is empty, or one of this kind and of this version or an earlier one. Nothing is written.
    pub(super) fn check(self, connection: &Connection) -> Result<(), Failure> {
        // In a transaction, since another process may be creating it.
        connection.execute_batch("BEGIN")?;
        let checked = self.check_now(connection);
        // SQLite may have rolled back by itself, and the first failure is the one to tell.
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        checked
    }

    fn check_now(self, connection: &Connection) -> Result<(), Failure> {
        let number =
            |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0));
        let (application, version) = (number("application_id")?, number("user_version")?);
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        let is_ours = application == self.application && version >= 1;
        if is_ours && version as usize > self.steps.len() {
            return Err(Failure::new(format!(
                "it is of version {version}, and this program knows versions up to {}: use a newer version of kaiwa",
                self.steps.len()
            )));
        }
        let is_empty = (application, version, tables) == (0, 0, 0);
        if is_ours || is_empty { Ok(()) } else { Err(Failure::new("it is the database of something else")) }
    }

    /// Creates what is missing.
    pub(super) fn migrate(self, connection: &Connection) -> Result<(), Failure> {
        let migrated = (|| {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            // Another process may have done it meanwhile.
            self.check_now(connection)?;
            let version: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            for step in &self.steps[version as usize..] {
                connection.execute_batch(step)?;
            }
            let (application, version) = (self.application, self.steps.len());
            let marks =
                format!("PRAGMA application_id = {application}; PRAGMA user_version = {version}; COMMIT");
            Ok(connection.execute_batch(&marks)?)
        })();
        if migrated.is_err() && !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        migrated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn schema(steps: &'static [&'static str]) -> Schema {
        Schema { application: 1, steps }
    }

    fn version(connection: &Connection) -> i32 {
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("it is read")
    }

    #[test]
    fn each_missing_step_is_taken_once() {
        let connection = Connection::open_in_memory().expect("a database");
        schema(&["CREATE TABLE a (b)"]).migrate(&connection).expect("it is new");
        connection.execute_batch("INSERT INTO a VALUES (1)").expect("the table is there");
        let steps = &["CREATE TABLE a (b)", "ALTER TABLE a ADD COLUMN c DEFAULT 2", "UPDATE a SET b = b + c"];
        for _ in 0..2 {
            schema(steps).migrate(&connection).expect("it is older");
            let sum: i64 = connection.query_row("SELECT b + c FROM a", [], |row| row.get(0)).expect("both");
            assert_eq!((sum, version(&connection)), (5, 3));
        }
        let error = schema(&steps[..2]).check(&connection).expect_err("it is newer").to_string();
        assert!(error.contains("version 3") && error.contains("up to 2"), "{error}");
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let connection = Connection::open_in_memory().expect("a database");
        schema(&["CREATE TABLE a (b)"]).migrate(&connection).expect("it is new");
        let steps = &["CREATE TABLE a (b)", "DROP TABLE a", "DROP TABLE a"];
        schema(steps).migrate(&connection).expect_err("there is no table to drop");
        connection.execute_batch("INSERT INTO a VALUES (1)").expect("the table is there");
        assert!(version(&connection) == 1 && connection.is_autocommit());
    }

    #[test]
    fn a_database_of_something_else_is_refused() {
        let connection = Connection::open_in_memory().expect("a database");
        connection.execute_batch("CREATE TABLE theirs (a)").expect("it is created");
        let schema = schema(&["CREATE TABLE a (b)"]);
        schema.check(&connection).expect_err("it has a table");
        schema.migrate(&connection).expect_err("it has a table");
        connection.execute_batch("DROP TABLE theirs; PRAGMA application_id = 7").expect("it is changed");
        schema.check(&connection).expect_err("it has another mark");
        connection.execute_batch("PRAGMA application_id = 0").expect("it is changed");
        schema.migrate(&connection).expect("it is empty");
        schema.check(&connection).expect("it is ours");
        let other = Schema { application: 2, ..schema };
        other.check(&connection).expect_err("it is of the other kind");
        other.migrate(&connection).expect_err("it is of the other kind");
    }
}
