//! The events that a poll of a room adds to the known messages, including unusual answers of the service.

use super::event::{Event, Hidden};
use super::room::{Position, RoomState};
use super::window::{CAP, MessageWindow, RoomVersion};
use crate::chatwork::{Message, RoomId};

const ROOM: RoomId = RoomId(1);

/// A message with this number as its id, its second, and the second of its edit, if any.
fn message(id: u64, edited: u64, text: &str) -> Message {
    let account = serde_json::json!({ "account_id": 1, "name": "Alice", "avatar_image_url": "" });
    let message = serde_json::json!({
        "message_id": id.to_string(), "account": account, "body": text, "send_time": id, "update_time": edited,
    });
    serde_json::from_value(message).expect("a message")
}

fn window(messages: Vec<Message>) -> MessageWindow {
    MessageWindow { messages, ..MessageWindow::default() }
}

fn numbered(ids: impl IntoIterator<Item = u64>) -> MessageWindow {
    window(ids.into_iter().map(|id| message(id, 0, "text")).collect())
}

/// A window with these messages and some that do not decode.
fn strange(decode: impl IntoIterator<Item = u64>, do_not: impl IntoIterator<Item = u64>) -> MessageWindow {
    let rows: Vec<_> = do_not.into_iter().map(|id| serde_json::json!({ "message_id": id })).collect();
    let list: crate::Lenient<Message> = serde_json::from_value(rows.into()).expect("a list");
    MessageWindow { undecodable: list.undecodable, ..numbered(decode) }
}

/// The events of a poll, all of them yielded.
fn look(state: &mut RoomState, window: &MessageWindow) -> Vec<String> {
    look_after(state, window, None)
}

/// The same after a list with this entry for the room.
fn look_after(state: &mut RoomState, window: &MessageWindow, listed: Option<RoomVersion>) -> Vec<String> {
    let changes = state.changes(ROOM, window, listed);
    let short = |event: Event| match event {
        Event::Message { message, .. } => format!("+{}", message.message_id),
        Event::Edited { message, .. } => format!("~{}", message.message_id),
        Event::Deleted { message, .. } => format!("-{}", message.message_id),
        Event::Undecodable { item, .. } => format!("?{}", item.value["message_id"]),
        other => format!("{other:?}"),
    };
    changes.into_iter().map(|change| short(state.learn(change))).collect()
}

fn known(ids: impl IntoIterator<Item = u64>) -> RoomState {
    let mut state = RoomState::new(Position::Now);
    assert!(look(&mut state, &numbered(ids)).is_empty());
    state
}

#[test]
fn an_answer_from_a_lagging_replica_repeats_no_event() {
    let mut state = known(1001..=1100);
    assert_eq!(look(&mut state, &numbered(1003..=1102)), ["+1101", "+1102"]);
    assert!(look(&mut state, &numbered(1000..=1099)).is_empty());
    assert!(look(&mut state, &numbered([])).is_empty());
    assert_eq!(look(&mut state, &numbered(1004..=1103)), ["+1103"]);

    let at = |edited, text| window(vec![message(1, edited, text)]);
    let mut state = known([1]);
    assert_eq!(look(&mut state, &at(5, "two")), ["~1"]);
    assert!(look(&mut state, &at(0, "one")).is_empty());
    assert!(look(&mut state, &at(5, "two")).is_empty());
    assert_eq!(look(&mut state, &at(6, "[deleted]")), ["-1"]);
    assert!(look(&mut state, &at(5, "two")).is_empty());
    assert!(look(&mut state, &at(7, "[deleted]")).is_empty());
}

#[test]
fn a_deletion_is_seen_with_and_without_a_time() {
    for edited in [0, 9] {
        let mut state = known([1]);
        assert_eq!(look(&mut state, &window(vec![message(1, edited, "[deleted]")])), ["-1"]);
    }
    // A different text without an update time is not an edit.
    assert!(look(&mut known([1]), &window(vec![message(1, 0, "[preview]")])).is_empty());
}

#[test]
fn a_late_message_is_yielded_and_an_unhidden_one_is_not() {
    let mut state = known([10, 12, 14]);
    assert_eq!(look(&mut state, &numbered([10, 11, 12, 14, 15])), ["+11", "+15"]);
    // 5 was hidden, or has moved up because others are gone. Its later edits are events.
    assert!(look(&mut state, &numbered([5, 10, 11, 12, 15])).is_empty());
    let mut edited = numbered([5, 10, 11, 12, 15]);
    edited.messages[0] = message(5, 20, "edited");
    assert_eq!(look(&mut state, &edited), ["~5"]);
}

#[test]
fn a_room_with_only_new_messages_may_have_a_gap() {
    let reported = look(&mut known([1, 2]), &numbered([7]));
    assert!(reported.len() == 2 && reported[0].starts_with("Gap") && reported[1] == "+7", "{reported:?}");
}

