//! The port of a service, which can be shut.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, oneshot};

/// Connections that the system keeps waiting for the server to accept them.
const BACKLOG: u32 = 1024;

/// A port: listened on, or kept from others without listening, which is what refuses connections.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    pub(crate) listener: Option<TcpListener>,
    reserved: Option<TcpSocket>,
}

impl Port {
    /// Listens; port 0 lets the system choose one.
    pub(crate) fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = bind(address)?.listen(BACKLOG)?;
        Ok(Self { address: listener.local_addr()?, listener: Some(listener), reserved: None })
    }

    pub(crate) fn shut(&mut self) -> io::Result<()> {
        if self.listener.take().is_some() {
            self.reserved = Some(bind(self.address)?);
        }
        Ok(())
    }

    pub(crate) fn open(&mut self) -> io::Result<()> {
        if self.listener.is_none() {
            let socket = self.reserved.take().map_or_else(|| bind(self.address), Ok)?;
            self.listener = Some(socket.listen(BACKLOG)?);
        }
        Ok(())
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

/// An order that a server carries out.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) order: Order,
    pub(crate) done: oneshot::Sender<io::Result<()>>,
}

#[derive(Debug)]
pub(crate) enum Order {
    Open,
    /// For this long, or until it is opened.
    Shut(Option<Duration>),
}

impl Gate {
    /// A gate, and the orders given to it.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (commands, orders) = mpsc::unbounded_channel();
        (Self(commands), orders)
    }

    pub(crate) async fn order(&self, order: Order) -> io::Result<()> {
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        let (done, outcome) = oneshot::channel();
        self.0.send(Command { order, done }).map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}
