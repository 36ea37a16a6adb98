//! How values travel: what is read of an answer, and how a parameter is written.

mod decode;
mod encode;
mod ids;
mod open_enum;
mod secret;
mod times;

pub use decode::DecodeFailure;
pub(crate) use decode::{decode, decode_object, empty_array_as_none, null_as_default};
pub use encode::{Flag, Nullable};
pub(crate) use encode::{comma_list, encode_path};
pub(crate) use ids::{integer_id, lenient_integer, text_id, text_or_number};
pub(crate) use open_enum::open_enum;
pub use secret::Secret;
pub(crate) use times::{date_time, format_local_time, in_zone, japan, local_time, unix_time};
