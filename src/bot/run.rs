//! A durable bot's run: reading, handling and posting, side by side.

use super::context::DurableContext;
use super::handle::Counts;
use super::incoming::Incoming;
use super::listener::Shared;
use super::notice::{Notice, Summary};
use super::settings::{DurableBot, REPLIES};
use super::source::{Source, What};
use crate::Error;
use crate::outbox::work::{Queue, STORE_WAIT, first};
use crate::outbox::{Commit, NewEntry, Note, OUTBOX, Phase};
use futures::future::{BoxFuture, Either, join, pending};
use futures::{FutureExt, StreamExt};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::watch;

/// How often the place of a source is stored while nothing is posted.
const PLACE: Duration = Duration::from_secs(1);

/// How many messages are stored at once.
const BATCH: usize = 100;

/// After a minute this often: nothing is lost if the place is older, but for a room of which nothing is known yet.
const PLACE_LATER: Duration = Duration::from_secs(30);
const FIRST_MINUTE: Duration = Duration::from_secs(60);

/// How often what is done is removed.
const CLEANING: Duration = Duration::from_secs(10 * 60);

impl DurableBot {
    /// Reads the source, handles what is stored, also by earlier runs and by [inboxes](Self::inbox), and posts the replies, until
    /// the bot is [shut down](Self::shutdown).
    ///
    /// Handlers run within this future: they may borrow, and are dropped with it. They wait concurrently, but compute one after
    /// the other; run long computations on another thread. The future may be dropped at any time, as the process may be killed.
    ///
    /// # Errors
    /// The bot's account is not set and `GET /me` fails, the store fails or belongs to a bot of another account, or the source is of
    /// another service or would use up more units than there are. Nothing is lost; webhooks are still stored. Later failures are reported.
    pub async fn run<H, E>(mut self, source: impl Into<Source>, handler: H) -> Result<Summary, Error>
    where
        H: AsyncFn(DurableContext) -> Result<(), E>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let shutdown = std::mem::replace(
            self.shutdown.get_mut().unwrap_or_else(PoisonError::into_inner),
            pending().boxed(),
        );
        let (stop, stopped) = watch::channel(false);
        let counts = Counts::default();
        let running = self.run_until(stopped, source.into(), &handler, &counts);
        let ended = async {
            shutdown.await;
            let _ = stop.send(true);
            match self.shutdown_timeout {
                Some(time) => self.shared.listener.clock().sleep(time).await,
                None => pending().await,
            }
        };
        match first(running, ended).await {
            Either::Left(Err(error)) => Err(error),
            Either::Left(Ok(())) | Either::Right(()) => Ok(counts.summary()),
        }
    }

    async fn run_until<H, E>(
        &self,
        stopped: watch::Receiver<bool>,
        source: Source,
        handler: &H,
        counts: &Counts,
    ) -> Result<(), Error>
    where
        H: AsyncFn(DurableContext) -> Result<(), E>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Shared { listener, outbox, added } = &*self.shared;
        let reading = match first(until(stopped.clone()), self.start(source)).await {
            Either::Left(()) => return Ok(()),
            Either::Right(reading) => reading?,
        };
        let (store, clock, concurrency) = (outbox.store(), &**listener.clock(), self.concurrency);
        let queue = Queue { store, clock, name: listener.queue(), added, concurrency };
        let (handled, all_handled) = watch::channel(false);
        let handling = async {
            queue
                .run(until(stopped.clone()), |entry, claim| self.handle(*entry, claim, handler, counts))
                .await;
            let _ = handled.send(true);
        };
        let (posted, all_posted) = watch::channel(false);
        let posting = async {
            outbox.run(until(all_handled)).await;
            let _ = posted.send(true);
        };
        let working = join(handling, posting);
        let reporting = first(until(all_posted), self.report_replies());
        let beside =
            join(first(until(stopped.clone()), reading), first(until(stopped.clone()), self.clean()));
        join(working, join(beside, reporting)).await;
        Ok(())
    }

    /// Finds out what has to be known, and begins to read the source.
    async fn start(&self, source: Source) -> Result<BoxFuture<'_, ()>, Error> {
        let Shared { listener, .. } = &*self.shared;
        self.check_owner(listener.start().await?).await?;
        let place = format!("{}/place/{}", listener.queue(), source.name);
        match source.what {
            What::Nothing => Ok(pending().boxed()),
            #[cfg(feature = "chatwork")]
            What::Watch(watch) => self.watch(*watch, place).await,
            #[cfg(feature = "tascha")]
            What::Poll(poll) => self.poll(poll, place).await,
        }
    }

    /// Refuses the store of another bot: the two would answer each other's messages.
    async fn check_owner(&self, me: String) -> Result<(), Error> {
        let Shared { listener, outbox, .. } = &*self.shared;
        let key = format!("{}/owner", listener.queue());
        let read = || async { outbox.store().note(&key).await.map_err(Error::store) };
        if read().await?.is_none() {
            let commit = Commit::new(vec![Note::new(key.clone(), me.clone())], Vec::new());
            outbox.store().commit(commit).await.map_err(Error::store)?;
        }
        // Another bot may have written at the same time.
        match read().await? {
            None => Ok(()),
            Some(owner) if owner == me => Ok(()),
            Some(owner) => Err(Error::config(format!(
                "the store belongs to the bot of {owner}, and this one is of {me}: give it a store of its own"
            ))),
        }
    }

    #[cfg(feature = "chatwork")]
    async fn watch(
        &self,
        watch: crate::chatwork::watch::Builder,
        place: String,
    ) -> Result<BoxFuture<'_, ()>, Error> {
        let Shared { listener, .. } = &*self.shared;
        if listener.queue() != "bot-chatwork" {
            return Err(Error::config("a watch of Chatwork is no source of a bot of TAS-CHA"));
        }
        let saved = self.place::<crate::chatwork::watch::WatchCheckpoint>(&place).await?;
        let mut watch = match saved.clone() {
            Some(saved) => watch.from_checkpoint(saved),
            None => watch,
        }
        .stream();
        Ok(async move {
            let (mut stored, began) = (saved, listener.clock().now());
            let mut stored_at = began;
            loop {
                let event = first(watch.next(), listener.clock().sleep_elsewhere(PLACE)).await;
                let mut events = match event {
                    Either::Left(event) => Vec::from_iter(event),
                    Either::Right(()) => Vec::new(),
                };
                while events.len() < BATCH
                    && let Some(Some(event)) = watch.next().now_or_never()
                {
                    events.push(event);
                }
                let inputs = events.into_iter().map(|event| Incoming::Chatwork(event.into()));
                let entries: Vec<_> =
                    inputs.filter_map(|input| listener.entry(input).ok().flatten()).collect();
                let checkpoint = watch.checkpoint();
                let now = listener.clock().now();
                let is_due = now.saturating_duration_since(began) < FIRST_MINUTE
                    || now.saturating_duration_since(stored_at) >= PLACE_LATER;
                if entries.is_empty() && (!is_due || stored.as_ref() == Some(&checkpoint)) {
                    continue;
                }
                stored_at = now;
                let text = serde_json::to_string(&checkpoint).expect("a checkpoint is valid JSON");
                self.store(Note::new(place.clone(), text), entries).await;
                stored = Some(checkpoint);
            }
        }
        .boxed())
    }

    /// Where a source was left by an earlier run.
    pub(super) async fn place<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let Some(text) = self.shared.outbox.store().note(key).await.map_err(Error::store)? else {
            return Ok(None);
        };
        let read = serde_json::from_str(&text);
        read.map(Some)
            .map_err(|error| Error::store(format!("the stored place {key} does not read: {error}").into()))
    }

    /// Stores messages and the place behind them, however long it takes.
    pub(super) async fn store(&self, place: Note, entries: Vec<NewEntry>) {
        let Shared { listener, outbox, added } = &*self.shared;
        let has_news = !entries.is_empty();
        let commit = Commit::new(vec![place], entries);
        while let Err(error) = outbox.store().commit(commit.clone()).await {
            tracing::warn!(%error, "messages cannot be stored, and the source waits; the store is asked again");
            listener.clock().sleep(STORE_WAIT).await;
        }
        if has_news {
            added.notify_one();
        }
    }

    /// Reports what was not posted.
    async fn report_replies(&self) {
        let Shared { listener, outbox, .. } = &*self.shared;
        let own = format!("{}:", listener.queue());
        let mut outcomes = Box::pin(outbox.outcomes());
        while let Some(status) = outcomes.next().await {
            let is_bad = matches!(status.phase, Phase::Rejected | Phase::Uncertain | Phase::Doubled);
            if is_bad && status.key.starts_with(&own) {
                (self.on_notice)(Notice::Reply(status));
            }
        }
    }

    /// Removes what is done, again and again.
    async fn clean(&self) {
        let Shared { listener, outbox, .. } = &*self.shared;
        let (store, queue) = (outbox.store(), listener.queue());
        loop {
            let cleaned = async {
                store.blank(queue, Duration::ZERO).await?;
                store.forget(queue, self.remember).await?;
                if self.owns_outbox {
                    store.blank(OUTBOX, REPLIES).await?;
                    store.forget(OUTBOX, self.remember).await?;
                }
                Ok::<_, crate::StoreError>(())
            };
            if let Err(error) = cleaned.await {
                tracing::warn!(%error, "what is done cannot be removed from the store of the bot; it is tried again");
            }
            listener.clock().sleep_elsewhere(CLEANING).await;
        }
    }
}

/// Ends when the channel says so, or is gone.
async fn until(mut flag: watch::Receiver<bool>) {
    let _ = flag.wait_for(|flag| *flag).await;
}
