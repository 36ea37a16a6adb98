//! Why a store failed.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// Why a store beyond the process, such as a database, did not do what it was asked.
///
/// Its text is shown in errors and in events of `tracing`, and so are the texts of its sources. They must not hold a
/// credential, as the URL of a database does.
///
/// ```
/// use kaiwa::StoreError;
/// use std::error::Error;
///
/// let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
/// let error = StoreError::with_source("the store cannot be reached", refused);
/// assert_eq!(error.to_string(), "the store cannot be reached");
/// assert!(error.source().is_some());
/// ```
pub struct StoreError {
    text: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error with this text.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), source: None }
    }

    /// An error with this text, and the error behind it.
    pub fn with_source(
        text: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { text: text.into(), source: Some(source.into()) }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("StoreError");
        debug.field(&self.text);
        if let Some(source) = &self.source {
            // Its own `Debug` could hold more than its text, such as the URL of the store.
            debug.field(&source.to_string());
        }
        debug.finish()
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
