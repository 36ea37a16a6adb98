//! What a failure means for the request.

/// What is known of a request's effect after a failure.
///
/// It alone answers whether the same message can be posted again without being there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// No byte of the request reached the service. It can be sent again.
    NotSent,
    /// The service answered that it did not do it. It can be sent again once the cause is gone.
    Rejected,
    /// Nobody knows: it may have been done. Look before sending it again.
    Unknown,
    /// The service answered that it did it, but the rest of the answer was lost or could not be read. Do not send it
    /// again.
    Applied,
}

/// What a 409 was about, as far as the answer allows to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conflict {
    /// The idempotency key was used before for another request. Nothing of this request was done.
    IdempotencyKey,
    /// An earlier request under the same idempotency key is still being worked on, and may succeed. Send it again later
    /// under the same key.
    InProgress,
    /// Somebody else has changed what was to be changed. No operation of TAS-CHA reads the present `version`: the list of
    /// tasks shows what is there now, and a change that is sent without `version` is made to that; its answer has the new
    /// version. [`Error::details`](crate::Error::details) may name the present one too, which is not documented.
    Version,
    /// The answer does not say; [`Error::messages`](crate::Error::messages) may. Under an idempotency key it is treated as
    /// [`InProgress`](Self::InProgress): a request that was killed and sent again meets just that.
    Unknown,
}

impl Conflict {
    /// What the service's code says. TAS-CHA documents the causes and not their codes, so that words are searched for;
    /// a code is taken for the reuse of a key only where it says so.
    pub(crate) fn of(code: Option<&str>) -> Self {
        let code: String = code.unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
        let code = code.to_ascii_lowercase().replace("conversion", "");
        let says = |words: &[&str]| words.iter().any(|word| code.contains(word));
        if says(&["inprogress", "inuse", "processing", "pending", "concurrent"]) {
            Self::InProgress
        } else if says(&["version", "stale"]) && !says(&["idempoten"]) {
            Self::Version
        } else if says(&["reuse", "mismatch"]) {
            Self::IdempotencyKey
        } else {
            Self::Unknown
        }
    }
}

/// Whether the same request can be sent again after a failure: [`Error::resend`](crate::Error::resend).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resend {
    /// Yes, as it is, at once or after [`Error::retry_after`](crate::Error::retry_after): it was not done, or doing it twice is doing it once. That it
    /// is harmless does not say that it helps: a host that does not exist stays away.
    Yes,
    /// Yes, but only with [`Error::idempotency_key`](crate::Error::idempotency_key) given to `with_idempotency_key`: it may have been done.
    SameKey,
    /// Only after a look whether it was done. For Chatwork, read `room.messages().force(true)` and search for the text. To
    /// have the client look, give the first post `with_reconcile`: after a failure it would post before it looks.
    LookFirst,
    /// No: it was done, or it would end the same way.
    No,
}
