//! `/contacts` and `/incoming_requests`.

use super::call::Call;
use super::reply::{Refusal, Reply};
use serde_json::{Value, json};

/// The most that a list without pages holds.
const MAX_ITEMS: usize = 100;

pub(super) fn list(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let contacts = call.data.people.get(&call.caller).map(|person| &person.contacts);
    let contacts = contacts.into_iter().flatten();
    Ok(Reply::list(contacts.map(|(account, room)| contact(call, *account, *room)).collect()))
}

fn contact(call: &Call<'_>, account: u64, room: u64) -> Value {
    with(call.data.public_profile(account), "room_id", json!(room))
}

pub(super) fn list_requests(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let requests = call.data.people.get(&call.caller).map(|person| &person.requests);
    let requests = requests.into_iter().flatten().take(MAX_ITEMS);
    let request = |(id, (from, message)): (&u64, &(u64, String))| {
        let profile = with(call.data.public_profile(*from), "request_id", json!(id));
        with(profile, "message", json!(message))
    };
    Ok(Reply::list(requests.map(request).collect()))
}

pub(super) fn accept(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let from = answered(call)?;
    let room = call.data.befriend(call.caller, from, call.now);
    Ok(Reply::json(contact(call, from, room)))
}

pub(super) fn decline(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    answered(call)?;
    Ok(Reply::empty())
}

/// Takes the request away, and tells who made it.
fn answered(call: &mut Call<'_>) -> Result<u64, Refusal> {
    let id = call.id("request_id")?;
    let person = call.data.people.get_mut(&call.caller);
    let request = person.and_then(|person| person.requests.remove(&id));
    request.map(|(from, _)| from).ok_or_else(|| Refusal::not_found("request"))
}

/// The object with one more field.
pub(super) fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    object
}
