//! Requests: calls before they are sent.

use crate::call::CallInfo;
use crate::client::{Client, Service};
use crate::error::Error;
use crate::input::{InvalidInput, header_name};
use crate::operation::{Operation, Safety};
use crate::response::Response;
use crate::transport::retry::RetryPolicy;
use crate::transport::settings::Options;
use crate::transport::{Encoder, Payload};
use crate::wire::DecodeFailure;
use futures::future::BoxFuture;
use reqwest::header::{HeaderName, HeaderValue};
use std::borrow::Cow;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::time::Duration;

/// What can be requested: an operation of a service, with its parameters.
///
/// Implemented by the types in each service's `operations`, and by [`Raw`](crate::Raw). It is sealed.
pub trait Endpoint: fmt::Debug + Send + Sync + Sized + 'static {
    /// The service that has the operation.
    type Service: Service;

    /// The value of the response.
    type Output: Send + 'static;

    /// The operation's entry in the specification.
    fn operation(&self) -> &'static Operation;

    /// Whether this request may be sent again, which can depend on its parameters.
    fn safety(&self) -> Safety {
        self.operation().safety
    }

    /// Whether it is one request, which can be stored and sent later.
    #[doc(hidden)]
    const IS_ONE_REQUEST: bool = true;

    #[doc(hidden)]
    fn room(&self) -> Option<u64> {
        None
    }

    #[doc(hidden)]
    fn check(&self) -> Result<(), InvalidInput>;

    #[doc(hidden)]
    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput>;

    #[doc(hidden)]
    fn localize<'a>(&self, body: &'a [u8], state: &State<Self>) -> Cow<'a, [u8]> {
        Self::Service::localize(state, body)
    }

    #[doc(hidden)]
    fn decode(&self, body: &[u8]) -> Result<Self::Output, DecodeFailure>;

    #[doc(hidden)]
    fn send(request: Request<Self>) -> impl Future<Output = Result<Response<Self::Output>, Error>> + Send {
        request.call()
    }
}

/// What the clients of an endpoint's service share.
pub(crate) type State<E> = <<E as Endpoint>::Service as Service>::State;

/// A call that is not sent until it is awaited.
///
/// It is `IntoFuture`, so `.await` sends it. For `tokio::spawn`, `block_on`, `join_all` and other functions that take a
/// `Future`, use [`send`](Self::send). Limit its time with [`with_timeout`](Self::with_timeout): a `tokio::time::timeout`
/// drops the call, and its outcome is lost.
///
/// Setters named as in the API set its optional parameters; those that start with `with_` are options of the call.
#[must_use = "nothing is sent until the request or its `send` is awaited"]
pub struct Request<E: Endpoint> {
    pub(crate) endpoint: E,
    pub(crate) client: Client<E::Service>,
    pub(crate) options: Options,
}

impl<E: Endpoint> Request<E> {
    pub(crate) fn new(client: &Client<E::Service>, endpoint: E) -> Self {
        Self { endpoint, client: client.clone(), options: Options::default() }
    }

    /// The time for the whole call, with all its waits and attempts, instead of the client's.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// The time for each attempt instead of the client's.
    pub fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.options.attempt_timeout = Some(timeout);
        self
    }

    /// The retry policy of this call, instead of the client's.
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.options.retry = Some(retry);
        self
    }

    /// The idempotency key of this call, 1 to 255 visible ASCII characters. If the request is sent again under the key, even
    /// by another process, it is done once. Only TAS-CHA's writes carry a key. Any other call with a key is refused, since
    /// the service would ignore it.
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.options.idempotency_key = Some(key.into());
        self
    }

    /// The request id of this call, which TAS-CHA adopts. 1 to 255 visible ASCII characters.
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.options.request_id = Some(id.into());
        self
    }

    /// A header of this call. It replaces the client's header of the same name. Its value is kept out of errors as that of
    /// [`ClientBuilder::header`](crate::ClientBuilder::header) is.
    ///
    /// The call fails before anything is sent if [`header`](crate::ClientBuilder::header) would refuse the name or the value, or if the header is set in another
    /// way: the credential's, `X-Request-Id`, `Idempotency-Key`, the headers of the message's framing, and `Content-Type` if
    /// the body is multipart.
    pub fn with_header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        match header(name.as_ref(), value.as_ref()) {
            Ok(pair) => self.options.headers.push(pair),
            Err(problem) => self.options.invalid = Some(InvalidInput::new("with_header", problem)),
        }
        self
    }
}

/// A header that a caller may set.
pub(crate) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name = header_name(name)?;
    match name.as_str() {
        "connection" | "content-length" | "expect" | "host" | "keep-alive" | "te" | "trailer"
        | "transfer-encoding" | "upgrade" => {
            return Err("names a header of the message's framing, which the transport sets");
        }
        "idempotency-key" => return Err("names the idempotency key; use `with_idempotency_key`"),
        "x-request-id" => return Err("names the request id; use `with_request_id`"),
        _ => {}
    }
    if !value.is_ascii() {
        return Err("has a value with a character that is not ASCII, such as a full-width one");
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| "has a value that HTTP does not allow")?;
    value.set_sensitive(true);
    Ok((name, value))
}

impl<E: Endpoint> Request<E> {
    /// The operation with its parameters.
    pub fn endpoint(&self) -> &E {
        &self.endpoint
    }

    /// Sends the request, and decodes the response. It does the same as awaiting the request, and returns a future.
    ///
    /// # Errors
    ///
    /// [`Error::outcome`] says what became of the request.
    pub fn send(self) -> impl Future<Output = Result<Response<E::Output>, Error>> + Send {
        E::send(self)
    }

    /// The call itself: checked, encoded, sent, decoded.
    pub(crate) async fn call(self) -> Result<Response<E::Output>, Error> {
        self.endpoint.check().map_err(|invalid| self.refused(invalid))?;
        let Self { endpoint, client, options } = &self;
        let mut value = None;
        let mut decode = |body: &[u8]| {
            value = Some(endpoint.decode(&endpoint.localize(body, client.state()))?);
            Ok(())
        };
        let encode = |to: &Encoder<'_>| endpoint.encode(to);
        let answered = pin!(client.transport().call(self.info(), options, &encode, &mut decode)).await?;
        let value = value.expect("a call succeeds once its answer is decoded");
        Ok(answered.map(|()| value))
    }

    pub(crate) fn info(&self) -> CallInfo {
        let info = CallInfo::new(self.endpoint.operation(), self.endpoint.safety());
        CallInfo { room: self.endpoint.room(), ..info }
    }

    pub(crate) fn refused(&self, invalid: InvalidInput) -> Error {
        Error::from(invalid).with_call(self.info(), 0)
    }

    /// The same call with another endpoint of the service.
    pub(crate) fn with_endpoint<F>(self, convert: impl FnOnce(E) -> F) -> Request<F>
    where
        F: Endpoint<Service = E::Service>,
    {
        let Self { endpoint, client, options } = self;
        Request { endpoint: convert(endpoint), client, options }
    }
}

impl<S: Service> Client<S> {
    pub(crate) fn call<E: Endpoint<Service = S>>(&self, endpoint: E) -> Request<E> {
        Request::new(self, endpoint)
    }
}

impl<E: Endpoint> IntoFuture for Request<E> {
    type Output = Result<Response<E::Output>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<E: Endpoint + Clone> Clone for Request<E> {
    fn clone(&self) -> Self {
        Self { endpoint: self.endpoint.clone(), client: self.client.clone(), options: self.options.clone() }
    }
}

impl<E: Endpoint> fmt::Debug for Request<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
