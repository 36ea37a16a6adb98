//! What a failure means for the request.

/// What is known about a request's effect after a failure.
///
/// It says whether the same message can be posted again without appearing twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// No byte of the request reached the service. It can be sent again.
    NotSent,
    /// The service said that it did not do it. It can be sent again once the cause is gone.
    Rejected,
    /// It is unknown whether it was done. Check before sending it again.
    Unknown,
    /// The service said that it did it, but the rest of the response was lost or could not be read. Do not send it again.
    Applied,
}

/// The cause of a 409, as far as the response allows to distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conflict {
    /// The idempotency key was used before for another request. Nothing of this request was done.
    IdempotencyKey,
    /// An earlier request under the same idempotency key is still in flight, and may succeed. Send it again later under the
    /// same key.
    InProgress,
    /// The object was changed by another client. No operation of TAS-CHA reads the current `version`: the list of tasks shows
    /// the current task, and a change without `version` applies to it. The response to that has the new version.
    /// [`Error::details`](crate::Error::details) may name the current version too, which is not documented.
    Version,
    /// The code does not say; [`Error::messages`](crate::Error::messages) may. Under an idempotency key it is treated as
    /// [`InProgress`](Self::InProgress): a program that was killed during a request and sends it again can get this 409.
    Unknown,
}

impl Conflict {
    /// From the service's code. TAS-CHA documents the causes and not their codes, so this searches for words. Only an explicit
    /// code counts as the reuse of a key.
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
    /// Yes, as it is, at once or after [`Error::retry_after`](crate::Error::retry_after): it was not done, or doing it twice
    /// has the same effect as once. This says that sending again is harmless, not that it helps: a host that does not exist
    /// stays unreachable.
    Yes,
    /// Yes, but only by passing [`Error::idempotency_key`](crate::Error::idempotency_key) to `with_idempotency_key`: it may
    /// have been done.
    SameKey,
    /// Only after checking that it was not done. For Chatwork's and Lancers' messages, `look_for` checks, and `post_once` does
    /// both; they need what `before_post` returned before the post. To let Chatwork's client check within the call, set
    /// `with_reconcile` on the first post; after a failure it would post before it checks.
    LookFirst,
    /// No: it was done, or it would fail again.
    No,
}
