//! What holds of the recording of any answer.

use super::recording::{raw, reread, without_words};
use super::seeded::seeded;
use proptest::prelude::*;
use serde_json::{Value, json};

/// An object with names that the specifications have, and others.
fn any_object() -> impl Strategy<Value = Value> {
    let fields = prop::collection::btree_map(any_name(), any_json(), 0..9);
    fields.prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec![
            "account_id", "room_id", "name", "message_id", "account", "body", "send_time", "task_id", "status",
            "limit_time", "type", "role", "sticky", "unread_num", "id", "created", "users", "size", "files", "with",
            "read_users", "send_user", "board_id", "data", "nextCursor", "createdAt", "error", "code", "details",
            "unread_count", "mention_num", "updatedAt", "roomType", "room", "limit_type", "modified",
        ])
        .prop_map(str::to_owned),
        1 => "[a-z_0-9 ]{0,12}",
        1 => "hunter [a-z]{0,3}",
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>().prop_map(Value::from),
        "[a-z]{0,5}hunter[a-z0-9@.]{0,9}".prop_map(Value::from),
        "[a-z0-9@.:/ -]{0,40}".prop_map(Value::from),
        "[0-9]{1,25}".prop_map(Value::from),
        prop::sample::select(vec![
            "2026-01-01T00:00:00Z[hunter]",
            "2026-01-01T00:00:00Z",
            "2026-01-01 00:00:00",
            "2026-01-01",
            "open",
            "group",
            "ok",
            "https://a.example/b",
            "a@b.example",
            "",
        ])
        .prop_map(Value::from),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text,
    ];
    leaf.prop_recursive(3, 20, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any_name(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_placeholder_differs_where_the_original_does(one in prop_oneof![any_json(), any_object()], items in prop::collection::vec(any_object(), 0..4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for (service, detail, list, paged) in [
            ("chatwork", "/me", "/rooms", false),
            ("chatwork", "/my/status", "/my/tasks", false),
            ("tascha", "/me", "/rooms", true),
            ("lancers", "/boards/search", "/boards/unread", false),
        ] {
            let first = json!({ "recording": 1, "service": service, "kaiwa": "0", "answered_by": "the sandbox", "given": {} }).to_string() + "\n";
            let list_body = if paged { json!({ "data": items, "nextCursor": one }) } else { items.clone().into() };
            let none = json!({});
            let original = first + &raw(service, detail, &none, 200, &one) + &raw(service, list, &none, 200, &list_body);
            let (report, recording) = runtime.block_on(reread(&original));
            prop_assert!(!recording.contains("hunter"), "{}\n{}", original, recording);
            let (again, recorded) = runtime.block_on(reread(&recording));
            prop_assert_eq!(without_words(&again), without_words(&report), "{}\n{}", original, recording);
            prop_assert_eq!(&recorded, &recording);
            // Whatever the answers are, a sandbox starts with them, also if they are there twice.
            let sandbox = runtime.block_on(seeded(&recording.repeat(2)));
            let _ = (sandbox.tascha().rooms(), sandbox.lancers().boards());
            prop_assert!(!sandbox.chatwork().rooms().is_empty(), "{}", recording);
        }
    }
}
