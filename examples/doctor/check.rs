//! The checks, in the order in which a call depends on them.

use super::report::Report;
use super::services::{Answered, Patient, Service, granted};
use super::tunnel;
use kaiwa::jiff::fmt::rfc2822::DateTimeParser;
use kaiwa::jiff::{SignedDuration, Timestamp};
use kaiwa::{Error, ErrorKind, Proxy, RateLimit, chatwork};
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap};
use std::env;
use std::time::{Duration, Instant};

/// `Date` has whole seconds, and an answer takes time to arrive.
const EXACT: SignedDuration = SignedDuration::from_secs(5);
/// The deviation that services tolerate when they check a time: a minute is the strictest that is known.
const TOLERABLE: SignedDuration = SignedDuration::from_secs(60);

/// A call, and when it was made.
struct Call {
    result: Result<Answered, Error>,
    began: Timestamp,
    took: Duration,
}

pub async fn examine<C: Patient>(service: &Service, client: Result<C, Error>) -> Report {
    let secret = service.variables.as_ref().and_then(|variables| variables.secret.as_deref());
    let mut report = Report::new(service.name, secret);
    let proxy = Proxy::from_env(&service.base_url);
    let refused = client.as_ref().err().map(|error| error.kind().to_string());

    let call = match &client {
        Ok(client) => {
            let (began, start) = (Timestamp::now(), Instant::now());
            let result = client.call().await;
            Some(Call { result, began, took: start.elapsed() })
        }
        Err(_) => None,
    };
    let result = call.as_ref().map(|call| &call.result);
    token::<C>(&mut report, service, refused.as_deref(), result);
    base_url(&mut report, service, refused.as_deref());
    let todo = self::proxy(&mut report, service, &proxy, result).await;
    certificates(&mut report, service, &proxy, refused.as_deref(), result);
    match &call {
        Some(call) => {
            connection(&mut report, call, todo);
            clock(&mut report, call);
            limits(&mut report, &call.result);
        }
        None => report.note("connection", "not tried, since no client could be built"),
    }
    if let (Ok(client), Some(result)) = (&client, result) {
        match result {
            Ok(_) => report.well("scopes", client.scopes().await),
            Err(error) => match granted(error) {
                Some(scopes) => report.wrong(
                    "scopes",
                    format!("{scopes} (all of them)"),
                    "Issue a credential that also has the scope in the error.",
                ),
                None => report.note("scopes", "not known, since the call failed"),
            },
        }
    }
    report
}

fn token<C: Patient>(
    report: &mut Report,
    service: &Service,
    refused: Option<&str>,
    result: Option<&Result<Answered, Error>>,
) {
    let label = "token";
    let Some(variables) = &service.variables else {
        match result {
            Some(Ok(answered)) => {
                return report.well(label, format!("the sandbox's; accepted: {}", answered.who));
            }
            _ => return report.note(label, "the sandbox's"),
        }
    };
    let name = &variables.credential;
    // The builder's error about the variable is about the credential.
    if let Some(problem) = refused.filter(|problem| problem.contains(&format!("variable {name}"))) {
        return report.wrong(
            label,
            problem,
            format!("Correct {name}: the credential alone, on one line, without quotes."),
        );
    }
    let length = variables.secret.as_deref().unwrap_or_default().chars().count();
    let present = format!("in {name}, {length} characters");
    let oddity = variables.secret.as_deref().and_then(C::oddity);
    match result {
        Some(Ok(answered)) => report.well(label, format!("{present}; accepted: {}", answered.who)),
        Some(Err(error)) if error.status() == Some(StatusCode::UNAUTHORIZED) => {
            let (odd, todo) = oddity.unwrap_or((
                "it may be revoked, expired, or from another system",
                "Issue another one, and check that it belongs to this base URL.",
            ));
            report.wrong(label, format!("{present}; refused: {odd}"), todo);
        }
        _ => match oddity {
            Some((odd, todo)) => report.wrong(label, format!("{present}; {odd}"), todo),
            None => report.note(label, format!("{present}; well formed; not known whether it is accepted")),
        },
    }
}

fn base_url(report: &mut Report, service: &Service, refused: Option<&str>) {
    let label = "base URL";
    // The URL can contain a password; only its origin and path are shown.
    let url = reqwest::Url::parse(&service.base_url).map_or_else(
        |_| "not a URL".to_owned(),
        |url| format!("{}{}", url.origin().ascii_serialization(), url.path()),
    );
    let Some(variables) = &service.variables else {
        return report.well(label, format!("{url} (the sandbox)"));
    };
    let name = &variables.base_url;
    match refused.filter(|problem| problem.contains(&format!("variable {name}"))) {
        Some(problem) => report.wrong(label, problem, format!("Correct {name}, or remove it.")),
        None if variables.is_elsewhere => report.well(label, format!("{url} (from {name})")),
        None => report.well(label, format!("{url} (the default; {name} is not set)")),
    }
}

