//! `/contacts` and `/incoming_requests`.

use super::call::Call;
use super::data::Data;
use super::reply::{self, Refusal};
use crate::sandbox::answer::Answer;
use serde_json::{Value, json};

/// The most that a list without pages holds.
const MAX_ITEMS: usize = 100;

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    Ok(reply::list(contacts_of(call.data, call.caller)))
}

/// The contacts of an account, as the API prints them.
pub(super) fn contacts_of(data: &Data, account: u64) -> Vec<Value> {
    let contacts = data.people.get(&account).map(|person| &person.contacts);
    contacts.into_iter().flatten().map(|(account, room)| contact(data, *account, *room)).collect()
}

fn contact(data: &Data, account: u64, room: u64) -> Value {
    with(data.public_profile(account), "room_id", json!(room))
}

pub(super) fn list_requests(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut requests = requests_for(call.data, call.caller);
    requests.truncate(MAX_ITEMS);
    Ok(reply::list(requests))
}

/// The contact requests that wait for an account, as the API prints them.
pub(super) fn requests_for(data: &Data, account: u64) -> Vec<Value> {
    let requests = data.people.get(&account).map(|person| &person.requests);
    let request = |(id, (from, message)): (&u64, &(u64, String))| {
        let profile = with(data.public_profile(*from), "request_id", json!(id));
        with(profile, "message", json!(message))
    };
    requests.into_iter().flatten().map(request).collect()
}

pub(super) fn accept(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let from = answered(call)?;
    let room = call.data.befriend(call.caller, from, call.now);
    Ok(reply::ok(&contact(call.data, from, room)))
}

pub(super) fn decline(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    answered(call)?;
    Ok(reply::empty())
}

/// Removes the request, and returns who made it.
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
