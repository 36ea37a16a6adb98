//! A file's content on its way, over as many connections as it takes.

use crate::call::{CallInfo, HttpAnswer};
use crate::chatwork::{File, FileHandle};
use crate::digest::{FNV1A, fnv1a};
use crate::error::Connecting;
use crate::error::{Error, ErrorKind, Outcome};
use crate::limits::RateLimit;
use crate::operation::{DOWNLOAD, Safety};
use crate::progress::ProgressCallback;
use crate::transport::auth::check_url;
use crate::transport::retry::{Retries, RetryPolicy, RetryScope};
use crate::transport::settings::Settings;
use crate::transport::timer::{Bound, within};
use crate::transport::verdict::{Evidence, judge};
use crate::transport::{evidence, trace};
use bytes::{Buf, Bytes};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_RANGE,
    LOCATION, RANGE,
};
use reqwest::{Response, StatusCode};
use std::time::{Duration, Instant};
use url::Url;

/// The options of a download.
#[derive(Clone, Default)]
pub(super) struct Options {
    pub(super) progress: ProgressCallback,
    /// `None`: the client's.
    pub(super) stall: Option<Option<Duration>>,
    pub(super) retry: Option<RetryPolicy>,
}

/// How many redirects are followed to a file.
const MAX_REDIRECTS: usize = 5;

/// How long an address is used again, of the 30 seconds that it lives.
const ADDRESS_LIFE: Duration = Duration::from_secs(25);

/// A download under way.
pub(super) struct Transfer {
    handle: FileHandle,
    options: Options,
    /// What the service says of the file, without its address.
    file: File,
    /// The address, and when it came.
    url: Option<(String, Instant)>,
    /// How much of the content has been handed out.
    received: u64,
    /// How much of the answer has been handed out by an earlier one.
    skip: u64,
    /// Where in the file the answer ends: a server may send less than the range that it was asked for.
    ends: u64,
    answer: Option<Response>,
    /// A strong validator of the content that is being put together.
    etag: Option<HeaderValue>,
    /// Whether ranges are worth asking for.
    ranges: bool,
    contradicted: bool,
    /// Whether progress was told of the beginning.
    reported_start: bool,
    /// Requests to the file server.
    sent: u32,
    /// The tries since the last byte of progress.
    retries: Retries,
    /// When the last of them began.
    asked: Instant,
    /// When the caller was last handed something.
    yielded_at: Instant,
    /// Whether an address was refused since then.
    refused: bool,
}

/// Why there is nothing more for now.
enum TransferError {
    /// It would end the same way.
    Permanent(Error),
    Transient {
        kind: ErrorKind,
        evidence: Evidence,
        /// Whether the address was refused, which lives for 30 seconds only.
        expired: bool,
        connecting: Option<Box<Connecting>>,
    },
}

impl TransferError {
    fn transient(kind: ErrorKind, evidence: Evidence) -> Self {
        Self::Transient { kind, evidence, expired: false, connecting: None }
    }
}

