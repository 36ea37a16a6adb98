//! Every seed passes its check: on a stable compiler, without a fuzzer.

use std::fs;
use std::path::Path;

/// The seeds in these folders, each as it is and cut in half.
fn replay(check: fn(&[u8]), folders: &[&str]) {
    for folder in folders {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut seeds = 0;
        for entry in fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
            let seed = fs::read(entry.expect("an entry").path()).expect("a file");
            check(&seed);
            check(&seed[..seed.len() / 2]);
            seeds += 1;
        }
        assert!(seeds > 0, "{folder} is empty");
    }
}

#[test]
fn notation() {
    replay(kaiwa_fuzz::notation, &["seeds/notation"]);
}

#[test]
fn message() {
    replay(kaiwa_fuzz::message, &["seeds/message", "seeds/notation"]);
}

#[test]
fn webhook() {
    replay(kaiwa_fuzz::webhook, &["seeds/webhook"]);
}

#[test]
fn rate_limit() {
    replay(kaiwa_fuzz::rate_limit, &["seeds/rate_limit"]);
}

#[test]
fn decode() {
    let fixtures = ["../tests/fixtures/chatwork", "../tests/fixtures/tascha", "../tests/fixtures/lancers"];
    replay(kaiwa_fuzz::decode_as_all, &fixtures);
    replay(kaiwa_fuzz::decode_as_all, &["seeds/decode"]);
}
