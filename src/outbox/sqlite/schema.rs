//! What is in the file, and how a file of an earlier version becomes one of this version.

use super::failure::Failure;
use rusqlite::Connection;

/// Marks the file as an outbox: "kaiw".
const APPLICATION: i32 = 0x6b61_6977;

/// What leads from each version to the next. One that was released is never changed.
const STEPS: &[&str] = &[include_str!("schema_1.sql")];

/// Fails unless the file is empty, or an outbox of this version or an earlier one. Nothing is written.
pub(super) fn check(connection: &Connection) -> Result<(), Failure> {
    // In a transaction, since another process may be creating it.
    connection.execute_batch("BEGIN")?;
    let checked = check_for(connection, STEPS);
    connection.execute_batch("ROLLBACK")?;
    checked
}

/// Creates what is missing.
pub(super) fn migrate(connection: &Connection) -> Result<(), Failure> {
    migrate_by(connection, STEPS)
}

fn check_for(connection: &Connection, steps: &[&str]) -> Result<(), Failure> {
    let number = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    match (application, version) {
        (0, 0) if tables == 0 => Ok(()),
        (APPLICATION, 1..) if version as usize <= steps.len() => Ok(()),
        (APPLICATION, 1..) => Err(Failure::new(format!(
            "it is of version {version}, and this program knows versions up to {}: use a newer version of kaiwa",
            steps.len()
        ))),
        _ => Err(Failure::new("it is the database of something else")),
    }
}

fn migrate_by(connection: &Connection, steps: &[&str]) -> Result<(), Failure> {
    let migrated = (|| {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        // Another process may have done it meanwhile.
        check_for(connection, steps)?;
        let version: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        for step in &steps[version as usize..] {
            connection.execute_batch(step)?;
        }
        connection.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {}; COMMIT",
            steps.len()
        ))?;
        Ok(())
    })();
    if migrated.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    migrated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> i32 {
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("it is read")
    }

    #[test]
    fn each_missing_step_is_taken_once() {
        let connection = Connection::open_in_memory().expect("a database");
        migrate_by(&connection, &["CREATE TABLE a (b)"]).expect("it is new");
        connection.execute_batch("INSERT INTO a VALUES (1)").expect("the table is there");
        let steps = ["CREATE TABLE a (b)", "ALTER TABLE a ADD COLUMN c DEFAULT 2", "UPDATE a SET b = b + c"];
        for _ in 0..2 {
            migrate_by(&connection, &steps).expect("it is older");
            let sum: i64 = connection.query_row("SELECT b + c FROM a", [], |row| row.get(0)).expect("both");
            assert_eq!((sum, version(&connection)), (5, 3));
        }
        let error = check_for(&connection, &steps[..2]).expect_err("it is newer").to_string();
        assert!(error.contains("version 3") && error.contains("up to 2"), "{error}");
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let connection = Connection::open_in_memory().expect("a database");
        migrate_by(&connection, &["CREATE TABLE a (b)"]).expect("it is new");
        let steps = ["CREATE TABLE a (b)", "DROP TABLE a", "DROP TABLE a"];
        migrate_by(&connection, &steps).expect_err("there is no table to drop");
        connection.execute_batch("INSERT INTO a VALUES (1)").expect("the table is there");
        assert!(version(&connection) == 1 && connection.is_autocommit());
    }

    #[test]
    fn a_database_of_something_else_is_refused() {
        let connection = Connection::open_in_memory().expect("a database");
        connection.execute_batch("CREATE TABLE theirs (a)").expect("it is created");
        check(&connection).expect_err("it has a table");
        migrate(&connection).expect_err("it has a table");
        connection.execute_batch("DROP TABLE theirs; PRAGMA application_id = 7").expect("it is changed");
        check(&connection).expect_err("it has another mark");
        connection.execute_batch("PRAGMA application_id = 0").expect("it is changed");
        migrate(&connection).expect("it is empty");
        check(&connection).expect("it is an outbox");
    }
}
