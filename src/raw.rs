//! Requests to paths of the caller's own.

use crate::request::{Endpoint, Request};
use crate::transport::check::InvalidInput;
use crate::transport::operation::{Operation, Safety};
use crate::transport::{Payload, Transport};
use reqwest::Method;
use serde::Serialize;
use std::fmt;

/// A request to any path: the way round one that the service has changed.
///
/// It has the client's credential, the account's window and the retries; the limit of posts per room and TAS-CHA's
/// units are not counted for it. A `GET` is taken to be safe and everything else not to be
/// repeatable, unless [`safety`](Request::safety) says otherwise. The answer is any JSON, or `Null` for an empty
/// body; [`Response::json`] decodes it further.
#[derive(Clone)]
pub struct Raw {
    path: String,
    query: Vec<(String, String)>,
    body: RawBody,
    operation: &'static Operation,
    safety: Safety,
}

#[derive(Clone)]
enum RawBody {
    Empty,
    Form(Vec<(String, String)>),
    Json(Result<bytes::Bytes, String>),
}

impl Raw {
    pub(crate) fn new(method: Method, path: String) -> Self {
        let operation = raw_operation(&method);
        Self { path, query: Vec::new(), body: RawBody::Empty, operation, safety: operation.safety }
    }
}

/// The parameters may hold what people wrote, so only method and path are shown.
impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        f.debug_struct("Raw")
            .field("method", &self.operation.method)
            .field("path", &path)
            .finish_non_exhaustive()
    }
}

/// The table entry of raw requests with a method. Their path stays out of spans and errors: it can hold ids.
fn raw_operation(method: &Method) -> &'static Operation {
    macro_rules! entries {
        ($($name:ident $safety:ident),*) => {
            match method.as_str() {
                $(stringify!($name) => {
                    static ENTRY: Operation = raw_entry(Method::$name, Safety::$safety);
                    &ENTRY
                })*
                _ => {
                    static ENTRY: Operation = raw_entry(Method::TRACE, Safety::Unsafe);
                    &ENTRY
                }
            }
        };
    }
    entries!(GET Safe, HEAD Safe, OPTIONS Safe, POST Unsafe, PUT Unsafe, PATCH Unsafe, DELETE Unsafe)
}

const fn raw_entry(method: Method, safety: Safety) -> Operation {
    Operation::unspecified("raw", method, "(a path of your own)", safety)
}

impl Request<Raw> {
    /// Adds a query parameter.
    pub fn query(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.endpoint.query.push((name.into(), value.to_string()));
        self
    }

    /// Adds a field to the form body, which replaces a JSON body.
    pub fn form(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        let field = (name.into(), value.to_string());
        match &mut self.endpoint.body {
            RawBody::Form(fields) => fields.push(field),
            body => *body = RawBody::Form(vec![field]),
        }
        self
    }

    /// Sets a JSON body. One that does not serialise fails the call before anything is sent.
    pub fn json_body(mut self, body: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(body).map(Into::into).map_err(|error| error.to_string());
        self.endpoint.body = RawBody::Json(bytes);
        self
    }

    /// Says what may be repeated: a request that is not [`Safety::Unsafe`] is sent again after a failure that leaves
    /// its effect unknown, and a [`Safety::Keyed`] one carries an idempotency key.
    pub fn safety(mut self, safety: Safety) -> Self {
        self.endpoint.safety = safety;
        self
    }
}

impl Endpoint for Raw {
    type Output = serde_json::Value;

    fn operation(&self) -> &'static Operation {
        self.operation
    }

    fn safety(&self) -> Safety {
        self.safety
    }

    fn check(&self) -> Result<(), InvalidInput> {
        if self.operation.method == Method::TRACE {
            return Err(InvalidInput::new(
                "method",
                "is not one of GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE",
            ));
        }
        if let RawBody::Json(Err(problem)) = &self.body {
            return Err(InvalidInput::new("json_body", format!("does not serialise: {problem}")));
        }
        Ok(())
    }

    fn encode(&self, transport: &Transport) -> Result<Payload, InvalidInput> {
        let mut url = transport.url(&self.path)?;
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let request = transport.http().request(self.operation.method.clone(), url);
        let request = match &self.body {
            RawBody::Form(fields) => request.form(fields),
            RawBody::Json(Ok(body)) => {
                request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body.clone())
            }
            RawBody::Json(Err(_)) | RawBody::Empty => request,
        };
        Payload::replayable(request)
    }
}
