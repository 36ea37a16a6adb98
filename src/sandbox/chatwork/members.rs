//! `/rooms/{room_id}/members`.

use super::call::Call;
use super::contacts::with;
use super::data::Data;
use super::input::Reader;
use super::model::{MemberData, Role};
use super::notice::{self, Membership};
use super::reply::{self, Refusal};
use crate::sandbox::answer::Answer;
use serde_json::{Value, json};

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let room = call.data.room_of(call.room_id()?, call.caller)?;
    let members: Vec<(u64, Role)> = room.members.iter().map(|(id, member)| (*id, member.role)).collect();
    let member = |(id, role): (u64, Role)| with(call.data.public_profile(id), "role", json!(role.name()));
    Ok(reply::ok(&members.into_iter().map(member).collect::<Value>()))
}

pub(super) fn replace(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.room_id()?;
    let mut form = call.form();
    let members = Members::read(&mut form);
    form.finish()?;
    let present: Vec<u64> = call.data.managed_room_of(id, call.caller)?.members.keys().copied().collect();
    members.check(call.data, call.caller, &present)?;
    let room = call.data.managed_room_of(id, call.caller)?;
    let replaced = members.iter().map(|(account, role)| {
        // Who stays keeps what is unread.
        let mut member = room.members.remove(&account).unwrap_or_else(|| MemberData::new(role));
        member.role = role;
        (account, member)
    });
    room.members = replaced.collect();
    let now_in: Vec<u64> = room.members.keys().copied().collect();
    let missing_from = |list: &[u64], accounts: &[u64]| -> Vec<u64> {
        accounts.iter().copied().filter(|account| !list.contains(account)).collect()
    };
    let (added, removed) = (missing_from(&present, &now_in), missing_from(&now_in, &present));
    call.tell(id, notice::members(&added, Membership::Added));
    call.tell(id, notice::members(&removed, Membership::Removed));
    Ok(reply::ok(&json!({
        "admin": members.admins,
        "member": members.members,
        "readonly": members.readonly,
    })))
}

/// The members of a room, as a request gives them.
pub(super) struct Members {
    admins: Vec<u64>,
    members: Vec<u64>,
    readonly: Vec<u64>,
}

impl Members {
    pub(super) fn read(form: &mut Reader<'_>) -> Self {
        let admins = form.required_ids("members_admin_ids");
        let members = form.ids("members_member_ids");
        let readonly = form.ids("members_readonly_ids");
        Self { admins, members, readonly }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Role)> {
        let admins = self.admins.iter().map(|id| (*id, Role::Admin));
        let members = self.members.iter().map(|id| (*id, Role::Member));
        let readonly = self.readonly.iter().map(|id| (*id, Role::Readonly));
        admins.chain(members).chain(readonly)
    }

    /// No account may be named twice, and none that the caller does not know, unless it is in the room already.
    pub(super) fn check(&self, data: &Data, caller: u64, present: &[u64]) -> Result<(), Refusal> {
        let mut seen = Vec::new();
        for (account, _) in self.iter() {
            if seen.contains(&account) {
                return Err(Refusal::bad_request(format!("The account {account} is listed with two roles.")));
            }
            if !present.contains(&account) && !data.are_acquainted(caller, account) {
                let error = format!("The account {account} is neither a contact nor of your organization.");
                return Err(Refusal::bad_request(error));
            }
            seen.push(account);
        }
        Ok(())
    }
}
