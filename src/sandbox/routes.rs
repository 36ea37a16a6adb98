//! Which operation a request calls, by the tables that are generated from the specifications.

use super::provider::Provider;
use crate::chatwork::table::{self, ACCEPT_INCOMING_REQUEST, DECLINE_INCOMING_REQUEST};
use crate::operation::{Operation, Safety};
use axum::http::Method;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;

/// The parameters in a path, percent-decoded.
pub(crate) type Params = BTreeMap<&'static str, String>;

/// The operation that a request calls.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) operation: &'static Operation,
    pub(crate) params: Params,
}

impl Route {
    /// A parameter of the path. The template names them all, so that none is missing.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }
}

static OAUTH_TOKEN: Operation = Operation::unspecified("oauth_token", Method::POST, "/token", Safety::Unsafe);
static OAUTH_CONSENT: Operation =
    Operation::unspecified("oauth_consent", Method::GET, "/packages/oauth2/login.php", Safety::Unsafe);
static DOWNLOAD_FILE: Operation =
    Operation::unspecified("download_file", Method::GET, "/download/{key}/{filename}", Safety::Safe);

/// What Chatwork serves beside the paths of its specification. The last two are the paths that the vendor's own client
/// for AI agents calls.
static CHATWORK: &[(&str, &Operation)] = &[
    ("/token", &OAUTH_TOKEN),
    ("/packages/oauth2/login.php", &OAUTH_CONSENT),
    ("/download/{key}/{filename}", &DOWNLOAD_FILE),
    ("/v2/incoming_requests/{request_id}/accept", &ACCEPT_INCOMING_REQUEST),
    ("/v2/incoming_requests/{request_id}/reject", &DECLINE_INCOMING_REQUEST),
];

/// The operations of the service's specification.
pub(crate) fn specified(provider: Provider) -> &'static [&'static Operation] {
    match provider {
        Provider::Chatwork => table::ALL,
        Provider::Tascha => crate::tascha::table::ALL,
        Provider::Lancers => crate::lancers::table::ALL,
    }
}

fn unspecified(provider: Provider) -> &'static [(&'static str, &'static Operation)] {
    if provider == Provider::Chatwork { CHATWORK } else { &[] }
}

/// The operation that a request calls, and the parameters in its path.
///
/// A literal segment goes before a parameter, so that `/boards/unread` is not the board called "unread".
pub(crate) fn find(provider: Provider, method: &Method, path: &str) -> Option<Route> {
    let relative = path.strip_prefix(provider.base_path());
    let specified =
        specified(provider).iter().filter_map(|operation| Some((*operation, operation.path, relative?)));
    let unspecified = unspecified(provider).iter().map(|(template, operation)| (*operation, *template, path));
    specified
        .chain(unspecified)
        .filter(|(operation, ..)| operation.method == *method)
        .filter_map(|(operation, template, path)| Some(Route { operation, params: params(template, path)? }))
        .min_by_key(|route| route.params.len())
}

/// The parameters of a path that has this template.
fn params(template: &'static str, path: &str) -> Option<Params> {
    let (mut parts, mut segments) = (template.split('/'), path.split('/'));
    let mut params = Params::new();
    loop {
        match (parts.next(), segments.next()) {
            (None, None) => return Some(params),
            (Some(part), Some(segment)) => {
                match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                    Some(name) if !segment.is_empty() => {
                        params.insert(name, percent_decode_str(segment).decode_utf8().ok()?.into_owned());
                    }
                    None if part == segment => {}
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
}

/// Panics unless the service has an operation of this name: a fault for a misspelt one would never strike, and the test
/// that relies on it would pass.
pub(crate) fn require(provider: Provider, name: &str) {
    let unspecified = unspecified(provider).iter().map(|(_, operation)| operation);
    let mut names: Vec<&str> = Vec::new();
    for operation in specified(provider).iter().chain(unspecified) {
        if !names.contains(&operation.id) {
            names.push(operation.id);
        }
    }
    assert!(names.contains(&name), "{provider} has no operation {name:?}; it has {}", names.join(", "));
}

/// The operations that no handler serves.
#[cfg(test)]
pub(super) fn unhandled(all: &[&'static Operation], is_handled: impl Fn(&str) -> bool) -> Vec<&'static str> {
    all.iter().map(|operation| operation.id).filter(|id| !is_handled(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_method_and_path() {
        let name = |provider, method, path| find(provider, &method, path).map(|route| route.operation.id);
        assert_eq!(name(Provider::Chatwork, Method::POST, "/v2/rooms/1/messages"), Some("post_message"));
        assert_eq!(name(Provider::Chatwork, Method::PUT, "/v2/rooms/1/messages/read"), Some("mark_read"));
        assert_eq!(name(Provider::Chatwork, Method::PUT, "/v2/rooms/1/messages/22"), Some("update_message"));
        assert_eq!(name(Provider::Chatwork, Method::POST, "/token"), Some("oauth_token"));
        assert_eq!(
            name(Provider::Lancers, Method::GET, "/message_api/v2/boards/unread"),
            Some("list_unread")
        );
        assert_eq!(name(Provider::Lancers, Method::GET, "/message_api/v2/boards/7"), Some("get_board"));
        assert_eq!(name(Provider::Tascha, Method::PATCH, "/v1/rooms/r/tasks/t"), Some("update_task"));
        let second = name(Provider::Chatwork, Method::DELETE, "/v2/incoming_requests/1/reject");
        assert_eq!(second, Some("decline_incoming_request"));
        for (method, path) in [
            (Method::PUT, "/v2/incoming_requests/1/reject"),
            (Method::GET, "/v2/rooms//messages"),
            (Method::PATCH, "/v2/me"),
            (Method::HEAD, "/v2/me"),
            (Method::GET, "/me"),
            (Method::GET, "/v2/v2/me"),
            (Method::POST, "/v2/token"),
        ] {
            assert_eq!(name(Provider::Chatwork, method, path), None, "{path}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let route = find(Provider::Lancers, &Method::DELETE, "/message_api/v2/boards/7/users/%E8%8A%B1%2F");
        let route = route.expect("there is such an operation");
        assert_eq!((route.param("board_id"), route.param("name")), ("7", "花/"));
        assert!(find(Provider::Lancers, &Method::DELETE, "/message_api/v2/boards/7/users/%FF").is_none());
    }
}
