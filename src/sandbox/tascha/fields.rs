//! Reads the fields of a JSON body and checks their bounds.

use super::error::Failure;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The fields of one body. Problems are collected, so that one answer names them all.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    problems: BTreeMap<&'static str, String>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(body: &'a Value) -> Result<Self, Failure> {
        match body {
            Value::Object(object) => Ok(Self { object, problems: BTreeMap::new() }),
            _ => Err(Failure::invalid("body", "must be a JSON object")),
        }
    }

    /// A text of `min` to `max` characters, if it is there.
    pub(super) fn text(&mut self, name: &'static str, min: usize, max: usize) -> Option<String> {
        match self.object.get(name)? {
            Value::String(text) if (min..=max).contains(&text.chars().count()) => Some(text.clone()),
            Value::String(_) if min > 0 => {
                self.problem(name, &format!("must have {min} to {max} characters"))
            }
            Value::String(_) => self.problem(name, &format!("must have at most {max} characters")),
            _ => self.problem(name, "must be a string"),
        }
    }

    pub(super) fn required_text(&mut self, name: &'static str, min: usize, max: usize) -> String {
        if !self.object.contains_key(name) {
            return self.problem(name, "is required").unwrap_or_default();
        }
        self.text(name, min, max).unwrap_or_default()
    }

    pub(super) fn one_of(&mut self, name: &'static str, values: &[&str]) -> Option<String> {
        match self.object.get(name)?.as_str() {
            Some(text) if values.contains(&text) => Some(text.to_owned()),
            _ => self.problem(name, &format!("must be one of {}", values.join(", "))),
        }
    }

    pub(super) fn integer(&mut self, name: &'static str) -> Option<i64> {
        match self.object.get(name)?.as_i64() {
            Some(number) => Some(number),
            None => self.problem(name, "must be an integer"),
        }
    }

    pub(super) fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        match self.object.get(name)?.as_str().map(str::parse) {
            Some(Ok(at)) => Some(at),
            _ => self.problem(name, "must be an RFC 3339 time"),
        }
    }

    /// The outer `None` is for an absent field, the inner one for null.
    pub(super) fn nullable_time(&mut self, name: &'static str) -> Option<Option<Timestamp>> {
        match self.object.get(name)? {
            Value::Null => Some(None),
            _ => self.time(name).map(Some),
        }
    }

    pub(super) fn check(self) -> Result<(), Failure> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.problems.keys().copied().collect();
        let message = format!("These fields are not valid: {}.", names.join(", "));
        Err(Failure::new(StatusCode::BAD_REQUEST, "validation_error", message)
            .details(json!({ "fields": self.problems })))
    }

    fn problem<T>(&mut self, name: &'static str, reason: &str) -> Option<T> {
        self.problems.insert(name, reason.to_owned());
        None
    }
}
