//! The transfer of a file's content, over as many connections as necessary.

use super::response::{TransferError, content_range, number, refusal};
use crate::call::{CallInfo, HttpAnswer};
use crate::chatwork::{File, FileHandle};
use crate::digest::{FNV1A, fnv1a};
use crate::error::{Error, ErrorKind, Outcome};
use crate::operation::{DOWNLOAD, Safety};
use crate::progress::ProgressCallback;
use crate::transport::auth::check_url;
use crate::transport::evidence;
use crate::transport::retry::{Retries, RetryPolicy, RetryScope};
use crate::transport::settings::Settings;
use crate::transport::timer::{Bound, within};
use crate::transport::trace::Report;
use crate::transport::verdict::{Evidence, judge};
use bytes::{Buf, Bytes};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, ETAG, HeaderValue, IF_RANGE, LOCATION, RANGE};
use reqwest::{Response, StatusCode};
use std::time::{Duration, Instant};
use url::Url;

/// The options of a download.
#[derive(Clone, Default)]
pub(super) struct Options {
    pub(super) progress: ProgressCallback,
    /// `None` if the client's applies.
    pub(super) stall: Option<Option<Duration>>,
    pub(super) retry: Option<RetryPolicy>,
}

/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// How long an address is reused. It expires after 30 seconds.
const ADDRESS_LIFE: Duration = Duration::from_secs(25);

/// A download in progress.
pub(super) struct Transfer {
    handle: FileHandle,
    options: Options,
    /// The service's description of the file, without its address.
    file: File,
    /// The address, and when it was received.
    url: Option<(String, Instant)>,
    /// How many bytes of the content were yielded.
    received: u64,
    /// How many bytes of the current response were already yielded.
    skip: u64,
    /// The position in the file where the response ends: a server may send less than the requested range.
    ends: u64,
    answer: Option<Response>,
    /// A strong validator of the content.
    etag: Option<HeaderValue>,
    /// Whether the server supports ranges, as far as is known.
    ranges: bool,
    contradicted: bool,
    /// Whether the start was reported as progress.
    reported_start: bool,
    /// Requests to the file server.
    sent: u32,
    /// The attempts since the last new byte.
    retries: Retries,
    /// The request to the file server whose response has not ended.
    asked: Option<Asked>,
    /// When the last attempt began.
    began: Instant,
    /// When the last chunk was yielded.
    yielded_at: Instant,
    /// Whether an address was refused since then.
    refused: bool,
    /// Whether the last byte is the end of the call. A file has to be saved as well.
    ends_with_content: bool,
    report: Report,
}

/// A request to the file server: when it was sent, and the status of the response.
struct Asked {
    at: Instant,
    status: Option<StatusCode>,
}

