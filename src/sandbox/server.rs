//! Listening, connections, and one request on its way through log, fault and handler.

use super::answer::{Answer, Effect};
use super::backend::{Backend, Request};
use super::fault::{FaultAction, FaultPicker, Plan, action};
use super::log::{Entry, Log, Recorded};
use super::port::{Command, Gate, Order, Port};
use super::provider::Provider;
use super::routes::{self, Route};
use crate::Clock;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use futures::future::{BoxFuture, Either, select};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::fmt::rfc2822::DateTimePrinter;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// A request body past this size is not read: larger than any limit of the services, so that theirs answer first.
const MAX_BODY: usize = 64 << 20;

/// What the servers of one sandbox share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: Log,
    pub(crate) faults: FaultPicker,
}

/// One service on its port. Dropping it closes the port and every connection, and ends the service's tasks.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) gate: Gate,
    backend: Arc<dyn Backend>,
    task: AbortHandle,
}

impl Server {
    /// Serves on loopback; port 0 lets the system choose one.
    pub(crate) fn start(
        provider: Provider,
        port: u16,
        backend: Arc<dyn Backend>,
        shared: Shared,
    ) -> io::Result<Self> {
        let port = Port::listen(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)))?;
        let address = port.address;
        let (gate, commands) = Gate::new();
        let handler = Handler { provider, backend: Arc::clone(&backend), shared, gate: gate.clone() };
        let task = tokio::spawn(accept(port, commands, handler)).abort_handle();
        Ok(Self { address, gate, backend, task })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        self.backend.end();
    }
}

enum Event {
    Connection(TcpStream),
    Command(Command),
    Reopen,
}

async fn accept(mut port: Port, mut commands: mpsc::UnboundedReceiver<Command>, handler: Handler) {
    let mut connections = JoinSet::new();
    let mut reopening: Option<BoxFuture<'static, ()>> = None;
    loop {
        let event = poll_fn(|context| {
            if let Poll::Ready(Some(command)) = commands.poll_recv(context) {
                return Poll::Ready(Event::Command(command));
            }
            if let Some(timer) = &mut reopening
                && timer.as_mut().poll(context).is_ready()
            {
                return Poll::Ready(Event::Reopen);
            }
            // Those that have ended are removed, so that they do not pile up.
            while let Poll::Ready(Some(_)) = connections.poll_join_next(context) {}
            if let Some(listener) = &port.listener {
                loop {
                    match listener.poll_accept(context) {
                        Poll::Ready(Ok((stream, _))) => return Poll::Ready(Event::Connection(stream)),
                        // The client left before it was accepted; the next one may still be there.
                        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                        Poll::Ready(Err(_)) => {
                            // Out of descriptors, most likely: try again after other tasks had their turn.
                            context.waker().wake_by_ref();
                            break;
                        }
                        Poll::Pending => break,
                    }
                }
            }
            Poll::Pending
        })
        .await;
        match event {
            Event::Connection(stream) => {
                connections.spawn(serve(stream, handler.clone()));
            }
            Event::Reopen => {
                reopening = None;
                // The port is reserved. If the system refuses it nevertheless, `Faults::refuse` tries again, and reports why.
                let _ = port.open();
            }
            Event::Command(Command { order, done }) => {
                reopening = None;
                let outcome = match order {
                    Order::Open => port.open(),
                    Order::Shut(duration) => {
                        connections.shutdown().await;
                        reopening = duration.map(|duration| handler.shared.clock.sleep(duration));
                        port.shut()
                    }
                };
                // The sender may have been one of the connections just closed.
                let _ = done.send(outcome);
            }
        }
    }
}

async fn serve(stream: TcpStream, handler: Handler) {
    // Answers are small, and clients wait for them.
    let _ = stream.set_nodelay(true);
    let clock = handler.shared.clock.clone();
    let (plans, mut planned) = mpsc::unbounded_channel();
    let service = service_fn(move |request| handler.clone().answer(request, plans.clone()));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let plan = match select(&mut connection, std::pin::pin!(planned.recv())).await {
        Either::Left(_) | Either::Right((None, _)) => return,
        Either::Right((Some(plan), _)) => plan,
    };
    // From here on only the plan writes to this connection.
    let stream = connection.into_parts().io.into_inner();
    plan.play(stream, &*clock).await;
}

#[derive(Clone)]
struct Handler {
    provider: Provider,
    backend: Arc<dyn Backend>,
    shared: Shared,
    gate: Gate,
}

