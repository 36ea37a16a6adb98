//! Which operation a request is, told from its method and path.
//!
//! Faults are chosen and the log is kept below the handlers, where nothing has been routed yet.

use super::Service;
use axum::http::Method;

/// Method, path template and name: the `operationId` of the service's specification.
type Operation = (Method, &'static str, &'static str);

/// The name of the operation that a request calls.
///
/// A literal segment goes before a parameter, so `/boards/unread` is not the board called "unread".
pub(crate) fn find(service: Service, method: &Method, path: &str) -> Option<&'static str> {
    table(service)
        .iter()
        .filter(|(verb, template, _)| verb == method && matches(template, path))
        .min_by_key(|(_, template, _)| template.matches('{').count())
        .map(|(_, _, name)| *name)
}

/// Panics unless the service has an operation of this name: a fault for a misspelt one would never strike, and the test
/// that relies on it would pass.
pub(crate) fn require(service: Service, name: &str) {
    let mut names: Vec<&str> = table(service).iter().map(|(_, _, name)| *name).collect();
    // Those of a second path follow the first.
    names.dedup();
    assert!(names.contains(&name), "{service} has no operation {name:?}; it has {}", names.join(", "));
}

fn table(service: Service) -> &'static [Operation] {
    match service {
        Service::Chatwork => CHATWORK,
        Service::Tascha => TASCHA,
        Service::Lancers => LANCERS,
    }
}

fn matches(template: &str, path: &str) -> bool {
    let mut template = template.split('/');
    let mut path = path.split('/');
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(expected), Some(segment)) if expected.starts_with('{') => {
                if segment.is_empty() {
                    return false;
                }
            }
            (Some(expected), Some(segment)) if expected == segment => {}
            _ => return false,
        }
    }
}

const CHATWORK: &[Operation] = &[
    (Method::GET, "/v2/me", "get_me"),
    (Method::GET, "/v2/my/status", "get_my_status"),
    (Method::GET, "/v2/my/tasks", "list_my_tasks"),
    (Method::GET, "/v2/contacts", "list_contacts"),
    (Method::GET, "/v2/rooms", "list_rooms"),
    (Method::POST, "/v2/rooms", "create_room"),
    (Method::GET, "/v2/rooms/{room_id}", "get_room"),
    (Method::PUT, "/v2/rooms/{room_id}", "update_room"),
    (Method::DELETE, "/v2/rooms/{room_id}", "delete_room"),
    (Method::GET, "/v2/rooms/{room_id}/members", "list_members"),
    (Method::PUT, "/v2/rooms/{room_id}/members", "replace_members"),
    (Method::GET, "/v2/rooms/{room_id}/messages", "list_messages"),
    (Method::POST, "/v2/rooms/{room_id}/messages", "post_message"),
    (Method::PUT, "/v2/rooms/{room_id}/messages/read", "mark_read"),
    (Method::PUT, "/v2/rooms/{room_id}/messages/unread", "mark_unread"),
    (Method::GET, "/v2/rooms/{room_id}/messages/{message_id}", "get_message"),
    (Method::PUT, "/v2/rooms/{room_id}/messages/{message_id}", "update_message"),
    (Method::DELETE, "/v2/rooms/{room_id}/messages/{message_id}", "delete_message"),
    (Method::GET, "/v2/rooms/{room_id}/tasks", "list_tasks"),
    (Method::POST, "/v2/rooms/{room_id}/tasks", "create_tasks"),
    (Method::GET, "/v2/rooms/{room_id}/tasks/{task_id}", "get_task"),
    (Method::PUT, "/v2/rooms/{room_id}/tasks/{task_id}/status", "set_task_status"),
    (Method::GET, "/v2/rooms/{room_id}/files", "list_files"),
    (Method::POST, "/v2/rooms/{room_id}/files", "upload_file"),
    (Method::GET, "/v2/rooms/{room_id}/files/{file_id}", "get_file"),
    (Method::GET, "/v2/rooms/{room_id}/link", "get_link"),
    (Method::POST, "/v2/rooms/{room_id}/link", "create_link"),
    (Method::PUT, "/v2/rooms/{room_id}/link", "update_link"),
    (Method::DELETE, "/v2/rooms/{room_id}/link", "delete_link"),
    (Method::GET, "/v2/incoming_requests", "list_incoming_requests"),
    (Method::PUT, "/v2/incoming_requests/{request_id}", "accept_incoming_request"),
    (Method::PUT, "/v2/incoming_requests/{request_id}/accept", "accept_incoming_request"),
    (Method::DELETE, "/v2/incoming_requests/{request_id}", "decline_incoming_request"),
    (Method::DELETE, "/v2/incoming_requests/{request_id}/reject", "decline_incoming_request"),
    (Method::POST, "/token", "oauth_token"),
    (Method::GET, "/packages/oauth2/login.php", "oauth_consent"),
    (Method::GET, "/download/{key}/{filename}", "download_file"),
];

