//! The texts of errors.

use super::kind::to;
use super::text::{Innermost, OneLine, Rounded, shortened};
use super::{Conflict, Error, ErrorKind, Outcome, Repr, Resend, Unsure};
use crate::call::CallInfo;
use crate::limits::RateLimit;
use crate::operation::DOWNLOAD;
use std::fmt;

/// The advice after a redirect, around what became of the request.
macro_rules! redirect {
    ($effect:literal) => {
        concat!(
            "Redirects are not followed, to protect the credential. ",
            $effect,
            " If the new address is the service's own, set the base URL to it; if not, it may be the login page of a proxy."
        )
    };
}

impl Error {
    fn is_download(&self) -> bool {
        self.operation().is_some_and(|operation| operation.id == DOWNLOAD.id)
    }

    /// What the outcome means, and what to do now.
    fn advice(&self) -> &'static str {
        let status = self.status().map(|status| status.as_u16());
        match (&*self.0.kind, self.0.outcome, status) {
            (ErrorKind::Config(_), ..) => "Nothing was sent.",
            (ErrorKind::Token(_), Outcome::NotSent, _) => "Nothing was sent without a token.",
            (ErrorKind::Token(_), Outcome::Rejected, _) => "It was not done.",
            (ErrorKind::Token(_), ..) => "If this persists, log in again.",
            (ErrorKind::Timeout(_), Outcome::NotSent, _) => {
                "Nothing was sent: the time ended before there was a connection or an access token."
            }
            (ErrorKind::WaitTooLong { .. }, Outcome::NotSent, _) => {
                "Nothing was sent; try again later, or give the call a longer timeout."
            }
            (ErrorKind::UnitsExhausted { .. }, Outcome::NotSent, _) => {
                "Nothing was sent; wait for the next month, or switch this check off with `Pace::units`."
            }
            (ErrorKind::Store(_), ..) if self.0.call.is_none() => "Make the store work, and call again.",
            (ErrorKind::Store(_), Outcome::NotSent, _) => {
                "Nothing was sent; make the store work, and call again."
            }
            (ErrorKind::InvalidInput(_), ..) => "Nothing was sent; correct it and call again.",
            (ErrorKind::File { .. }, Outcome::NotSent, _) if !self.reads_only() => {
                "Nothing was sent; make the file readable and call again."
            }
            (ErrorKind::File { .. }, ..) => {
                "Make the file or its folder usable and call again; the part that was downloaded is kept."
            }
            (ErrorKind::BodyTooLarge { .. }, ..) if self.is_download() => {
                "Raise the limit, or stream it, or download it to a file."
            }
            _ if self.is_download() => "A download changes nothing and can be started again.",
            (ErrorKind::RepeatedCursor, ..) => {
                "The stream has ended, since the list would repeat forever; begin the list again later."
            }
            (ErrorKind::GaveUp { .. }, ..) => {
                "The stream has ended; once the cause is gone, its checkpoint resumes it."
            }
            (ErrorKind::EmptyPages { .. }, ..) => {
                "The stream has ended, since the list may have no end; its checkpoint continues after these pages."
            }
            (ErrorKind::PlaceLost, ..) => {
                "The stream has ended, since it cannot find its place; begin the list again, without the checkpoint."
            }
            (ErrorKind::Unsure(Unsure::Clock | Unsure::Incomplete), ..) => {
                "Nothing was posted now, but an earlier run may have done it. Call again; if this persists, ask a person to look: if the message is not there, post it as a new one."
            }
            (ErrorKind::Unsure(_), ..) => {
                "Nothing was posted now, but an earlier run may have done it. Ask a person to look: if the message is not there, post it as a new one."
            }
            // Those about the size of a request mean the same wherever they come from.
            (_, Outcome::Rejected, Some(400..=412 | 415..=428 | 430..=499))
                if self.0.answer.foreign.is_some() =>
            {
                "It was not done. The answer is not in the service's form: a proxy, a firewall or a gateway may have given it. Check the base URL and the proxy settings, and then the credential."
            }
            (_, Outcome::Rejected, Some(400)) => "It was not done; correct what the service names.",
            (_, Outcome::Rejected, Some(401)) => "It was not done; check the credential.",
            (_, Outcome::Rejected, Some(403)) => {
                "It was not done; the credential lacks the permission or the scope for it, or its account is not a member of the room."
            }
            (_, Outcome::Rejected, Some(404)) => "It was not done; check the ids, the path and the base URL.",
            (_, Outcome::Rejected, Some(409)) => match self.conflict() {
                Some(Conflict::IdempotencyKey) => {
                    "It was not done; the key belongs to another request, so use another key."
                }
                Some(Conflict::Version) => {
                    "It was not done. Check the task in the list, since no operation reads the current version; if the change is still wanted, send it without `version`: the answer has the new version."
                }
                _ => "It was not done.",
            },
            (_, Outcome::Rejected, Some(429)) if self.0.answer.wait.is_none() => {
                "It was not done; it can be sent again later."
            }
            (_, Outcome::Rejected, Some(429)) => "It was not done; it can be sent again after the wait.",
            (_, Outcome::Unknown, Some(300..=399)) if self.idempotency_key().is_some() => {
                redirect!("It may have been done: send it again only with the same idempotency key.")
            }
            (_, Outcome::Unknown, Some(300..=399)) => {
                redirect!("It may have been done: look before sending it again.")
            }
            (_, Outcome::Rejected, Some(300..=399)) => {
                redirect!("It was not done.")
            }
            (ErrorKind::Status(_), Outcome::Rejected, _) if self.reads_only() => "The service refused it.",
            (ErrorKind::Foreign { .. }, ..) if self.reads_only() => {
                "It only reads, so it can be repeated; check the base URL, the proxy settings and the credential."
            }
            (ErrorKind::BodyTooLarge { .. }, ..) if self.reads_only() => {
                "Raise the client's `max_body`, or request less."
            }
            (ErrorKind::Decode { .. }, ..) if self.reads_only() => {
                "The service has changed, or the specification is wrong: `Error::body` has the answer."
            }
            (_, Outcome::NotSent, _) if self.reads_only() => "Nothing was sent, so it can be repeated.",
            _ if self.reads_only() => "It only reads, so it can be repeated.",
            (_, Outcome::NotSent, _) => "Nothing was sent, so it can be sent again.",
            (_, Outcome::Rejected, _) => "It was not done.",
            (_, Outcome::Applied, _) => "It was done; only the answer is unusable: do not send it again.",
            (ErrorKind::Status(_), Outcome::Unknown, Some(409)) => {
                "A request under the same idempotency key may still be in flight: send it again later under the same key."
            }
            (_, Outcome::Unknown, _) if self.idempotency_key().is_some() => {
                "It may have been done: send it again only with the same idempotency key."
            }
            (_, Outcome::Unknown, _) if self.resend() == Resend::Yes => {
                "It may have been done; doing it twice has the same effect, so it can be sent again."
            }
            (ErrorKind::WaitTooLong { .. }, Outcome::Unknown, _) => {
                "It may have been done: look before sending it again, or give the call a longer timeout."
            }
            (_, Outcome::Unknown, _) => "It may have been done: look before sending it again.",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repr { kind, call, tries, .. } = &*self.0;
        if let Some(CallInfo { operation, .. }) = call {
            write!(f, "{operation}: ")?;
        }
        let to = match &**kind {
            ErrorKind::Connect(error) | ErrorKind::Send(error) => Some(to(error)),
            _ => None,
        };
        let to = to.as_deref().filter(|to| !to.is_empty());
        let connecting = self.0.answer.connecting.as_ref();
        match connecting {
            Some(connecting) => f.write_str(&connecting.problem(kind, to))?,
            None => write!(f, "{kind}")?,
        }
        if let (Some(status), false) = (self.status(), matches!(**kind, ErrorKind::Status(_))) {
            write!(f, " (status {})", status.as_u16())?;
        }
        let answer = &self.0.answer;
        match (&answer.redirected_to, &answer.foreign) {
            (Some(host), _) => write!(f, " to {host}")?,
            (None, Some(found)) => write!(f, ": the answer is {found}")?,
            (None, None) => {}
        }
        if let Some(code) = self.code() {
            write!(f, " [{}]", OneLine(&shortened(code, MAX_WORD)))?;
        }
        let messages = self.messages();
        if !messages.is_empty() {
            write!(f, ": {}", OneLine(&said(messages)))?;
        }
        if let Some(source) = std::error::Error::source(self)
            && !connecting.is_some_and(|connecting| connecting.is_explained())
        {
            write!(f, ": {}", Innermost(source))?;
        }
        if let Some(wait) = self.0.answer.wait {
            let said = |limit: &RateLimit| [limit.retry_after, limit.reset_after].contains(&Some(wait));
            let asked = self.rate_limit().is_some_and(said);
            write!(f, "; {} {}", if asked { "the service asks to wait" } else { "wait" }, Rounded(wait))?;
        }
        let connecting = connecting.map(|connecting| connecting.advice(to)).unwrap_or_default();
        write!(f, ". {connecting}{}", self.advice())?;
        let mut notes = Vec::new();
        if tries.connections > 1 {
            notes.push(format!("{} connections tried in {}", tries.connections, Rounded(tries.connecting)));
        }
        if tries.attempts > 1 {
            notes.push(format!("{} attempts", tries.attempts));
        }
        if let Some(id) = self.request_id() {
            notes.push(format!("request id {}", OneLine(&shortened(id, MAX_ID))));
        }
        if notes.is_empty() { Ok(()) } else { write!(f, " ({})", notes.join(", ")) }
    }
}

/// The longest that is shown of the service's texts, of its code, and of a request id, in characters. A request id that was
/// sent has up to 255.
const MAX_TEXT: usize = 500;
const MAX_WORD: usize = 100;
const MAX_ID: usize = 255;

/// The service's texts, joined and shortened.
fn said(messages: &[String]) -> String {
    let (mut shown, mut left) = (String::new(), MAX_TEXT);
    for message in messages {
        if left == 0 {
            shown.push_str("; …");
            break;
        }
        shown.push_str(if shown.is_empty() { "" } else { "; " });
        // The sentence continues after the service's text.
        let text = shortened(message.trim_end_matches(['.', '。']), left);
        left = left.saturating_sub(text.chars().count());
        shown.push_str(&text);
    }
    shown
}
