//! Listening, connections, and one request on its way through log, fault and handler.

use super::Service;
use super::fault::{Act, Answer, Chooser, Fault, Plan, Refuses, act};
use super::log::{Effect, Entry, Log, Recorded};
use super::operations;
use crate::Clock;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use futures::future::{BoxFuture, Either, select};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use jiff::fmt::rfc2822::DateTimePrinter;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

/// A request body past this size is not read: larger than any limit of the services, so that theirs answer first.
const MAX_BODY: usize = 64 << 20;

/// Connections that the system keeps waiting for the server to accept them.
const BACKLOG: u32 = 1024;

/// What the servers of one sandbox share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: Log,
    pub(crate) faults: Chooser,
}

/// What answers.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    pub(crate) router: Router,
    pub(crate) state: Arc<dyn Refuses>,
}

/// One service on its port. Dropping it closes the port and every connection.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) gate: Gate,
    task: AbortHandle,
}

impl Server {
    /// Serves on loopback; port 0 lets the system choose one.
    pub(crate) fn start(service: Service, port: u16, backend: Backend, shared: Shared) -> io::Result<Self> {
        let socket = bind(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)))?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let (commands, inbox) = mpsc::unbounded_channel();
        let gate = Gate(commands);
        let (late, effects) = mpsc::unbounded_channel();
        let handler = Handler { service, backend, shared, gate: gate.clone(), late };
        let door = Door { address, listener: Some(listener), reserved: None };
        let task = tokio::spawn(accept(door, inbox, effects, handler)).abort_handle();
        Ok(Self { address, gate, task })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // So that connections of the past do not hold the port. On Windows the option would let others take it over.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Opens and shuts the port of a server.
#[derive(Clone, Debug)]
pub(crate) struct Gate(mpsc::UnboundedSender<Command>);

#[derive(Debug)]
struct Command {
    order: Order,
    done: oneshot::Sender<io::Result<()>>,
}

#[derive(Debug)]
enum Order {
    Open,
    Shut(Option<Duration>),
}

impl Gate {
    pub(crate) async fn open(&self) -> io::Result<()> {
        self.order(Order::Open).await
    }

    pub(crate) async fn shut(&self) -> io::Result<()> {
        self.order(Order::Shut(None)).await
    }

    async fn shut_for(&self, duration: Duration) -> io::Result<()> {
        self.order(Order::Shut(Some(duration))).await
    }