impl Transfer {
    /// Requests the description and the address.
    pub(super) async fn describe(handle: FileHandle, options: Options) -> Result<Self, Error> {
        let (file, url) = describe(&handle, &options).await?;
        let now = handle.settings().clock.now();
        let report = Report::without_span(handle.settings(), &DOWNLOAD);
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
            asked: None,
            began: now,
            yielded_at: now,
            refused: false,
            ends_with_content: true,
            report,
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// A number for this file of this service, so that the partial file of another one is not continued.
    pub(super) fn identity(&self) -> u64 {
        let File { file_id, filename, filesize, upload_time, .. } = &self.file;
        let (base, room, uploaded) =
            (&self.settings().base_text, self.handle.room.id, upload_time.as_second());
        let text = format!("{base}\n{room}\n{file_id}\n{filesize}\n{uploaded}\n{filename}");
        fnv1a(FNV1A, text.bytes())
    }

    /// Whether the content has contradicted its description.
    pub(super) fn is_contradicted(&self) -> bool {
        self.contradicted
    }

    /// The call ends with [`Transfer::saved`], not with the last byte.
    pub(super) fn save(&mut self) {
        self.ends_with_content = false;
    }

    /// The content is where the caller wants it.
    pub(super) fn saved(&mut self) {
        self.report.succeeded();
    }

    /// The call fails: what was asked for is not read to its end.
    pub(super) fn fail(&mut self, error: Error) -> Error {
        if let Some(Asked { at, status }) = self.asked.take() {
            self.report.attempt_failed(self.sent, at, status, error.kind());
        }
        self.report.failed(&error, self.sent);
        error
    }

    /// Starts after the bytes that are there already.
    pub(super) fn skip_to(&mut self, length: u64) {
        self.received = length;
    }

    /// Waits until the file server responds.
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

    /// The next chunk; `None` once everything was yielded.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let total = self.file.filesize;
        if !std::mem::replace(&mut self.reported_start, true) {
            self.options.progress.report(self.received, total);
        }
        // An empty file is requested, too: the description does not prove that it is empty.
        if self.received == total && total > 0 {
            return Ok(None);
        }
        // The time that the caller takes between two chunks does not count.
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
                        self.complete();
                    }
                    return Ok(Some(chunk));
                }
                Ok(None) => {
                    self.complete();
                    return Ok(None);
                }
                Err(failure) => self.recover(failure).await?,
            }
        }
    }

    fn complete(&mut self) {
        self.answered();
        if self.ends_with_content {
            self.report.succeeded();
        }
    }

    /// The response was read to its end.
    fn answered(&mut self) {
        if let Some(Asked { at, status }) = self.asked.take() {
            self.report.attempt_succeeded(self.sent, at, status);
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
                    return Err(self.inconsistent("the file server sends more bytes than the service says"));
                }
                self.answer = Some(answer);
                Ok(Some(chunk))
            }
            Ok(None) if left == 0 && self.ends == self.file.filesize => Ok(None),
            // The range is complete, and the next step requests the rest.
            Ok(None) if left == 0 => {
                self.answered();
                Ok(Some(Bytes::new()))
            }
            Ok(None) => {
                let early = format!("the file server ended {left} bytes early");
                Err(TransferError::transient(ErrorKind::Download(early), Evidence::Truncated))
            }
            Err(error) => {
                Err(TransferError::transient(ErrorKind::Body(error.without_url()), Evidence::Truncated))
            }
        }
    }

    /// Requests the missing part from the file server, at the same address until it expires: a server may send a file in many
    /// parts.
    async fn open(&mut self) -> Result<Response, TransferError> {
        let now = self.settings().clock.now();
        self.began = now;
        let lives = |asked: Instant| now.saturating_duration_since(asked) < ADDRESS_LIFE;
        let url = match &self.url {
            Some((url, asked)) if lives(*asked) => url.clone(),
            _ => {
                let (file, url) =
                    describe(&self.handle, &self.options).await.map_err(TransferError::Permanent)?;
                if file.filesize != self.file.filesize {
                    return Err(self.inconsistent("the service now says a different length"));
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
            url = self.checked(url.join(location.to_str().unwrap_or_default()))?;
            self.answered();
        }
        Err(self.permanent(ErrorKind::Download("the file server redirects too often".to_owned())))
    }

    /// Checks an address: it must be `https`, unless the base URL is `http` on loopback.
    fn checked(&self, url: Result<Url, url::ParseError>) -> Result<Url, TransferError> {
        let refused = |problem: String| Err(self.permanent(ErrorKind::Download(problem)));
        let Ok(url) = url else { return refused("the file's address is not a valid URL".to_owned()) };
        if let Err(error) = check_url("the file's address", &url) {
            return refused(error.kind().to_string());
        }
        if url.scheme() != "https" && self.settings().base.scheme() == "https" {
            return refused("the file's address is plain http, and the service is not".to_owned());
        }
        Ok(url)
    }

    async fn ask(&mut self, url: &Url, from: u64) -> Result<Response, TransferError> {
        // The bytes of a compressed response could not be counted, nor the download resumed.
        let request = self.settings().http.kept.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        let request = match (from, &self.etag) {
            (0, _) => request,
            (_, None) => request.header(RANGE, format!("bytes={from}-")),
            (_, Some(etag)) => request.header(RANGE, format!("bytes={from}-")).header(IF_RANGE, etag),
        };
        // Nothing of a download can have been applied.
        self.report.count(self.sent, Outcome::Rejected);
        self.sent += 1;
        self.asked = Some(Asked { at: self.settings().clock.now(), status: None });
        tracing::debug!(operation = DOWNLOAD.id, number = self.sent, from, "requesting from the file server");
        let answer = self.in_time(request.send()).await?.map_err(|error| {
            let connecting = Some(self.settings().http.connecting(&error, url));
            let (evidence, error) = (evidence::unanswered(&error), error.without_url());
            let kind = if error.is_connect() { ErrorKind::Connect } else { ErrorKind::Send };
            TransferError::Transient { kind: kind(error), evidence, expired: false, connecting }
        })?;
        if let Some(asked) = &mut self.asked {
            asked.status = Some(answer.status());
        }
        Ok(answer)
    }

    /// Checks that the response is the requested part of the file, or all of it.
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
                    return Err(self.inconsistent("the file server sends a different part than requested"));
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
            return Err(self.inconsistent("the file server sends a different length than the service says"));
        }
        if let (Some(before), Some(now)) = (&self.etag, &etag)
            && before != now
        {
            return Err(self.inconsistent("the file has changed while it was being downloaded"));
        }
        self.etag = etag.or(self.etag.take());
        self.skip = self.received - begins;
        self.ends = ends;
        Ok(answer)
    }

    /// Waits for the next attempt, if there is one.
    async fn recover(&mut self, failure: TransferError) -> Result<(), Error> {
        self.answer = None;
        self.url = None;
        let (kind, evidence, expired, connecting) = match failure {
            TransferError::Permanent(error) => return Err(self.fail(error)),
            TransferError::Transient { kind, evidence, expired, connecting } => {
                (kind, evidence, expired, connecting)
            }
        };
        let asked = self.asked.take();
        let status = asked.as_ref().and_then(|asked| asked.status);
        if let Some(Asked { at, .. }) = asked {
            self.report.attempt_failed(self.sent, at, status, &kind);
        }
        if expired && !self.refused {
            // A new address does not count as a retry, nor does a new token.
            self.refused = true;
            self.report.retry(self.retries.attempts, Duration::ZERO, &kind);
            return Ok(());
        }
        let settings = self.handle.settings();
        let verdict = judge(evidence, Safety::Safe);
        self.retries.count(verdict, self.began, settings.clock.now());
        self.sent -= u32::from(verdict.is_unconnected);
        self.report.count(self.sent, Outcome::Rejected);
        let scope = RetryScope {
            policy: self.options.retry.as_ref().unwrap_or(&settings.retry),
            budget: &settings.retry_budget,
            clock: &*settings.clock,
            deadline: None,
        };
        let asked = match evidence {
            Evidence::Status(_, asked) => asked,
            _ => None,
        };
        let repeats = !expired && verdict.allows(Safety::Safe);
        let wait = repeats.then(|| self.retries.next(scope, verdict.repeat, asked)).flatten();
        let Some(wait) = wait else {
            let unsent = verdict.outcome == Outcome::NotSent;
            let outcome = if unsent { Outcome::NotSent } else { Outcome::Rejected };
            let answer = HttpAnswer { status, wait: asked, connecting, ..HttpAnswer::default() };
            let error = self.error(Error::new(kind, outcome).with_answer(answer));
            return Err(self.fail(error));
        };
        self.report.retry(self.retries.attempts, wait, &kind);
        settings.clock.sleep(wait).await;
        Ok(())
    }

    /// Runs the future within the stall timeout.
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
        let status = self.asked.as_ref().and_then(|asked| asked.status);
        let answer = HttpAnswer { status, ..HttpAnswer::default() };
        TransferError::Permanent(self.error(Error::new(kind, Outcome::Rejected).with_answer(answer)))
    }

    /// The error of a transfer that ends before anything was requested.
    pub(super) fn refuse(&mut self, kind: ErrorKind) -> Error {
        let error = self.error(Error::new(kind, Outcome::NotSent));
        self.fail(error)
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

/// The description and the address.
async fn describe(handle: &FileHandle, options: &Options) -> Result<(File, String), Error> {
    let mut request = handle.get().create_download_url(true);
    if let Some(retry) = &options.retry {
        request = request.with_retry(retry.clone());
    }
    let mut file = match request.send().await {
        Ok(file) => file.into_inner(),
        // It only reads, so nothing was applied.
        Err(error) if error.outcome() == Outcome::NotSent => return Err(error),
        Err(error) => return Err(error.with_outcome(Outcome::Rejected)),
    };
    match file.download_url.take() {
        Some(url) => Ok((file, url.expose().to_owned())),
        None => {
            let problem = ErrorKind::Download("the service returned no address for the download".to_owned());
            Err(Error::new(problem, Outcome::Rejected).with_call(CallInfo::new(&DOWNLOAD, Safety::Safe), 0))
        }
    }
}
