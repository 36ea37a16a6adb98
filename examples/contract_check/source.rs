//! Where answers come from: a service, or a recording of one.

use super::ids::Binding;
use super::recording::Recording;
use kaiwa::sandbox::Provider;
use kaiwa::{Error, Method, Raw, Request, chatwork, lancers, tascha};
use reqwest::header::HeaderMap;
use serde_json::Value;

/// A client of one of the services.
pub enum Client {
    Chatwork(chatwork::Client),
    Tascha(tascha::Client),
    Lancers(lancers::Client),
}

impl Client {
    pub fn service(&self) -> Provider {
        match self {
            Self::Chatwork(_) => Provider::Chatwork,
            Self::Tascha(_) => Provider::Tascha,
            Self::Lancers(_) => Provider::Lancers,
        }
    }

    /// The only function that sends anything. It makes a raw request, so the answer can be examined before the library
    /// interprets it. The limits and retries of the client apply.
    async fn get(&self, path: &str, query: &[(String, String)]) -> Result<Answer, &'static str> {
        match self {
            Self::Chatwork(client) => Answer::to(client.request(Method::GET, path), query).await,
            Self::Tascha(client) => Answer::to(client.request(Method::GET, path), query).await,
            Self::Lancers(client) => Answer::to(client.request(Method::GET, path), query).await,
        }
    }
}

/// A call that is made once.
#[derive(Clone)]
pub struct Call {
    /// The path of the specification, with the names of its parameters.
    pub template: String,
    pub parameters: Binding,
    pub query: Vec<(String, String)>,
}

impl Call {
    pub fn path(&self) -> String {
        let mut path = self.template.clone();
        for (name, id) in &self.parameters {
            path = path.replace(&format!("{{{name}}}"), id);
        }
        path
    }
}

/// A call, and the answer to it or the reason why there is none.
pub struct Exchange {
    pub call: Call,
    pub outcome: Result<Answer, &'static str>,
}

/// What answers the calls.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    Service(&'a Client),
    Recording(&'a Recording),
}

impl Source<'_> {
    pub fn service(self) -> Provider {
        match self {
            Self::Service(client) => client.service(),
            Self::Recording(recording) => recording.service,
        }
    }

    pub async fn get(self, call: &Call) -> Result<Answer, &'static str> {
        match self {
            Self::Service(client) => client.get(&call.path(), &call.query).await,
            Self::Recording(recording) => recording.get(call),
        }
    }
}

/// An answer of any status.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether it is the same as for a path that does not exist, once that is known.
    pub like_nowhere: Option<bool>,
}

impl Answer {
    /// The answer, or the reason why there is none.
    async fn to<S: kaiwa::Service>(
        request: Request<Raw<S>>,
        query: &[(String, String)],
    ) -> Result<Self, &'static str> {
        let request = query.iter().fold(request, |request, (name, value)| request.query(name, value));
        let (status, headers, body) = match request.await {
            Ok(response) => (response.status(), response.headers().clone(), response.body().to_vec()),
            Err(error) => match error.status() {
                Some(status) if error.is_decode() || !status.is_success() => {
                    (status, error.headers().clone(), error.body().to_vec())
                }
                _ => return Err(unanswered(&error)),
            },
        };
        Ok(Self { status: status.as_u16(), headers, body, like_nowhere: None })
    }

    /// The body, if it is JSON that can also be read as a part of a line.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok().filter(|json| is_within(DEEPEST, json))
    }

    pub fn media_type(&self) -> Option<&str> {
        self.headers.get("content-type")?.to_str().ok()?.split(';').next()
    }

    /// The form of a 404: the answer without the path and the request that it repeats.
    pub fn manner(&self, path: &str) -> (u16, Option<&str>, String) {
        let text = String::from_utf8_lossy(&self.body).replace(path, "");
        let json = serde_json::from_str::<Value>(&text).map(|mut json| {
            for pointer in ["/error", ""] {
                if let Some(Value::Object(fields)) = json.pointer_mut(pointer) {
                    fields.retain(|name, _| !name.to_ascii_lowercase().contains("request"));
                }
            }
            json.to_string()
        });
        (self.status, self.media_type(), json.unwrap_or(text))
    }
}

/// How deep JSON may be. Readers of JSON end at 128, and a recording has a body within its line.
const DEEPEST: usize = 100;

fn is_within(depth: usize, json: &Value) -> bool {
    let inner = depth.checked_sub(1);
    let fits = |item: &Value| inner.is_some_and(|inner| is_within(inner, item));
    match json {
        Value::Array(items) => items.iter().all(fits),
        Value::Object(fields) => fields.values().all(fits),
        _ => true,
    }
}

/// Why there is no answer, in the words of [`REASONS`]: the error's own text can quote the service.
fn unanswered(error: &Error) -> &'static str {
    match () {
        () if error.is_timeout() => REASONS[0],
        () if error.is_connect() => REASONS[1],
        () => REASONS[2],
    }
}

pub const REASONS: [&str; 4] =
    ["no answer in time", "could not connect", "no complete answer came", "not in the recording"];
