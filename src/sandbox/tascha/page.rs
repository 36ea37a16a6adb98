//! Pages of lists.
//!
//! Lists are in the order of creation and nothing is ever taken out of them, so a cursor is a position, and new items
//! come after it.

use super::error::Failure;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// How the last page says that it is the last one, which the reference does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndOfList {
    /// `"nextCursor": null`.
    #[default]
    Null,
    /// No `nextCursor`.
    Absent,
    /// `"nextCursor": ""`.
    Empty,
}

#[derive(Clone, Debug)]
pub(super) struct Paging {
    pub(super) default: usize,
    pub(super) cap: usize,
    pub(super) end: EndOfList,
}

impl Default for Paging {
    fn default() -> Self {
        Self { default: 50, cap: 200, end: EndOfList::Null }
    }
}

/// `limit` and `cursor` of a request.
#[derive(Debug)]
pub(super) struct PageQuery {
    paging: Paging,
    limit: Option<String>,
    cursor: Option<String>,
}

impl PageQuery {
    /// A parameter that is empty is one that is not there.
    pub(super) fn parse(query: &str, paging: Paging) -> Self {
        let mut parsed = Self { paging, limit: None, cursor: None };
        for (name, value) in
            url::form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty())
        {
            match &*name {
                "limit" => parsed.limit = Some(value.into_owned()),
                "cursor" => parsed.cursor = Some(value.into_owned()),
                _ => {}
            }
        }
        parsed
    }

    /// The page of `items` asked for. `list` names the list, so that a cursor of another one is noticed.
    pub(super) fn page<T>(
        &self,
        list: &str,
        items: &[T],
        visible: impl Fn(&T) -> bool,
        wire: impl Fn(&T) -> Value,
    ) -> Result<Value, Failure> {
        let limit = self.limit()?;
        let start = self.start(list, items.len())?;
        let mut rest = items.iter().enumerate().skip(start).filter(|(_, item)| visible(item));
        let data: Vec<Value> = rest.by_ref().take(limit).map(|(_, item)| wire(item)).collect();
        let mut page = json!({ "data": data });
        match (rest.next(), self.paging.end) {
            (Some((position, _)), _) => page["nextCursor"] = encode(list, position).into(),
            (None, EndOfList::Null) => page["nextCursor"] = Value::Null,
            (None, EndOfList::Empty) => page["nextCursor"] = "".into(),
            (None, EndOfList::Absent) => {}
        }
        Ok(page)
    }

    /// A limit above the list's own cap is lowered to it; above the schema's 200 it is refused.
    fn limit(&self) -> Result<usize, Failure> {
        match &self.limit {
            None => Ok(self.paging.default.min(self.paging.cap)),
            Some(text) => match text.parse::<usize>() {
                Ok(limit @ 1..=200) => Ok(limit.min(self.paging.cap)),
                _ => Err(Failure::invalid("limit", "must be an integer from 1 to 200")),
            },
        }
    }

    fn start(&self, list: &str, len: usize) -> Result<usize, Failure> {
        let Some(cursor) = &self.cursor else { return Ok(0) };
        decode(cursor, list).filter(|position| *position < len).ok_or_else(|| {
            Failure::new(StatusCode::BAD_REQUEST, "invalid_cursor", "The cursor is not one of this list.")
                .details(json!({ "fields": { "cursor": "must be the nextCursor of a page of this list" } }))
        })
    }
}

fn encode(list: &str, position: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}#{position}"))
}

fn decode(cursor: &str, list: &str) -> Option<usize> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (of, position) = text.rsplit_once('#')?;
    if of == list { position.parse().ok() } else { None }
}
