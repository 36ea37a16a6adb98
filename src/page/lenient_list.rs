//! A list as it is, but for the items that do not decode.

use super::lenient::{Lenient, UndecodableItem};
use super::list::{List, Paged, Rows};
use super::place::{ItemPosition, PageRequest, PageStart, PagingMode};
use crate::error::Error;
use crate::input::InvalidInput;
use crate::operation::{Operation, Safety};
use crate::request::{Endpoint, Request, State};
use crate::transport::{Encoder, Payload};
use crate::wire::{self, DecodeFailure};
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;

impl<E: List> Request<E>
where
    E::Item: serde::de::DeserializeOwned,
{
    /// The same list with the items set aside that do not decode, instead of an error for the first of them.
    ///
    /// Awaited, it answers with a [`Lenient`] list; as a stream, with a `Result` for each item.
    ///
    /// ```no_run
    /// # #[cfg(feature = "chatwork")]
    /// # async fn example(chatwork: kaiwa::chatwork::Client) -> Result<(), kaiwa::Error> {
    /// let rooms = chatwork.rooms().lenient().await?;
    /// for rejected in &rooms.undecodable {
    ///     eprintln!("left out: {rejected}");
    /// }
    /// for room in &rooms.items {
    ///     println!("{}", room.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn lenient(self) -> Request<LenientList<E>> {
        self.with_endpoint(LenientList)
    }
}

/// A list with the items set aside that do not decode: what [`Request::lenient`] makes of an operation.
#[derive(Clone, Debug)]
pub struct LenientList<E>(pub(super) E);

impl<E: List> Endpoint for LenientList<E>
where
    E::Item: DeserializeOwned,
{
    type Service = E::Service;
    type Output = Lenient<E::Item>;

    fn operation(&self) -> &'static Operation {
        self.0.operation()
    }

    fn safety(&self) -> Safety {
        self.0.safety()
    }

    fn room(&self) -> Option<u64> {
        self.0.room()
    }

    fn decode(&self, body: &[u8]) -> Result<Self::Output, DecodeFailure> {
        wire::decode(body)
    }

    fn check(&self) -> Result<(), InvalidInput> {
        self.0.check()
    }

    fn encode(&self, to: &Encoder<'_>) -> Result<Payload, InvalidInput> {
        self.0.encode(to)
    }
}

impl<E: List> List for LenientList<E>
where
    E::Item: DeserializeOwned,
{
    type Item = Result<E::Item, UndecodableItem>;

    fn rows(output: Self::Output) -> Rows<Self::Item> {
        output.into_rows()
    }
}

impl<E: Paged> Paged for LenientList<E>
where
    E::Item: DeserializeOwned,
{
    fn mode(&self) -> PagingMode {
        self.0.mode()
    }

    fn position(&self, item: &Self::Item) -> ItemPosition {
        match item {
            Ok(item) => self.0.position(item),
            // Without a value, only the digest distinguishes it.
            Err(rejected) if rejected.problem.is_empty() => {
                ItemPosition::new(Some(format!("#{:016x}", rejected.digest)), None)
            }
            Err(rejected) => ItemPosition::of_raw(self.0.mode(), &rejected.value),
        }
    }

    fn seek(
        &mut self,
        place: &PageStart,
        doublings: u32,
        state: &State<Self>,
    ) -> Result<PageRequest, InvalidInput> {
        self.0.seek(place, doublings, state)
    }

    fn follow(
        request: &Request<Self>,
        last: &ItemPosition,
    ) -> BoxFuture<'static, Result<Option<PageStart>, Error>> {
        E::follow(&request.clone().with_endpoint(|list| list.0), last)
    }
}