#[test]
fn unhidden_messages_of_a_fully_hidden_room_are_judged_by_their_time() {
    let hides = |hidden, window: MessageWindow| MessageWindow { hidden, ..window };
    let listed = Some(RoomVersion(1, jiff::Timestamp::constant(999, 0)));
    for (begins, listed, reported) in [
        (Position::Now, listed, &["+1000", "+1001"][..]),
        (Position::Now, None, &["+998", "+999", "+1000", "+1001"]),
        (Position::Since(jiff::Timestamp::constant(999, 0)), listed, &["+999", "+1000", "+1001"]),
        (Position::Window, listed, &["+998", "+999", "+1000", "+1001"]),
    ] {
        let mut state = RoomState::new(begins);
        for _ in 0..2 {
            look_after(&mut state, &hides(Hidden::All, MessageWindow::default()), listed);
        }
        state = serde_json::from_value(serde_json::to_value(state.saved()).expect("it serialises"))
            .expect("and back");
        let mut shown = look(&mut state, &hides(Hidden::Some, numbered(998..=1001)));
        assert!(shown.remove(0).starts_with("Limited"));
        assert_eq!(shown, reported);
        assert_eq!(look(&mut state, &hides(Hidden::Some, numbered(998..=1002))), ["+1002"]);
    }
    // The messages left out here are not missing.
    let mut state = RoomState::new(Position::Now);
    look_after(&mut state, &hides(Hidden::All, MessageWindow::default()), listed);
    assert_eq!(look(&mut state, &hides(Hidden::Some, numbered(900..=999))).len(), 1);
    assert_eq!(look(&mut state, &hides(Hidden::Some, numbered(901..=1000))), ["+1000"]);
    // Without a time there may have been more messages than the window shows, wherever it began.
    for begins in [Position::Now, Position::Window] {
        let mut state = RoomState::new(begins);
        look(&mut state, &hides(Hidden::All, MessageWindow::default()));
        let reported = look(&mut state, &hides(Hidden::Some, numbered(901..=1000)));
        assert!(reported.len() == 102 && reported[1].starts_with("Gap"), "{reported:?}");
    }
}

#[test]
fn an_undecodable_message_counts_for_the_extent_of_the_window() {
    // 100 are shown, so there may be more.
    let mut state = RoomState::new(Position::At(Default::default()));
    let reported = look(&mut state, &strange(1001..=1099, [1100]));
    assert!(
        reported.len() == 101 && reported[0].starts_with("Gap") && reported[100] == "?1100",
        "{reported:?}"
    );
    // It is the only known message that is left.
    assert_eq!(look(&mut state, &strange(1101..=1199, [1100])).len(), 99);
    let reported = look(&mut state, &strange(1300..=1398, [1299]));
    assert!(reported.len() == 101 && reported[0].starts_with("Gap"), "{reported:?}");
}

#[test]
fn the_state_of_a_room_is_bounded() {
    let mut state = RoomState::new(Position::Window);
    for first in 0..2000 {
        let edited = (first..first + 100).map(|id| 1_700_000_000 + id);
        let messages = edited.map(|id| message(id, id + u64::from(id % 2 == 0), "x")).collect();
        look(&mut state, &MessageWindow { messages, ..strange([], first..first + 100) });
    }
    let json = serde_json::to_value(&state).expect("it serialises");
    assert_eq!(json["undecodable"].as_array().map(Vec::len), Some(CAP));
    assert!(json.to_string().len() < 8000, "{json}");
    let Position::At(mark) = &state.position else { panic!("it was looked at") };
    let json = serde_json::to_value(mark).expect("it serialises");
    assert_eq!(json["known"].as_array().map(Vec::len), Some(CAP));
    assert_eq!(serde_json::from_value::<super::room::Seen>(json).expect("and back"), *mark);
}

/// A window in which these messages have an invalid time.
fn timeless(decode: impl IntoIterator<Item = u64>, ids: impl IntoIterator<Item = u64>) -> MessageWindow {
    let without = |id| Message { send_time: jiff::Timestamp::MAX, ..message(id, 0, "text") };
    MessageWindow { timeless: ids.into_iter().map(without).collect(), ..numbered(decode) }
}

#[test]
fn a_message_without_a_time_is_reported_once_and_hides_no_other() {
    let mut state = RoomState::new(Position::Now);
    assert!(look(&mut state, &timeless([], [5])).is_empty());
    assert_eq!(look(&mut state, &timeless([6, 8], [5, 7])), ["+6", "+8", "+7"]);
    let json = serde_json::to_value(state.saved()).expect("it serialises");
    let mut state: RoomState = serde_json::from_value(json).expect("and back");
    assert!(look(&mut state, &timeless([6, 8], [5, 7])).is_empty());
    // Once it has a time, it is known, and can be edited like any other.
    assert!(look(&mut state, &timeless([6, 7, 8], [5])).is_empty());
    let mut edited = numbered([6, 7, 8]);
    edited.messages[1] = message(7, 20, "edited");
    assert_eq!(look(&mut state, &edited), ["~7"]);
    // It is the only known message that is left, and then it is gone, too.
    assert_eq!(look(&mut state, &timeless(1001..=1098, [5, 9])).len(), 99);
    let reported = look(&mut state, &timeless(1200..=1299, []));
    assert!(reported.len() == 101 && reported[0].starts_with("Gap"), "{reported:?}");
    // An edit with an invalid time does not hide the next one.
    let never = Message { update_time: Some(jiff::Timestamp::MAX), ..message(1300, 0, "edited") };
    let mut state = known([1300]);
    look(&mut state, &window(vec![never]));
    assert_eq!(look(&mut state, &window(vec![message(1300, 2000, "again")])), ["~1300"]);
}