impl Transfer {
    /// Asks for the description and the address.
    pub(super) async fn describe(handle: FileHandle, options: Options) -> Result<Self, Error> {
        let (file, url) = describe(&handle, &options).await?;
        let now = handle.settings().clock.now();
        Ok(Self {
            handle,
            options,
            file,
            url: Some((url, now)),
            received: 0,
            skip: 0,
            ends: 0,
            answer: None,
            etag: None,
            ranges: true,
            contradicted: false,
            reported_start: false,
            sent: 0,
            retries: Retries::begin(now),
            asked: now,
            yielded_at: now,
            refused: false,
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// A number for this file of this service, so that the remains of another one are not taken for its beginning.
    pub(super) fn identity(&self) -> u64 {
        let File { file_id, filename, filesize, upload_time, .. } = &self.file;
        let (base, room, uploaded) =
            (&self.settings().base_text, self.handle.room.id, upload_time.as_second());
        let text = format!("{base}\n{room}\n{file_id}\n{filesize}\n{uploaded}\n{filename}");
        fnv1a(FNV1A, text.bytes())
    }

    /// Whether the content has contradicted what was said of it.
    pub(super) fn is_contradicted(&self) -> bool {
        self.contradicted
    }

    /// Begins after what is there already.
    pub(super) fn skip_to(&mut self, length: u64) {
        self.received = length;
    }

    /// Waits until the file server answers.
    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        loop {
            match self.open().await {
                Ok(answer) => {
                    self.answer = Some(answer);
                    self.yielded_at = self.settings().clock.now();
                    return Ok(());
                }
                Err(failure) => self.recover(failure).await?,
            }
        }
    }

    /// The next piece; `None` once everything has been handed out.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let total = self.file.filesize;
        if !std::mem::replace(&mut self.reported_start, true) {
            self.options.progress.report(self.received, total);
        }
        // An empty file is asked for, too: the description alone is no proof of its being empty.
        if self.received == total && total > 0 {
            return Ok(None);
        }
        // What the caller does between two pieces is no failing of the file server's.
        self.retries.postpone(self.settings().clock.now().saturating_duration_since(self.yielded_at));
        loop {
            match self.step().await {
                Ok(Some(chunk)) if chunk.is_empty() => {}
                Ok(Some(chunk)) => {
                    self.received += chunk.len() as u64;
                    self.refused = false;
                    self.yielded_at = self.settings().clock.now();
                    self.retries = Retries::begin(self.yielded_at);
                    self.options.progress.report(self.received, total);
                    if self.received == total {
                        self.settings().retry_budget.succeeded();
                    }
                    return Ok(Some(chunk));
                }
                Ok(None) => return Ok(None),
                Err(failure) => self.recover(failure).await?,
            }
        }
    }

    async fn step(&mut self) -> Result<Option<Bytes>, TransferError> {
        let mut answer = match self.answer.take() {
            Some(answer) => answer,
            None => self.open().await?,
        };
        let left = self.ends - self.received;
        match self.in_time(answer.chunk()).await? {
            Ok(Some(mut chunk)) => {
                let skip = chunk.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                chunk.advance(skip);
                self.skip -= skip as u64;
                if chunk.len() as u64 > left {
                    return Err(self
                        .inconsistent("the file server sends more than the service says that the file has"));
                }
                self.answer = Some(answer);
                Ok(Some(chunk))
            }
            Ok(None) if left == 0 && self.ends == self.file.filesize => Ok(None),
            // All of a part, and the next step asks for what follows it.
            Ok(None) if left == 0 => Ok(Some(Bytes::new())),
            Ok(None) => {
                let early = format!("the file server ended {left} bytes early");
                Err(TransferError::transient(ErrorKind::Download(early), Evidence::Truncated))
            }
            Err(error) => {
                Err(TransferError::transient(ErrorKind::Body(error.without_url()), Evidence::Truncated))
            }
        }
    }

    /// Asks the file server for what is missing: at the same address while it lives, since a server may send a file in
    /// many parts.
    async fn open(&mut self) -> Result<Response, TransferError> {
        let now = self.settings().clock.now();
        self.asked = now;
        let lives = |asked: Instant| now.saturating_duration_since(asked) < ADDRESS_LIFE;
        let url = match &self.url {
            Some((url, asked)) if lives(*asked) => url.clone(),
            _ => {
                let (file, url) =
                    describe(&self.handle, &self.options).await.map_err(TransferError::Permanent)?;
                if file.filesize != self.file.filesize {
                    return Err(self.inconsistent("the service says another length than before"));
                }
                self.url = Some((url.clone(), self.settings().clock.now()));
                url
            }
        };
        let mut url = self.checked(Url::parse(&url))?;
        let from = if self.ranges { self.received } else { 0 };
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.ask(&url, from).await?;
            let location = answer.headers().get(LOCATION).filter(|_| answer.status().is_redirection());
            let Some(location) = location else { return self.accept(answer, from) };
            let location = location.to_str().unwrap_or_default();
            url = self.checked(url.join(location))?;
        }
        Err(self.permanent(ErrorKind::Download("the file server redirects round and round".to_owned())))
    }

