//! How errors format values.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

/// The text, shortened with an ellipsis if it is too long.
pub(super) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// A wait, rounded up to useful digits.
pub(super) struct Rounded(pub(super) Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_nanos().div_ceil(1_000_000);
        let millis = if millis < 10_000 { millis } else { millis.div_ceil(100) * 100 };
        write!(f, "{:?}", Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

/// A service's text for a log: without line breaks and escape sequences of terminals.
pub(super) struct OneLine<'a>(pub(super) &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.split(char::is_control).enumerate().try_for_each(|(index, part)| {
            f.write_str(if index > 0 && !part.is_empty() { " " } else { "" })?;
            f.write_str(part)
        })
    }
}

/// The last cause of a chain. The text of reqwest's own error is not used: it has the URL, whose query can hold what people
/// wrote.
pub(crate) struct Innermost<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Innermost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cause = self.0;
        while let Some(next) = cause.source() {
            cause = next;
        }
        if cause.is::<reqwest::Error>() { f.write_str("no cause was given") } else { write!(f, "{cause}") }
    }
}

/// An error and its causes. An I/O error does not return the error inside it as its source.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    fn next<'a>(error: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
        let error: &'a (dyn Error + 'static) = *error;
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
    }
    std::iter::successors(Some(error), next)
}