/// Returns what to do about the proxy, if it is the cause.
async fn proxy(
    report: &mut Report,
    service: &Service,
    proxy: &Result<Option<Proxy>, Error>,
    result: Option<&Result<Answered, Error>>,
) -> Option<String> {
    let label = "proxy";
    match proxy {
        Err(error) if error.to_string().contains("base URL") => {
            report.note(label, "not known, since the base URL is not usable");
        }
        Err(error) => {
            report.wrong(label, error.kind(), "Correct the variable; until then no client can be built.")
        }
        Ok(None) => report.well(label, format!("none: {}", why_direct(&service.base_url))),
        Ok(Some(proxy)) => {
            let from = proxy.variable().unwrap_or("the system's settings");
            let user = if proxy.has_user() { "with a user name" } else { "without a user name" };
            let used = format!("{} {} from {from}, {user}", proxy.scheme(), proxy.address());
            let failed = result.and_then(|result| result.as_ref().err()).filter(|error| error.is_connect());
            let Some(error) = failed else {
                report.well(label, used);
                return None;
            };
            let answer = tunnel::answer(proxy, &service.base_url).await;
            match &answer {
                Some(line) => report.note(label, format!("{used}; asked again, it answers `{line}`")),
                None => report.note(label, used),
            }
            return Some(match answer.as_deref().and_then(|line| line.split(' ').nth(1)) {
                Some("200") => return None,
                Some("407") => format!("Give the proxy's user name and password in {from}, or correct them."),
                Some("403") => "Ask the operator of the proxy to allow the service's host.".to_owned(),
                Some("502" | "503" | "504") => {
                    "The proxy cannot reach the service: ask its operator, or try again later.".to_owned()
                }
                Some(_) => format!("Check that {from} names a proxy: the server there does not act as one."),
                None if error.to_string().contains("SOCKS") => return None,
                None => format!("Start the proxy, or correct or remove {from}."),
            });
        }
    }
    None
}

fn why_direct(base_url: &str) -> &'static str {
    let set =
        |names: [&str; 2]| names.iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    if base_url.starts_with("http://") {
        "plain http is used for loopback only, which needs no proxy"
    } else if set(["HTTPS_PROXY", "https_proxy"]) || set(["ALL_PROXY", "all_proxy"]) {
        "a variable names one, but NO_PROXY excludes this host"
    } else if set(["HTTP_PROXY", "http_proxy"]) {
        "HTTP_PROXY is not for https; set HTTPS_PROXY if one is needed"
    } else {
        "none is set"
    }
}

fn certificates(
    report: &mut Report,
    service: &Service,
    proxy: &Result<Option<Proxy>, Error>,
    refused: Option<&str>,
    result: Option<&Result<Answered, Error>>,
) {
    let label = "certificates";
    if service.base_url.starts_with("http://") {
        return match refused {
            None => report.well(label, "none are needed for plain http on loopback"),
            Some(_) => report.note(label, "not checked: plain http needs none"),
        };
    }
    let source = source();
    let unusable = unusable_file();
    let is_missing = |problem: &str| problem.to_ascii_lowercase().contains("certificate");
    // Another problem came first: problems with certificates appear only when a client is built.
    let missing = match refused {
        Some(problem) if is_missing(problem) => Some(problem.to_owned()),
        Some(_) if proxy.is_ok() => {
            let built = chatwork::Client::builder().api_token("none").build();
            built.err().map(|error| error.kind().to_string()).filter(|problem| is_missing(problem))
        }
        _ => None,
    };
    let todo = "Install `ca-certificates` (on a slim image: apt-get or apk), or set SSL_CERT_FILE to a file with certificates (PEM).";
    match (missing, result) {
        (Some(problem), _) => {
            // The advice is replaced by the one above, which covers each way of setting certificates.
            let problem =
                unusable.as_deref().unwrap_or_else(|| problem.split(". Install").next().unwrap_or_default());
            report.wrong(label, format!("none read ({source}): {problem}"), todo);
        }
        (None, Some(Err(error))) if error.is_connect() && is_missing(&error.to_string()) => {
            report.note(label, format!("read from {source}, but the service's certificate is not accepted"));
        }
        (None, _) if refused.is_some() && proxy.is_err() => {
            report.note(label, "not checked, because of the proxy")
        }
        (None, _) => match unusable {
            None => report.well(label, format!("TLS can be set up with the certificates from {source}")),
            Some(problem) => report.note(label, format!("TLS can be set up, but {problem}")),
        },
    }
}

/// What is wrong with the file in `SSL_CERT_FILE`, which the TLS library skips in silence if another source has certificates.
fn unusable_file() -> Option<String> {
    let path = env::var_os("SSL_CERT_FILE")?;
    let problem = match std::fs::read(&path) {
        Err(error) => format!("cannot be read: {error}"),
        Ok(content) if !String::from_utf8_lossy(&content).contains("CERTIFICATE-----") => {
            "holds no certificate in PEM".to_owned()
        }
        Ok(_) => return None,
    };
    Some(format!("SSL_CERT_FILE ({}) {problem}", path.to_string_lossy()))
}