    /// Where a file may be fetched from: never in the clear, but on a machine that is its own service.
    fn checked(&self, url: Result<Url, url::ParseError>) -> Result<Url, TransferError> {
        let refused = |problem: String| Err(self.permanent(ErrorKind::Download(problem)));
        let Ok(url) = url else { return refused("the file's address is no URL".to_owned()) };
        if let Err(error) = check_url("the file's address", &url) {
            return refused(error.kind().to_string());
        }
        if url.scheme() != "https" && self.settings().base.scheme() == "https" {
            return refused("the file's address is plain http, and the service is not".to_owned());
        }
        Ok(url)
    }

    async fn ask(&mut self, url: &Url, from: u64) -> Result<Response, TransferError> {
        // The bytes of a file that is compressed on the way could be neither counted nor gone on with.
        let request = self.settings().http.kept.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        let request = match (from, &self.etag) {
            (0, _) => request,
            (_, None) => request.header(RANGE, format!("bytes={from}-")),
            (_, Some(etag)) => request.header(RANGE, format!("bytes={from}-")).header(IF_RANGE, etag),
        };
        self.sent += 1;
        tracing::debug!(operation = DOWNLOAD.id, number = self.sent, from, "asking the file server");
        self.in_time(request.send()).await?.map_err(|error| {
            let connecting = Some(self.settings().http.connecting(&error, url));
            let (evidence, error) = (evidence::unanswered(&error), error.without_url());
            let kind = if error.is_connect() { ErrorKind::Connect } else { ErrorKind::Send };
            TransferError::Transient { kind: kind(error), evidence, expired: false, connecting }
        })
    }