const TASCHA: &[Operation] = &[
    (Method::GET, "/v1/me", "get_me"),
    (Method::GET, "/v1/organizations", "list_organizations"),
    (Method::GET, "/v1/rooms", "list_rooms"),
    (Method::GET, "/v1/rooms/{roomId}/members", "list_members"),
    (Method::POST, "/v1/rooms/{roomId}/messages", "create_message"),
    (Method::GET, "/v1/rooms/{roomId}/messages", "list_messages"),
    (Method::POST, "/v1/rooms/{roomId}/tasks", "create_task"),
    (Method::GET, "/v1/rooms/{roomId}/tasks", "list_tasks"),
    (Method::PATCH, "/v1/rooms/{roomId}/tasks/{taskId}", "update_task"),
    (Method::POST, "/v1/rooms/{roomId}/records", "create_record"),
    (Method::GET, "/v1/rooms/{roomId}/records", "list_records"),
    (Method::GET, "/v1/rooms/{roomId}/files", "list_files"),
    (Method::PATCH, "/v1/rooms/{roomId}/records/{recordId}", "update_record"),
    (Method::GET, "/v1/rooms/{roomId}/webhooks/{webhookId}/deliveries", "list_webhook_deliveries"),
    (
        Method::POST,
        "/v1/rooms/{roomId}/webhooks/{webhookId}/deliveries/{deliveryId}/redeliver",
        "redeliver_webhook",
    ),
    (Method::GET, "/v1/events", "list_events"),
];

const LANCERS: &[Operation] = &[
    (Method::GET, "/message_api/v2/boards", "list_boards"),
    (Method::POST, "/message_api/v2/boards", "create_board"),
    (Method::GET, "/message_api/v2/boards/unread", "list_unread"),
    (Method::GET, "/message_api/v2/boards/search", "search_boards"),
    (Method::GET, "/message_api/v2/boards/{board_id}", "get_board"),
    (Method::PUT, "/message_api/v2/boards/{board_id}", "update_board"),
    (Method::GET, "/message_api/v2/boards/{board_id}/users", "list_users"),
    (Method::POST, "/message_api/v2/boards/{board_id}/users", "add_users"),
    (Method::DELETE, "/message_api/v2/boards/{board_id}/users/{name}", "remove_user"),
    (Method::GET, "/message_api/v2/boards/{board_id}/messages", "list_messages"),
    (Method::POST, "/message_api/v2/boards/{board_id}/messages", "post_message"),
    (Method::GET, "/message_api/v2/boards/{board_id}/files", "list_files"),
    (Method::PUT, "/message_api/v2/boards/{board_id}/messages/read", "mark_read"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_method_and_path() {
        let name = |service, method, path| find(service, &method, path);
        assert_eq!(name(Service::Chatwork, Method::POST, "/v2/rooms/1/messages"), Some("post_message"));
        assert_eq!(name(Service::Chatwork, Method::PUT, "/v2/rooms/1/messages/read"), Some("mark_read"));
        assert_eq!(name(Service::Chatwork, Method::PUT, "/v2/rooms/1/messages/22"), Some("update_message"));
        assert_eq!(name(Service::Lancers, Method::GET, "/message_api/v2/boards/unread"), Some("list_unread"));
        assert_eq!(name(Service::Lancers, Method::GET, "/message_api/v2/boards/7"), Some("get_board"));
        assert_eq!(name(Service::Tascha, Method::PATCH, "/v1/rooms/r/tasks/t"), Some("update_task"));
        let second = name(Service::Chatwork, Method::DELETE, "/v2/incoming_requests/1/reject");
        assert_eq!(second, Some("decline_incoming_request"));
        assert_eq!(name(Service::Chatwork, Method::PUT, "/v2/incoming_requests/1/reject"), None);
        assert_eq!(name(Service::Chatwork, Method::GET, "/v2/rooms//messages"), None);
        assert_eq!(name(Service::Chatwork, Method::PATCH, "/v2/me"), None);
    }
}
