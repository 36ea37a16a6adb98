//! Every seed passes its check, on a stable compiler and without a fuzzer.

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

/// Every operation, item and way with all kinds of junk, and then as many at random. The random cases are the same in
/// every run.
#[test]
fn spoil() {
    let junk: [&[u8]; 8] = [
        b"",
        b"\\ud83d",
        b"\\",
        b"\xe3\x81",
        b"NaN",
        b"\xff\0\n\\u12",
        br#"{"a":[1,{"b":null}]}"#,
        b"2026-01-01T00:00:00",
    ];
    for operation in 0..=u8::MAX {
        for way in (0..8).chain(0x80..0x88) {
            for (number, junk) in (0..).zip(junk) {
                kaiwa_fuzz::spoil(&[&[operation, number, number * 3, way], junk].concat());
            }
        }
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    for _ in 0..20_000 {
        let length = usize::from(next()[0]) % 24;
        let data: Vec<u8> = (0..4).flat_map(|_| next()).take(4 + length).collect();
        kaiwa_fuzz::spoil(&data);
    }
}

#[test]
fn decode() {
    let fixtures = ["../tests/fixtures/chatwork", "../tests/fixtures/tascha", "../tests/fixtures/lancers"];
    replay(kaiwa_fuzz::decode_as_all, &fixtures);
    replay(kaiwa_fuzz::decode_as_all, &["seeds/decode"]);
}