    /// Whether the answer is the part of the file that was asked for, or all of it.
    fn accept(&mut self, answer: Response, from: u64) -> Result<Response, TransferError> {
        let (status, headers) = (answer.status(), answer.headers());
        let etag = headers.get(ETAG).filter(|etag| etag.as_bytes().starts_with(b"\"")).cloned();
        let total = self.file.filesize;
        let (begins, ends) = match status {
            StatusCode::OK => (0, total),
            StatusCode::PARTIAL_CONTENT if from > 0 => match content_range(headers) {
                Some((first, last, whole))
                    if first == from
                        && (first..total).contains(&last)
                        && whole.is_none_or(|whole| whole == total) =>
                {
                    (from, last + 1)
                }
                _ => {
                    return Err(self.inconsistent("the file server sends another part than it was asked for"));
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => {
                self.ranges = false;
                return Err(refusal(status, headers, self.settings()));
            }
            _ => return Err(refusal(status, headers, self.settings())),
        };
        let length = number(headers, CONTENT_LENGTH);
        if length.is_some_and(|length| length != ends - begins) {
            return Err(self.inconsistent(
                "the file server sends another length than the service says that the file has",
            ));
        }
        if let (Some(before), Some(now)) = (&self.etag, &etag)
            && before != now
        {
            return Err(self.inconsistent("the file has changed while it was being downloaded"));
        }
        self.etag = etag.or(self.etag.take());
        (self.skip, self.ends) = (self.received - begins, ends);
        Ok(answer)
    }

    /// Waits until it can go on, if it can.
    async fn recover(&mut self, failure: TransferError) -> Result<(), Error> {
        self.answer = None;
        self.url = None;
        let (kind, evidence, expired, connecting) = match failure {
            TransferError::Permanent(error) => return Err(error),
            TransferError::Transient { kind, evidence, expired, connecting } => {
                (kind, evidence, expired, connecting)
            }
        };
        if expired && !self.refused {
            // A new address is no repetition, as a new token is none.
            self.refused = true;
            return Ok(());
        }
        let settings = self.handle.settings();
        let verdict = judge(evidence, Safety::Safe);
        self.retries.count(verdict, self.asked, settings.clock.now());
        self.sent -= u32::from(verdict.is_unconnected);
        let scope = RetryScope {
            policy: self.options.retry.as_ref().unwrap_or(&settings.retry),
            budget: &settings.retry_budget,
            clock: &*settings.clock,
            deadline: None,
        };
        let (status, asked) = match evidence {
            Evidence::Status(status, asked) => (Some(status), asked),
            _ => (None, None),
        };
        let repeats = !expired && verdict.allows(Safety::Safe);
        let wait = repeats.then(|| self.retries.next(scope, verdict.repeat, asked)).flatten();
        let Some(wait) = wait else {
            // Nothing of a download can have been applied.
            let unsent = verdict.outcome == Outcome::NotSent;
            let outcome = if unsent { Outcome::NotSent } else { Outcome::Rejected };
            let answer = HttpAnswer { status, wait: asked, connecting, ..HttpAnswer::default() };
            return Err(self.error(Error::new(kind, outcome).with_answer(answer)));
        };
        trace::wait(self.retries.attempts, wait, &kind);
        settings.clock.sleep(wait).await;
        Ok(())
    }

    /// What the future comes to, unless nothing comes for too long.
    async fn in_time<F: Future>(&self, future: F) -> Result<F::Output, TransferError> {
        let Settings { clock, attempt_timeout, .. } = self.settings();
        let stall = self.options.stall.unwrap_or(*attempt_timeout);
        let bound = Bound::after(clock.now(), stall);
        let timed_out = |stall| TransferError::transient(ErrorKind::Timeout(stall), Evidence::Unanswered);
        within(&**clock, bound, future).await.map_err(timed_out)
    }

    fn inconsistent(&mut self, problem: &str) -> TransferError {
        self.contradicted = true;
        self.permanent(ErrorKind::Download(problem.to_owned()))
    }

    fn permanent(&self, kind: ErrorKind) -> TransferError {
        TransferError::Permanent(self.failed(kind, Outcome::Rejected))
    }

    pub(super) fn failed(&self, kind: ErrorKind, outcome: Outcome) -> Error {
        self.error(Error::new(kind, outcome))
    }

    fn error(&self, error: Error) -> Error {
        error.with_call(CallInfo::new(&DOWNLOAD, Safety::Safe), self.retries).with_attempts(self.sent)
    }

    fn settings(&self) -> &Settings {
        self.handle.settings()
    }
}

impl FileHandle {
    fn settings(&self) -> &Settings {
        self.room.client.transport().settings()
    }
}

/// The description, and the address apart from it.
async fn describe(handle: &FileHandle, options: &Options) -> Result<(File, String), Error> {
    let mut request = handle.get().create_download_url(true);
    if let Some(retry) = &options.retry {
        request = request.with_retry(retry.clone());
    }
    let mut file = match request.send().await {
        Ok(file) => file.into_inner(),
        // It only reads, so that nothing of it has been applied.
        Err(error) if error.outcome() == Outcome::NotSent => return Err(error),
        Err(error) => return Err(error.with_outcome(Outcome::Rejected)),
    };
    match file.download_url.take() {
        Some(url) => Ok((file, url.expose().to_owned())),
        None => {
            let problem =
                ErrorKind::Download("the service gives no address to download the file from".to_owned());
            Err(Error::new(problem, Outcome::Rejected).with_call(CallInfo::new(&DOWNLOAD, Safety::Safe), 0))
        }
    }
}

/// The file server's refusal. Its headers and body stay out of it: they can hold the address.
fn refusal(status: StatusCode, headers: &HeaderMap, settings: &Settings) -> TransferError {
    let wait = RateLimit::from_headers(headers, settings.clock.wall()).and_then(|limit| limit.retry_after);
    let expired = matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE
    );
    let evidence = match status {
        // The next request asks for the whole.
        StatusCode::RANGE_NOT_SATISFIABLE => Evidence::Truncated,
        _ => Evidence::Status(status, wait),
    };
    TransferError::Transient { kind: ErrorKind::Status(status), evidence, expired, connecting: None }
}

/// First and last byte, and the whole length if it is told (RFC 9110, 14.4).
fn content_range(headers: &HeaderMap) -> Option<(u64, u64, Option<u64>)> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim().strip_prefix("bytes ")?;
    let (range, whole) = range.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let whole = if whole == "*" { None } else { Some(whole.parse().ok()?) };
    Some((first.parse().ok()?, last.parse().ok()?, whole))
}

fn number(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}
