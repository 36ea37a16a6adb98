//! Which OAuth scopes an operation asks for.

/// Every scope there is.
pub(super) const ALL: &[&str] = &[
    "offline_access",
    "users.all:read",
    "users.profile.me:read",
    "users.status.me:read",
    "users.tasks.me:read",
    "rooms.all:read_write",
    "rooms.all:read",
    "rooms.all:write",
    "rooms:write",
    "rooms.info:read",
    "rooms.info:write",
    "rooms.members:read",
    "rooms.members:write",
    "rooms.messages:read",
    "rooms.messages:write",
    "rooms.tasks:read",
    "rooms.tasks:write",
    "rooms.files:read",
    "rooms.files:write",
    "contacts.all:read_write",
    "contacts.all:read",
    "contacts.all:write",
];

/// Whether a credential may call an operation; `None` may call all.
pub(super) fn allow(granted: Option<&[String]>, operation: &str) -> bool {
    let Some(granted) = granted else { return true };
    let needed = match operation {
        "get_me" => "users.profile.me:read",
        "get_my_status" => "users.status.me:read",
        "list_my_tasks" => "users.tasks.me:read",
        "list_contacts" | "list_incoming_requests" => "contacts.all:read",
        "accept_incoming_request" | "decline_incoming_request" => "contacts.all:write",
        "list_rooms" | "get_room" | "get_link" => "rooms.info:read",
        "create_room" | "delete_room" => "rooms:write",
        "update_room" | "create_link" | "update_link" | "delete_link" => "rooms.info:write",
        "list_members" => "rooms.members:read",
        "replace_members" => "rooms.members:write",
        "list_messages" | "get_message" => "rooms.messages:read",
        "post_message" | "mark_read" | "mark_unread" | "update_message" | "delete_message" => {
            "rooms.messages:write"
        }
        "list_tasks" | "get_task" => "rooms.tasks:read",
        "create_tasks" | "set_task_status" => "rooms.tasks:write",
        "list_files" | "get_file" => "rooms.files:read",
        "upload_file" => "rooms.files:write",
        _ => return false,
    };
    granted.iter().any(|scope| covers(scope, needed))
}

/// `rooms.all:read_write` covers every scope that begins with `rooms`, and so on.
fn covers(granted: &str, needed: &str) -> bool {
    let (Some((area, right)), Some((needed_area, needed_right))) =
        (granted.split_once(':'), needed.split_once(':'))
    else {
        return false;
    };
    let all = area.strip_suffix(".all");
    let area = all.is_some_and(|all| needed_area == all || needed_area.starts_with(&format!("{all}.")));
    granted == needed || (area && (right == needed_right || right == "read_write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_scopes_cover_narrow_ones() {
        let may = |scope: &str, operation| allow(Some(&[scope.to_owned()]), operation);
        assert!(may("rooms.messages:write", "post_message"));
        assert!(may("rooms.all:write", "post_message"));
        assert!(may("rooms.all:read_write", "create_room"));
        assert!(may("users.all:read", "get_my_status"));
        assert!(may("contacts.all:read_write", "list_contacts"));
        assert!(!may("rooms.all:read", "post_message"));
        assert!(!may("rooms.info:write", "create_room"));
        assert!(!may("contacts.all:read", "get_me"));
        assert!(!may("offline_access", "get_me"));
        assert!(allow(None, "get_me"));
    }
}
