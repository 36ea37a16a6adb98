//! The caller's profile and organizations.

use super::auth::Actor;
use super::call::{Call, Reply};
use super::data::Data;
use super::error::Failure;
use super::model::time;
use serde_json::{Value, json};

/// What the key of an organization gets is not published; here, the organization in the form of a profile.
pub(super) fn me(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let created_at = time(data.started);
    let profile = match &call.key.actor {
        Actor::User(id) | Actor::Agent(id) => data.user(id).map(|user| {
            json!({
                "id": user.id, "email": user.email, "name": user.name, "locale": user.locale,
                "organizationId": user.organization_id, "billingContext": "individual", "createdAt": created_at,
            })
        }),
        Actor::Organization(id) => data.organizations.iter().find(|organization| organization.id == *id).map(|it| {
            json!({
                "id": it.id, "email": null, "name": it.name, "locale": null, "organizationId": it.id,
                "billingContext": null, "createdAt": created_at,
            })
        }),
    };
    Reply::ok(profile.ok_or_else(|| Failure::not_found("user"))?)
}

pub(super) fn organizations(data: &mut Data, call: &Call) -> Result<Reply, Failure> {
    let own = match &call.key.actor {
        Actor::User(id) | Actor::Agent(id) => data.user(id).and_then(|user| user.organization_id.clone()),
        Actor::Organization(id) => Some(id.clone()),
    };
    let page: Value = call.page.page(
        "organizations",
        &data.organizations,
        |organization| Some(&organization.id) == own.as_ref(),
        |organization| organization.wire(data.started),
    )?;
    Reply::ok(page)
}
