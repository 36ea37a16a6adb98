//! Every kind of fault, at the moments at which it could occur at a real service.

use jiff::SignedDuration;
use kaiwa::sandbox::{Chaos, Fault};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Longer than an attempt may take.
const TOO_LONG: Duration = Duration::from_secs(60);

/// How often each other fault occurs for each time that the service goes down, which affects all calls in flight.
const RARELY: usize = 8;

/// Three requests in ten meet a fault.
///
/// It leaves out the false answers that no client can detect:
///
/// * a refusal after the effect: 3xx, 4xx, and 503 with `Retry-After`, which asks for another attempt;
/// * the service's own success before the effect. A truncated answer is one if the fault occurs before the effect.
pub fn chaos() -> Chaos {
    let often = [
        Fault::bad_gateway(),
        Fault::bad_gateway().after(),
        Fault::status(500).body("application/json", r#"{"detail":[{"loc":["body"],"msg":"boom"}]}"#),
        Fault::status(500).body("application/json", r#"["boom"]"#).after(),
        Fault::page(),
        Fault::page().after(),
        Fault::status(200).body("application/json", r#"{"errors":["You don't have permission"]}"#),
        Fault::status(200).body("application/json", r#"{"errors":["You don't have permission"]}"#).after(),
        Fault::status(200).body("application/json", "{}").after(),
        Fault::status(200).body("text/plain", "The service is being maintained."),
        Fault::status(503).header("retry-after", "2").body("text/plain", "later"),
        Fault::status(503).after(),
        Fault::status(504).after(),
        Fault::status(401),
        Fault::status(408),
        Fault::status(404).body("application/json", r#"{"unexpected":true}"#),
        Fault::redirect("https://elsewhere.example/v2"),
        Fault::too_many_requests(None),
        Fault::too_many_requests(Some(SECOND)),
        Fault::expired_token(),
        Fault::reset(),
        Fault::reset().after(),
        Fault::close(),
        Fault::close().after(),
        Fault::silence(),
        Fault::silence().after(),
        Fault::reset_mid_body(),
        Fault::short_body(),
        Fault::stall(),
        Fault::endless(),
        Fault::slow_headers(5 * SECOND),
        Fault::slow_headers(5 * SECOND).before(),
        Fault::slow_headers(TOO_LONG),
        Fault::slow_headers(TOO_LONG).before(),
        Fault::trickle(SECOND),
        Fault::invalid_utf8(),
        Fault::invalid_json(),
        Fault::wrong_types(),
        Fault::unknown_values(),
        Fault::duplicate_headers(),
        Fault::wrong_clock(SignedDuration::from_hours(1)),
        Fault::wrong_clock(SignedDuration::from_hours(-1)),
    ];
    let rarely = [Fault::refuse(SECOND / 2), Fault::refuse(SECOND / 2).after()];
    let faults = std::iter::repeat_n(often, RARELY).flatten().chain(rarely);
    faults.fold(Chaos::new(0.3), Chaos::fault)
}

/// The kinds, by [`Fault::name`].
pub const KINDS: usize = 19;
