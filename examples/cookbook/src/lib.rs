//! What the programs of the cookbook stand on. Each module is a file to copy.

pub mod outbox_postgres;
