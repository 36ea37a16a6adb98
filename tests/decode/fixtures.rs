//! Answers from `tests/fixtures/`, one file for each operation and named after it; the values are invented.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::PathBuf;

fn folder(service: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", service].iter().collect()
}

pub fn fixture(service: &str, name: &str) -> String {
    let path = folder(service).join(format!("{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A decoded value can be written as JSON and decodes to the same value again.
pub fn assert_survives_rewriting<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let written = serde_json::to_string(value).expect("an answer can be written");
    assert_eq!(&serde_json::from_str::<T>(&written).expect("and read"), value, "written as {written}");
}

/// Every operation with an answer has a fixture, and every fixture belongs to an operation.
#[test]
fn every_operation_has_a_fixture() {
    use kaiwa::{chatwork, lancers, tascha};
    for (service, table) in
        [("chatwork", chatwork::table::ALL), ("tascha", tascha::table::ALL), ("lancers", lancers::table::ALL)]
    {
        let files = std::fs::read_dir(folder(service)).expect("the folder of the fixtures");
        let names: Vec<String> = files
            .map(|file| {
                file.expect("an entry").file_name().into_string().expect("ASCII").replace(".json", "")
            })
            .collect();
        for operation in table {
            let silent = ["delete_room", "decline_incoming_request"].contains(&operation.id);
            assert_eq!(names.iter().any(|name| name == operation.id), !silent, "{service}: {}", operation.id);
        }
        for name in &names {
            let known = table.iter().any(|operation| name.starts_with(operation.id));
            assert!(known, "{service}/{name}.json belongs to no operation");
        }
    }
}
