//! Decoding of responses, and encoding of parameters.
//!
//! All input is read here, by one set of rules: responses, the items of lists, webhooks, error bodies and the responses of token
//! endpoints. [`decode`](decode()) is for a known shape: valid JSON is parsed once, and only a body that does not decode is
//! [repaired](repair) and parsed again. [`outline()`] is for an unreliable shape: it reads up to the end of the body, within a
//! budget.

mod decode;
mod encode;
mod ids;
mod json;
mod open_enum;
mod outline;
mod repair;
mod secret;
mod times;

pub use decode::DecodeFailure;
pub(crate) use decode::{
    decode, decode_object, empty_array_as_none, is_json, lenient_boolean, media_type, null_as_default,
    null_as_unknown, read, unknown, unread_coding,
};
pub use encode::{Flag, Nullable};
pub(crate) use encode::{comma_list, encode_path};
pub(crate) use ids::{integer_id, lenient_integer, text_id, text_or_number};
#[cfg(any(feature = "oauth", feature = "webhooks"))]
pub(crate) use json::members;
pub(crate) use json::without_mark;
pub(crate) use open_enum::open_enum;
pub(crate) use outline::{Budget, error_outline, outline};
pub use secret::Secret;
pub(crate) use times::{absolute_times, date_time, format_local_time, japan, local_time, unix_time};
#[cfg(feature = "webhooks")]
pub(crate) use times::{any_time, is_beyond, time};
