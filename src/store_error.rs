//! Why a store failed.

/// Why a store of the user's choice failed: one for tokens, for budgets or for webhooks.
///
/// Its text is shown in errors and in events of `tracing`, and so are the texts of its sources. They must not hold a
/// credential, as the URL of a database does.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;