    async fn order(&self, order: Order) -> io::Result<()> {
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        let (done, outcome) = oneshot::channel();
        self.0.send(Command { order, done }).map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}

/// The port: listened on, or kept from others without listening, which is what refuses connections.
struct Door {
    address: SocketAddr,
    listener: Option<TcpListener>,
    reserved: Option<TcpSocket>,
}

impl Door {
    fn shut(&mut self) -> io::Result<()> {
        if self.listener.take().is_some() {
            self.reserved = Some(bind(self.address)?);
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        if self.listener.is_none() {
            let socket = self.reserved.take().map_or_else(|| bind(self.address), Ok)?;
            self.listener = Some(socket.listen(BACKLOG)?);
        }
        Ok(())
    }
}

enum Event {
    Connection(TcpStream),
    Command(Command),
    Effect(LateEffect),
    Reopen,
}

/// What a request does after its connection was lost.
type LateEffect = BoxFuture<'static, ()>;

async fn accept(
    mut door: Door,
    mut commands: mpsc::UnboundedReceiver<Command>,
    mut effects: mpsc::UnboundedReceiver<LateEffect>,
    handler: Handler,
) {
    let mut connections = JoinSet::new();
    // Apart from the connections, which they outlive.
    let mut late = JoinSet::new();
    let mut reopening: Option<BoxFuture<'static, ()>> = None;
    loop {
        let event = poll_fn(|context| {
            if let Poll::Ready(Some(command)) = commands.poll_recv(context) {
                return Poll::Ready(Event::Command(command));
            }
            if let Poll::Ready(Some(effect)) = effects.poll_recv(context) {
                return Poll::Ready(Event::Effect(effect));
            }
            if let Some(timer) = &mut reopening
                && timer.as_mut().poll(context).is_ready()
            {
                return Poll::Ready(Event::Reopen);
            }
            // Those that have ended are let go, so that a long run does not pile them up.
            while let Poll::Ready(Some(_)) = connections.poll_join_next(context) {}
            while let Poll::Ready(Some(_)) = late.poll_join_next(context) {}
            if let Some(listener) = &door.listener {
                loop {
                    match listener.poll_accept(context) {
                        Poll::Ready(Ok((stream, _))) => return Poll::Ready(Event::Connection(stream)),
                        // One that was gone before it was accepted; the next may be well.
                        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                        Poll::Ready(Err(_)) => {
                            // Out of descriptors, most likely: try again once others had their turn.
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
            Event::Effect(effect) => {
                late.spawn(effect);
            }
            Event::Reopen => {
                reopening = None;
                // The port is reserved; if the system refuses all the same, `Faults::refuse` can try again and tells why.
                let _ = door.open();
            }
            Event::Command(Command { order, done }) => {
                reopening = None;
                let outcome = match order {
                    Order::Open => door.open(),
                    Order::Shut(duration) => {
                        connections.shutdown().await;
                        reopening = duration.map(|duration| handler.shared.clock.sleep(duration));
                        door.shut()
                    }
                };
                // Whoever asked may have been one of the connections just closed.
                let _ = done.send(outcome);
            }
        }
    }
}

async fn serve(stream: TcpStream, handler: Handler) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let clock = handler.shared.clock.clone();
    let (plans, mut planned) = mpsc::unbounded_channel();
    let service = service_fn(move |request| handler.clone().answer(request, plans.clone()));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let plan = match select(&mut connection, std::pin::pin!(planned.recv())).await {
        Either::Left(_) | Either::Right((None, _)) => return,
        Either::Right((Some(plan), _)) => plan,
    };
    // From here on nobody speaks HTTP on this connection but the plan.
    let stream = connection.into_parts().io.into_inner();
    plan.play(stream, &*clock).await;
}

#[derive(Clone)]
struct Handler {
    service: Service,
    backend: Backend,
    shared: Shared,
    gate: Gate,
    late: mpsc::UnboundedSender<LateEffect>,
}

impl Handler {
    async fn answer(
        self,
        request: Request<Incoming>,
        plans: mpsc::UnboundedSender<Plan>,
    ) -> Result<Response<Body>, Infallible> {
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(Body::new(body), MAX_BODY).await else {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            return Ok(response);
        };
        let operation = operations::find(self.service, &parts.method, parts.uri.path());
        let fault = self.shared.faults.choose(self.service, operation);
        let mut entry = self.shared.log.open(Recorded {
            number: 0,
            at: self.shared.clock.wall(),
            service: self.service,
            operation,
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: parts.headers.clone(),
            body: body.clone(),
            status: None,
            fault: fault.clone(),
            applied: false,
            replayed: false,
        });
        let refusal = fault.as_ref().and_then(Fault::own_refusal);
        let refused = refusal.map(|refusal| (parts.clone(), refusal));
        let request = Request::from_parts(parts, Body::from(body));
        let Some(fault) = fault else {
            let answer = self.handle(request, &mut entry).await;
            return Ok(self.finish(entry, answer));
        };
        if let Some(delay) = fault.lateness() {
            self.put_off(delay, request, entry);
            let _ = plans.send(Plan::reset());
            return std::future::pending().await;
        }
        if let Some(delay) = fault.delay() {
            self.shared.clock.sleep(delay).await;
        }
        let answer = if fault.prevents() { None } else { Some(self.handle(request, &mut entry).await) };
        let answer = match refused {
            Some((head, refusal)) => Some(self.answer_of(self.backend.state.refuse(&head, refusal)).await),
            None => answer,
        };
        self.play(act(&fault, answer), entry, plans).await
    }

    /// Lets the operation take effect later, with or without a connection.
    fn put_off(&self, delay: Duration, request: Request<Body>, mut entry: Entry) {
        let handler = self.clone();
        // A client that is driven would otherwise be driven past it, and never find that nothing is there yet.
        let wait = self.shared.clock.sleep_elsewhere(delay);
        let effect = async move {
            wait.await;
            handler.handle(request, &mut entry).await;
        };
        // Who receives it lives as long as the server.
        let _ = self.late.send(Box::pin(effect));
    }

    async fn handle(&self, mut request: Request<Body>, entry: &mut Entry) -> Answer {
        // axum serves HEAD as GET, with all that it does to the data. The services have no HEAD, so that it has to end
        // as every unknown method does: as one that nothing is routed for.
        if request.method() == Method::HEAD {
            *request.method_mut() = Method::TRACE;
        }
        let router = TowerToHyperService::new(self.backend.router.clone());
        let Ok(response) = router.call(request).await;
        let usual = if response.status().is_success() { Effect::Applied } else { Effect::None };
        let effect = response.extensions().get().copied().unwrap_or(usual);
        entry.recorded.applied = effect == Effect::Applied;
        entry.recorded.replayed = effect == Effect::Replayed;
        self.answer_of(response).await
    }

    async fn answer_of(&self, response: Response<Body>) -> Answer {
        let (parts, body) = response.into_parts();
        // The handlers answer from memory, so that reading their bodies cannot fail.
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        let mut headers = parts.headers;
        self.date(&mut headers);
        Answer { status: parts.status, headers, body }
    }

    /// Says what time it is, by the clock that the limits are measured with.
    fn date(&self, headers: &mut HeaderMap) {
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&self.shared.clock.wall());
        if let Some(date) = date.ok().and_then(|date| HeaderValue::try_from(date).ok()) {
            headers.entry(header::DATE).or_insert(date);
        }
    }

    async fn play(
        &self,
        act: Act,
        mut entry: Entry,
        plans: mpsc::UnboundedSender<Plan>,
    ) -> Result<Response<Body>, Infallible> {
        match act {
            Act::Send(answer) => return Ok(self.finish(entry, answer)),
            Act::SendLate(duration, answer) => {
                self.shared.clock.sleep(duration).await;
                return Ok(self.finish(entry, answer));
            }
            Act::Play(plan) => {
                entry.recorded.status = plan.status.map(|status| status.as_u16());
                drop(entry);
                // The connection listens for plans as long as it runs this.
                let _ = plans.send(plan);
            }
            Act::ShutDown(duration) => {
                drop(entry);
                // This connection is among those that end with it.
                let _ = self.gate.shut_for(duration).await;
            }
        }
        std::future::pending().await
    }

    fn finish(&self, mut entry: Entry, answer: Answer) -> Response<Body> {
        entry.recorded.status = Some(answer.status.as_u16());
        let whole = answer.body.len();
        let mut response = Response::new(Body::from(answer.body));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        self.date(response.headers_mut());
        if whole > 0 {
            // hyper states the length of what is really sent.
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        response
    }
}
