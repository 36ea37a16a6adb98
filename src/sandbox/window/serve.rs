//! Connections of the window, and the task that reports what happens.

use super::acts::MAX_BODY;
use super::guard::{Address, Admitted, Refusal};
use super::patient::Patient;
use super::reply;
use super::views::Panes;
use crate::sandbox::log::Recorded;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use futures::future::{Either, select, select_all};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How many connections there are at once: more than a browser opens for some pages.
const CONNECTIONS: usize = 64;

/// A side that neither sends nor reads for so long is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Changes within so long are reported together.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections for as long as it runs; they end with it.
pub(super) async fn accept(listener: TcpListener, address: Address, panes: Arc<Panes>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely.
            sleep(PAUSE).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        // Closed at once if there are too many.
        if connections.len() < CONNECTIONS {
            connections.spawn(serve(stream, address.clone(), Arc::clone(&panes)));
        }
    }
}

async fn serve(stream: TcpStream, address: Address, panes: Arc<Panes>) {
    // Answers are small, and the page waits for them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, address.clone(), Arc::clone(&panes)));
    // How a connection ends does not matter.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(Patient::new(stream, PATIENCE)), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    address: Address,
    panes: Arc<Panes>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    Ok(match address.admit(&parts.method, &parts.uri, &parts.headers) {
        Err(refused) => reply::refusal(&refused),
        Ok(admitted) if parts.method == Method::GET => {
            look(&panes, &admitted, &address, parts.uri.query().unwrap_or_default())
        }
        Ok(admitted) => act(&panes, &admitted, body).await,
    })
}

const NOTHING: Refusal = Refusal(StatusCode::NOT_FOUND, "There is nothing here.");

fn look(panes: &Panes, admitted: &Admitted, address: &Address, query: &str) -> Response<Body> {
    let page = reply::page(admitted, &address.base());
    page.or_else(|| panes.look(&admitted.path, query)).unwrap_or_else(|| reply::refusal(&NOTHING))
}

async fn act(panes: &Panes, admitted: &Admitted, body: Incoming) -> Response<Body> {
    let body = axum::body::to_bytes(Body::new(body), MAX_BODY);
    let body = match timeout(PATIENCE, body).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return reply::plain(StatusCode::PAYLOAD_TOO_LARGE, "The body is too long."),
        Err(_) => return reply::plain(StatusCode::REQUEST_TIMEOUT, "The body does not come."),
    };
    match panes.act(&admitted.path, &body) {
        Some(Ok(())) => reply::json(&json!({})),
        Some(Err(word)) => reply::refused(word),
        None => reply::refusal(&NOTHING),
    }
}

/// Reports requests and changes to the pages, for as long as it runs.
pub(super) async fn follow(panes: Arc<Panes>, mut stages: Receiver<(Recorded, bool)>) {
    let mut touched: Vec<_> = panes.inside.services.values().map(|glance| glance.touched()).collect();
    while let Some(stage) = next(&mut stages, &mut touched).await {
        if let Some(stage) = stage {
            take(&panes, stage);
        }
        sleep(PAUSE).await;
        // A request is shown before what it has done.
        loop {
            match stages.try_recv() {
                Ok(stage) => take(&panes, Ok(stage)),
                Err(TryRecvError::Lagged(missed)) => take(&panes, Err(RecvError::Lagged(missed))),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if touched.iter().any(|touched| touched.has_changed().unwrap_or(false)) {
            touched.iter_mut().for_each(Touched::mark_unchanged);
            panes.send("changed", &json!({}));
        }
    }
}

type Touched = watch::Receiver<()>;
type Stage = Result<(Recorded, bool), RecvError>;

/// Waits for a request or for a change of the data; `None` if the sandbox is gone.
async fn next(stages: &mut Receiver<(Recorded, bool)>, touched: &mut [Touched]) -> Option<Option<Stage>> {
    let changed = select_all(touched.iter_mut().map(|touched| Box::pin(touched.changed())));
    let event = match select(pin!(stages.recv()), changed).await {
        Either::Left((Err(RecvError::Closed), _)) | Either::Right(((Err(_), ..), _)) => return None,
        Either::Left((stage, _)) => Some(stage),
        Either::Right(_) => None,
    };
    // `changed` has marked it as seen.
    if event.is_none() {
        touched.iter_mut().for_each(Touched::mark_changed);
    }
    Some(event)
}

fn take(panes: &Panes, stage: Stage) {
    match stage {
        Ok((recorded, ended)) => panes.take(&recorded, ended),
        Err(_) => panes.catch_up(),
    }
}
