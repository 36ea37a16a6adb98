//! What is stored.

use jiff::Timestamp;
use kaiwa::{chatwork, lancers};
use serde_json::json;

#[test]
fn what_is_stored_has_stable_names() {
    let since: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    let plain = chatwork::Sought::new("x", chatwork::AccountId(1), since);
    let stored = json!({ "text": "x", "author": 1, "since": "2026-01-05T00:00:00Z" });
    assert_eq!(json!(plain), stored);
    assert_eq!(serde_json::from_value::<chatwork::Sought>(stored).unwrap(), plain);
    let full = plain.after("99").taken(["98", "97"]);
    let stored = json!({
        "text": "x", "author": 1, "since": "2026-01-05T00:00:00Z", "after": "99", "taken": ["97", "98"], "later": 1,
    });
    assert_eq!(serde_json::from_value::<chatwork::Sought>(stored).unwrap(), full);

    let board = lancers::Sought::new("x", "alice".to_owned(), since);
    let board = board.after(lancers::MessageId(9)).taken([lancers::MessageId(8)]);
    let stored =
        json!({ "text": "x", "author": "alice", "since": "2026-01-05T00:00:00Z", "after": 9, "taken": [8] });
    assert_eq!(json!(board), stored);
    assert_eq!(serde_json::from_value::<lancers::Sought>(stored).unwrap(), board);
    for broken in [json!({ "text": "x", "author": "alice" }), json!({ "author": "alice", "since": 1 })] {
        serde_json::from_value::<lancers::Sought>(broken).unwrap_err();
    }
}
