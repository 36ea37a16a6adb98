//! Faults that a person switches on with a click.

use super::requests::service;
use crate::sandbox::fault::{Fault, Faults, Script};
use crate::sandbox::glance::Refused;
use crate::sandbox::provider::Provider;
use crate::sandbox::routes;
use serde_json::{Value, json};
use std::time::Duration;

/// The switches, in the order of the page. Each has a name, and two sentences there.
pub(super) const SWITCHES: &[&str] = &[
    "delay",
    "lost_answer",
    "lost_request",
    "late",
    "429",
    "500",
    "502",
    "page",
    "expired_token",
    "silence",
    "down",
    "cut",
    "not_json",
    "new_values",
];

fn fault(switch: &str) -> Option<Fault> {
    let seconds = Duration::from_secs;
    Some(match switch {
        "delay" => Fault::slow_headers(seconds(3)),
        "lost_answer" => Fault::reset().after(),
        "lost_request" => Fault::reset(),
        "late" => Fault::late(seconds(5)),
        "429" => Fault::too_many_requests(Some(seconds(5))),
        "500" => Fault::status(500),
        "502" => Fault::bad_gateway(),
        "page" => Fault::page(),
        "expired_token" => Fault::expired_token(),
        "silence" => Fault::silence(),
        "down" => Fault::refuse(seconds(5)),
        "cut" => Fault::short_body(),
        "not_json" => Fault::invalid_json(),
        "new_values" => Fault::unknown_values(),
        _ => return None,
    })
}

/// The switch of a fault; a program may have scripted others.
fn switch(scripted: &Fault) -> Option<&'static str> {
    SWITCHES.iter().copied().find(|switch| fault(switch).is_some_and(|fault| fault.is(scripted)))
}

/// Lets the next request meet a fault, or each from now on.
pub(super) fn arm(
    faults: &Faults,
    provider: Provider,
    operation: Option<&str>,
    switch: &str,
    always: bool,
) -> Result<(), Refused> {
    let fault = fault(switch).ok_or("no_fault")?;
    let known = operations(provider);
    let script = match operation {
        None => Script::any(),
        Some(operation) if known.contains(&operation) => Script::on(operation),
        Some(_) => return Err("no_operation"),
    };
    let script = script.then(fault);
    faults.script(provider, if always { script.forever() } else { script });
    Ok(())
}

/// The operations of a service that a fault may be for.
pub(super) fn operations(provider: Provider) -> Vec<&'static str> {
    routes::specified(provider).iter().map(|operation| operation.id).collect()
}

/// What the next requests will meet.
pub(super) fn armed(faults: &Faults, provider: Provider) -> Value {
    let (armed, chaos) = faults.armed(provider);
    let scripts: Vec<Value> = armed
        .into_iter()
        .map(|armed| {
            json!({
                "operation": armed.operation,
                "switch": armed.fault.as_ref().and_then(switch),
                "fault": armed.fault.map(|fault| fault.name()),
                // More than a person counts: until it is switched off.
                "left": (armed.left <= 1_000_000).then_some(armed.left),
            })
        })
        .collect();
    json!({ "service": service(provider), "scripts": scripts, "chaos": chaos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_switch_has_a_fault() {
        assert!(SWITCHES.iter().all(|switch| fault(switch).is_some()));
        assert!(fault("").is_none());
        let found = SWITCHES.iter().filter_map(|switch| fault(switch)).map(|fault| switch(&fault));
        assert!(found.eq(SWITCHES.iter().map(|switch| Some(*switch))));
        assert_eq!(switch(&Fault::slow_headers(Duration::from_secs(4))), None);
    }

    /// In both languages, by the names that the page gets.
    #[test]
    fn the_page_has_words_for_each() {
        let words = include_str!("page/words.js");
        let names = SWITCHES.iter().filter_map(|switch| fault(switch)).map(|fault| fault.name());
        for (name, value) in
            SWITCHES.iter().map(|switch| (*switch, "['")).chain(names.map(|name| (name, "'")))
        {
            assert!(words.matches(&format!("{name}: {value}")).count() >= 2, "{name}");
        }
    }
}
