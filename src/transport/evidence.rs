//! The meaning of the HTTP client's errors.

use super::verdict::Evidence;
use crate::error::causes;
use std::error::Error;
use std::io;

/// The evidence about a request without a response.
pub(crate) fn unanswered(error: &reqwest::Error) -> Evidence {
    if error.is_builder() {
        Evidence::Unsendable
    } else if error.is_connect() {
        unconnected(error)
    } else if causes(error).any(is_canceled) {
        Evidence::NeverLeft
    } else if causes(error).any(is_refused) {
        Evidence::Refused
    } else {
        Evidence::Unanswered
    }
}

fn unconnected(error: &reqwest::Error) -> Evidence {
    if error.is_timeout() {
        return Evidence::NoConnection;
    }
    // The HTTP client reports a failed lookup only by text, and its cause has the resolver's own type.
    if causes(error).any(|cause| cause.to_string().starts_with("dns error")) {
        let temporary = |text: &str| {
            ["temporary failure", "try again", "timed out"].iter().any(|word| text.contains(word))
        };
        let passes = causes(error).any(|cause| temporary(&cause.to_string().to_ascii_lowercase()));
        return if passes { Evidence::NoConnection } else { Evidence::NoSuchHost };
    }
    // A proxy that closes the connection has not refused.
    let hung_up = |cause: &(dyn Error + 'static)| cause.to_string() == "tunnel error: unexpected end of file";
    if causes(error).any(|cause| passes(cause) || hung_up(cause)) {
        Evidence::NoConnection
    } else {
        Evidence::CannotConnect
    }
}

/// Whether a failure to connect may be temporary.
fn passes(cause: &(dyn Error + 'static)) -> bool {
    /// Too many open files, of the process or of the system.
    const FILES: [i32; 2] = [24, 23];
    let Some(error) = cause.downcast_ref::<io::Error>() else { return false };
    error.raw_os_error().is_some_and(|code| cfg!(unix) && FILES.contains(&code))
        || matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::NetworkDown
                | io::ErrorKind::NotConnected
                | io::ErrorKind::AddrNotAvailable
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::Interrupted
                | io::ErrorKind::TimedOut
                | io::ErrorKind::UnexpectedEof
        )
}

/// hyper's error for a request that was dropped before a byte of it was written.
fn is_canceled(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
}

/// HTTP/2's error for a request that the server did not process. A GOAWAY affects only the streams above its last id.
fn is_refused(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<h2::Error>().is_some_and(|error| {
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (refused || error.is_go_away())
    })
}
