//! All 61 operations, called through the clients; their effects are checked in the sandbox.

mod chatwork;
mod lancers;
mod tascha;

use kaiwa::Operation;
use kaiwa::sandbox::{Provider, Sandbox};

/// Panics unless each operation of the table was sent and took effect.
fn all_driven(sandbox: &Sandbox, service: Provider, table: &[&Operation], count: usize) {
    assert_eq!(table.len(), count);
    let requests = sandbox.requests();
    let missing: Vec<&str> = table
        .iter()
        .filter(|operation| {
            !requests.iter().any(|request| {
                request.provider == service
                    && request.operation == Some(operation.id)
                    && request.method == operation.method
                    && request.applied
            })
        })
        .map(|operation| operation.id)
        .collect();
    assert!(missing.is_empty(), "{service:?} was not asked for {missing:?}");
}
