//! Requests to any path.

use crate::client::{Client, Service};
use crate::input::InvalidInput;
use crate::operation::{Operation, Safety};
use crate::request::{Endpoint, Request, State};
use crate::transport::{Encoder, Parts, Payload};
use crate::upload::Upload;
use crate::wire::{self, DecodeFailure};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

impl<S: Service> Client<S> {
    /// A request to any path below the base URL, such as `/rooms/123/messages`, with this client's credential.
    pub fn request(&self, method: Method, path: impl Into<String>) -> Request<Raw<S>> {
        self.call(Raw::new(method, path.into()))
    }
}

/// A request to any path, for a path that the service has changed or that this crate does not know.
///
/// It uses the client's credential, the account's window and the retries. It does not count against the limit of posts per
/// room and TAS-CHA's units. A `GET` counts as safe and every other method as not repeatable, unless
/// [`safety`](Request::safety) says otherwise. The response is any JSON, or `Null` for an empty body;
/// [`Response::json`](crate::Response::json) decodes it further.
///
/// Files are sent as typed uploads are, without a maximum size:
///
/// ```no_run
/// # async fn example(chatwork: &kaiwa::chatwork::Client) -> Result<(), kaiwa::Error> {
/// use kaiwa::{Method, Upload};
/// use std::time::Duration;
///
/// let video = Upload::path("demo.mp4").await?;
/// let sent = chatwork
///     .request(Method::POST, "/rooms/123/files")
///     .form("message", "the demo")
///     .file("file", video)
///     .with_attempt_timeout(Duration::from_secs(120))
///     .await?;
/// println!("{}", sent["file_id"]);
/// # Ok(())
/// # }
/// ```
pub struct Raw<S> {
    path: String,
    query: Vec<(String, String)>,
    body: RawBody,
    operation: &'static Operation,
    safety: Safety,
    service: PhantomData<fn() -> S>,
}

/// A JSON body or a form, whichever was set last.
#[derive(Clone, Default)]
struct RawBody {
    json: Option<Result<bytes::Bytes, String>>,
    fields: Vec<(String, Field)>,
    multipart: bool,
}

#[derive(Clone)]
enum Field {
    Text(String),
    File(Upload),
}

impl RawBody {
    fn files(&self) -> impl Iterator<Item = &Upload> {
        self.fields.iter().filter_map(|(_, field)| match field {
            Field::File(file) => Some(file),
            Field::Text(_) => None,
        })
    }

    fn texts(&self) -> Vec<(&str, &str)> {
        let texts = self.fields.iter().filter_map(|(name, field)| match field {
            Field::Text(text) => Some((name.as_str(), text.as_str())),
            Field::File(_) => None,
        });
        texts.collect()
    }

    fn parts(&self) -> Result<Parts, InvalidInput> {
        self.fields.iter().try_fold(Parts::new(), |parts, (name, field)| match field {
            Field::Text(text) => Ok(parts.text(name, text)),
            Field::File(file) => parts.file(name, file, "file"),
        })
    }
}

impl<S> Raw<S> {
    pub(crate) fn new(method: Method, path: String) -> Self {
        let operation = raw_operation(&method);
        let (query, body, service) = (Vec::new(), RawBody::default(), PhantomData);
        Self { path, query, body, operation, safety: operation.safety, service }
    }
}

impl<S> Clone for Raw<S> {
    fn clone(&self) -> Self {
        let Self { path, query, body, operation, safety, service } = self;
        let (path, query, body) = (path.clone(), query.clone(), body.clone());
        Self { path, query, body, operation, safety: *safety, service: *service }
    }
}

/// The parameters may hold what people wrote, so only method and path are shown.
impl<S> fmt::Debug for Raw<S> {
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

impl<S: Service> Request<Raw<S>> {
    /// Adds a query parameter.
    pub fn query(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.endpoint.query.push((name.into(), value.to_string()));
        self
    }

    /// Adds a field to the form body, which replaces a JSON body. It is url-encoded, unless there is a
    /// [`file`](Self::file) in it or it is to be [`multipart`](Self::multipart).
    pub fn form(self, name: impl Into<String>, value: impl ToString) -> Self {
        self.field(name.into(), Field::Text(value.to_string()))
    }

    /// Adds a file to the form body, which is `multipart/form-data` then, the fields of [`form`](Self::form) included;
    /// parts are sent in the order in which they were added. It replaces a JSON body.
    ///
    /// The size of the file is not checked. Whether the request can be sent again depends on the source of the [`Upload`];
    /// [`safety`](Self::safety) says whether it may be.
    pub fn file(self, name: impl Into<String>, file: Upload) -> Self {
        self.field(name.into(), Field::File(file)).multipart()
    }

    /// Sends the form as `multipart/form-data`, even without a [`file`](Self::file).
    pub fn multipart(mut self) -> Self {
        self.endpoint.body.json = None;
        self.endpoint.body.multipart = true;
        self
    }

    fn field(mut self, name: String, field: Field) -> Self {
        self.endpoint.body.json = None;
        self.endpoint.body.fields.push((name, field));
        self
    }

    /// Sets a JSON body. If it does not serialise, the call fails before anything is sent.
    pub fn json_body(mut self, body: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(body).map(Into::into).map_err(|error| error.to_string());
        self.endpoint.body = RawBody { json: Some(bytes), ..RawBody::default() };
        self
    }

    /// Says what may be repeated: a request that is not [`Safety::Unsafe`] is sent again after a failure that leaves
    /// its effect unknown, and a [`Safety::Keyed`] one carries an idempotency key. Chatwork and Lancers ignore such keys, so a
    /// keyed request to them is refused before it is sent.
    pub fn safety(mut self, safety: Safety) -> Self {
        self.endpoint.safety = safety;
        self
    }
}

impl<S: Service> Endpoint for Raw<S> {
    type Service = S;
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
        if let Some(Err(problem)) = &self.body.json {
            return Err(InvalidInput::new("json_body", format!("does not serialise: {problem}")));
        }
        let RawBody { fields, multipart, .. } = &self.body;
        if *multipart && fields.iter().any(|(name, _)| name.contains(char::is_control)) {
            return Err(InvalidInput::new("form", "has a field whose name holds control characters"));
        }
        self.body.files().try_for_each(|file| file.check("file", None))
    }

    /// The answer of a raw request stays as it came.
    fn localize<'a>(&self, body: &'a [u8], _: &State<Self>) -> Cow<'a, [u8]> {
        Cow::Borrowed(body)
    }

    fn decode(&self, body: &[u8]) -> Result<Self::Output, DecodeFailure> {
        wire::decode(body)
    }

    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput> {
        let mut url = to.url(&self.path)?;
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let request = to.http().request(self.operation.method.clone(), url);
        let request = match &self.body {
            RawBody { json: Some(Ok(body)), .. } => {
                request.header(CONTENT_TYPE, "application/json").body(body.clone())
            }
            body @ RawBody { multipart: true, .. } => {
                return Payload::multipart(request, body.parts()?);
            }
            body if !body.fields.is_empty() => request.form(&body.texts()),
            _ => request,
        };
        Payload::replayable(request)
    }
}