/// The source of the certificates.
fn source() -> String {
    let named = |name: &str| {
        let path = env::var_os(name)?;
        Some(format!("{name} ({})", path.to_string_lossy()))
    };
    let named: Vec<String> = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter_map(named).collect();
    if named.is_empty() { "the system".to_owned() } else { named.join(" and ") }
}

fn connection(report: &mut Report, call: &Call, todo: Option<String>) {
    let label = "connection";
    match &call.result {
        Ok(answered) => {
            report.well(label, format!("{} was answered in {} ms", answered.call, call.took.as_millis()))
        }
        Err(error) => {
            let text = error.to_string();
            let todo = match (error.kind(), error.status().map(|status| status.as_u16())) {
                (_, Some(401)) => "See the token above.",
                (_, Some(403)) => "See the scopes below; a firewall may also answer like this.",
                (_, Some(404)) => "Check the base URL: it must end with the version of the API.",
                (_, Some(429)) => "Wait, and find out which other program uses this credential.",
                (_, Some(500..)) => "The service has failed: try again later.",
                (ErrorKind::Connect(_), _) if todo.is_some() => todo.as_deref().unwrap_or_default(),
                (ErrorKind::Connect(_), _)
                    if ["certificate", "SOCKS"].iter().any(|word| text.contains(word)) =>
                {
                    "Follow the advice in the error."
                }
                (ErrorKind::Connect(_), _) => {
                    "Check the network and the base URL, and whether a proxy is needed here (HTTPS_PROXY)."
                }
                (ErrorKind::Timeout(_), _) => {
                    "No answer came back: ask your network's operator about firewalls and proxies."
                }
                (ErrorKind::Foreign { .. }, _) => {
                    "The answer is not from the service: check for a proxy, a login page, or a wrong base URL."
                }
                _ => "Follow the advice in the error. If you ask for help, include this report.",
            };
            report.wrong(label, error, todo);
        }
    }
}

fn clock(report: &mut Report, call: &Call) {
    let label = "clock";
    let headers = match &call.result {
        Ok(answered) => &answered.headers,
        Err(error) => error.headers(),
    };
    let now = format!("{:.0}", call.began);
    let text = call.result.as_ref().err().map(Error::to_string).unwrap_or_default();
    if text.contains("Check the clock of this machine") {
        let text = format!("{now} here, a time at which the certificate of the service is not valid");
        return report.wrong(label, text, "If that time is wrong, set this machine's clock with NTP.");
    }
    let Some(date) = date(headers) else {
        return report.note(label, format!("not compared: {now} here, and no answer had a `Date`"));
    };
    let half = SignedDuration::try_from(call.took / 2).unwrap_or_default();
    let middle = call.began.checked_add(half).unwrap_or(call.began);
    // `Date` has no fraction of a second, which is half a second on average.
    let offset = middle.duration_since(date) - SignedDuration::from_millis(500);
    let ahead = if offset.is_negative() { "behind" } else { "ahead of" };
    let text = format!("{} s {ahead} the service's", offset.abs().as_secs());
    if offset.abs() <= EXACT {
        report.well(label, format!("{text}, within the precision of its `Date`"));
    } else if offset.abs() <= TOLERABLE {
        report.note(label, format!("{text}: use NTP"));
    } else {
        let todo = "Set this machine's clock with NTP: certificates, webhooks and tokens depend on it.";
        report.wrong(label, text, todo);
    }
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(headers.get(DATE)?.to_str().ok()?).ok()
}

fn limits(report: &mut Report, result: &Result<Answered, Error>) {
    let label = "limits";
    let now = Timestamp::now();
    let limit = match result {
        Ok(answered) => RateLimit::from_headers(&answered.headers, now),
        Err(error) => error.rate_limit().cloned(),
    };
    let Some(limit) = limit else {
        let is_answered = result.as_ref().map_or_else(|error| error.status().is_some(), |_| true);
        let text = if is_answered {
            "the service reported no limits"
        } else {
            "not known, since there was no answer"
        };
        return report.note(label, text);
    };
    let mut parts = Vec::new();
    if let (Some(remaining), Some(all)) = (limit.remaining, limit.limit) {
        parts.push(format!("{remaining} of {all} calls left"));
    }
    if let Some(after) = limit.reset_after {
        parts.push(format!("a new window in {} s", after.as_secs()));
    }
    if let Some(wait) = limit.retry_after {
        parts.push(format!("the service asks to wait {} s", wait.as_secs()));
    }
    if !parts.is_empty() {
        match limit.remaining {
            Some(0) => {
                report.wrong(label, parts.join(", "), "Wait; `Pace` keeps a client within the limits.")
            }
            _ => report.well(label, parts.join(", ")),
        }
    }
    let Some(units) = limit.units else { return };
    let (left, all) = (units.remaining, units.limit);
    let number = |value: Option<u64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
    let reset = units
        .reset
        .map(|reset| format!(", until they reset on {}", reset.strftime("%F")))
        .unwrap_or_default();
    let text = format!("{} of {} API units left this month{reset}", number(left), number(all));
    match left {
        Some(0) => report.wrong("units", text, "Wait for the next month, or raise the plan."),
        _ => report.well("units", text),
    }
}