impl Handler {
    async fn answer(
        self,
        request: axum::http::Request<Incoming>,
        plans: mpsc::UnboundedSender<Plan>,
    ) -> Result<Response<Body>, Infallible> {
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(Body::new(body), MAX_BODY).await else {
            return Ok(respond(Answer::empty(StatusCode::PAYLOAD_TOO_LARGE)));
        };
        let request = Request::from_parts(parts, body);
        let route = routes::find(self.provider, request.method(), request.uri().path());
        let operation = route.as_ref().map(|route| route.operation.id);
        let fault = self.shared.faults.choose(self.provider, operation);
        let mut entry = self.shared.log.open(Recorded {
            number: 0,
            at: self.shared.clock.wall(),
            provider: self.provider,
            operation,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            headers: request.headers().clone(),
            body: request.body().clone(),
            status: None,
            fault: fault.clone(),
            applied: false,
            replayed: false,
        });
        let Some(fault) = fault else {
            let answer = self.handle(route, request, &mut entry).await;
            return Ok(self.finish(entry, answer));
        };
        if let Some(delay) = fault.lateness() {
            self.put_off(delay, route, request, entry);
            let _ = plans.send(Plan::reset());
            return std::future::pending().await;
        }
        if let Some(delay) = fault.delay() {
            self.shared.clock.sleep(delay).await;
        }
        let native = fault.native_error().map(|error| (request.clone(), error));
        let handled =
            if fault.prevents() { None } else { Some(self.handle(route, request, &mut entry).await) };
        let answer = match native {
            Some((request, error)) => Some(self.dated(self.backend.native_error(&request, error))),
            None => handled,
        };
        self.play(action(&fault, answer), entry, plans).await
    }

    /// Lets the operation take effect later, with or without a connection.
    fn put_off(&self, delay: Duration, route: Option<Route>, request: Request, mut entry: Entry) {
        let handler = self.clone();
        // A clock that is driven would otherwise be driven past it, and a client never find that nothing is there yet.
        let wait = self.shared.clock.sleep_elsewhere(delay);
        self.backend.spawn(Box::pin(async move {
            wait.await;
            handler.handle(route, request, &mut entry).await;
        }));
    }

    async fn handle(&self, route: Option<Route>, request: Request, entry: &mut Entry) -> Answer {
        let answer = Arc::clone(&self.backend).answer(route, request).await;
        let effect = answer.effect();
        entry.recorded.applied = effect == Effect::Applied;
        entry.recorded.replayed = effect == Effect::Replayed;
        self.dated(answer)
    }

    /// The answer with the time of the clock that the limits are measured with.
    fn dated(&self, mut answer: Answer) -> Answer {
        self.date(&mut answer.headers);
        answer
    }

    fn date(&self, headers: &mut HeaderMap) {
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&self.shared.clock.wall());
        if let Some(date) = date.ok().and_then(|date| HeaderValue::try_from(date).ok()) {
            headers.entry(header::DATE).or_insert(date);
        }
    }

    async fn play(
        &self,
        action: FaultAction,
        mut entry: Entry,
        plans: mpsc::UnboundedSender<Plan>,
    ) -> Result<Response<Body>, Infallible> {
        match action {
            FaultAction::Send(answer) => return Ok(self.finish(entry, answer)),
            FaultAction::SendLate(duration, answer) => {
                self.shared.clock.sleep(duration).await;
                return Ok(self.finish(entry, answer));
            }
            FaultAction::Play(plan) => {
                entry.recorded.status = plan.status.map(|status| status.as_u16());
                drop(entry);
                // The connection listens for plans as long as it runs this.
                let _ = plans.send(plan);
            }
            FaultAction::ShutDown(duration) => {
                drop(entry);
                // This connection is among those that end with it.
                let _ = self.gate.order(Order::Shut(Some(duration))).await;
            }
        }
        std::future::pending().await
    }

    fn finish(&self, mut entry: Entry, answer: Answer) -> Response<Body> {
        entry.recorded.status = Some(answer.status.as_u16());
        respond(self.dated(answer))
    }
}

fn respond(answer: Answer) -> Response<Body> {
    let mut headers = answer.headers;
    if !answer.body.is_empty() {
        // hyper states the length of what is really sent.
        headers.remove(header::CONTENT_LENGTH);
    }
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = headers;
    response
}
