//! Sends every `GET` of a service, and compares the answers with the specification.

use super::ids::{Binding, Ids};
use super::report::{Checked, Report, Verdict};
use super::schema::{Comparison, Spec, word};
use kaiwa::sandbox::Provider;
use kaiwa::{Error, Method, Raw, Request, chatwork, lancers, tascha};
use reqwest::header::HeaderMap;
use serde_json::Value;

/// How many items are requested from a list with a `limit`; some lists return one by default.
const ITEMS: u64 = 20;

/// A path that no service has.
const NOWHERE: &str = "/kaiwa-contract-check-no-such-path";

/// Headers that the library reads whether they are specified or not; see `kaiwa::RateLimit`.
const READ_HEADERS: [&str; 8] = [
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "ratelimit",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
];

/// Prefixes of the names of headers that the services define, or that report limits.
const FAMILIES: [&str; 8] = [
    "x-ratelimit",
    "ratelimit",
    "tascha-",
    "x-tascha-",
    "chatwork-",
    "x-chatwork-",
    "lancers-",
    "x-lancers-",
];

/// Parts of the names of headers that matter to a client.
const TELLING: [&str; 6] = ["limit", "quota", "units", "deprecat", "sunset", "retry"];

/// After so many operations in a row without an answer, the others are not tried.
const SILENT: usize = 3;

/// A client of one of the services.
pub enum Client {
    Chatwork(chatwork::Client),
    Tascha(tascha::Client),
    Lancers(lancers::Client),
}

impl Client {
    pub fn service(&self) -> Provider {
        match self {
            Self::Chatwork(_) => Provider::Chatwork,
            Self::Tascha(_) => Provider::Tascha,
            Self::Lancers(_) => Provider::Lancers,
        }
    }

    /// The only function that sends anything. It makes a raw request, so the answer can be examined before the library
    /// interprets it. The limits and retries of the client apply.
    async fn get(&self, path: &str, query: &[(String, String)]) -> Result<Answer, String> {
        match self {
            Self::Chatwork(client) => Answer::to(client.request(Method::GET, path), query).await,
            Self::Tascha(client) => Answer::to(client.request(Method::GET, path), query).await,
            Self::Lancers(client) => Answer::to(client.request(Method::GET, path), query).await,
        }
    }
}

/// An answer of any status.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// The answer, or the reason why there is none.
    async fn to<S: kaiwa::Service>(
        request: Request<Raw<S>>,
        query: &[(String, String)],
    ) -> Result<Self, String> {
        let request = query.iter().fold(request, |request, (name, value)| request.query(name, value));
        match request.await {
            Ok(response) => Ok(Self {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                body: response.body().to_vec(),
            }),
            Err(error) => match error.status() {
                Some(status) if error.is_decode() || !status.is_success() => Ok(Self {
                    status: status.as_u16(),
                    headers: error.headers().clone(),
                    body: error.body().to_vec(),
                }),
                _ => Err(unanswered(&error)),
            },
        }
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    fn media_type(&self) -> Option<&str> {
        self.headers.get("content-type")?.to_str().ok()?.split(';').next()
    }

    /// The form of a 404: the answer without the path and the request that it repeats.
    fn manner(&self, path: &str) -> (u16, Option<&str>, String) {
        let text = String::from_utf8_lossy(&self.body).replace(path, "");
        let json = serde_json::from_str::<Value>(&text).map(|mut json| {
            for pointer in ["/error", ""] {
                if let Some(Value::Object(fields)) = json.pointer_mut(pointer) {
                    fields.retain(|name, _| !name.to_ascii_lowercase().contains("request"));
                }
            }
            json.to_string()
        });
        (self.status, self.media_type(), json.unwrap_or(text))
    }
}

/// The error's own text can quote the service.
fn unanswered(error: &Error) -> String {
    let why = match () {
        () if error.is_timeout() => "no answer in time",
        () if error.is_connect() => "could not connect",
        () => "no complete answer came",
    };
    why.to_owned()
}

/// One operation of the specification.
struct Operation<'a> {
    path: &'a str,
    specified: &'a Value,
}

impl<'a> Operation<'a> {
    /// All `GET`s, those without ids first, so that their answers can be had for the others.
    fn all(spec: &'a Spec) -> Vec<Self> {
        let gets =
            spec.paths().iter().filter_map(|(path, item)| Some(Self { path, specified: item.get("get")? }));
        let mut gets: Vec<Self> = gets.collect();
        gets.sort_by_key(|operation| operation.ids().len());
        gets
    }

    fn id(&self) -> &'a str {
        self.specified["operationId"].as_str().unwrap_or_default()
    }

    /// The parameters in its path, in their order.
    fn ids(&self) -> Vec<String> {
        let segments = self.path.split('/');
        segments.filter_map(|part| Some(part.strip_prefix('{')?.strip_suffix('}')?.to_owned())).collect()
    }

    fn path(&self, binding: &Binding) -> String {
        let mut path = self.path.to_owned();
        for (name, id) in binding {
            path = path.replace(&format!("{{{name}}}"), id);
        }
        path
    }

    /// The parameters of the query.
    ///
    /// # Errors
    ///
    /// If the operation would change something, or if a required parameter is not known.
    fn query(&self, spec: &Spec, ids: &Ids) -> Result<Vec<(String, String)>, String> {
        let mut query = Vec::new();
        // Some reads change something on the server unless a parameter forbids it.
        if let Some(condition) = self.specified["x-safe-if"].as_object() {
            query.extend(condition.iter().map(|(name, value)| (name.clone(), value.to_string())));
        } else if self.specified["x-safety"] != "safe" {
            return Err("it can change something".to_owned());
        }
        for parameter in self.specified["parameters"].as_array().into_iter().flatten() {
            let parameter = spec.resolve(parameter);
            let name = parameter["name"].as_str().unwrap_or_default();
            if parameter["in"] != "query" || query.iter().any(|(known, _)| known == name) {
                continue;
            }
            let value = match (ids.given(name), parameter["required"] == true) {
                (Some(given), _) => given.to_owned(),
                (None, _) if name == "limit" => ITEMS.to_string(),
                (None, true) => match parameter["example"].as_str() {
                    Some(example) => example.to_owned(),
                    None => return Err(format!("it needs {name}: give it as {name}=…")),
                },
                (None, false) => continue,
            };
            query.push((name.to_owned(), value));
        }
        Ok(query)
    }
}

/// Reads every `GET` of the client's service. `given` has parameters by name.
///
/// # Errors
///
/// If the service rejects the credential, since then nothing can be checked.
pub async fn check(client: &Client, given: Binding) -> Result<Report, Unauthorized> {
    let spec = Spec::of(client.service());
    let ids = Ids::new(client.service(), given);
    let mut run =
        Run { client, spec, ids, report: Report::default(), nowhere: None, answered: false, silent: 0 };
    for operation in Operation::all(spec) {
        let (verdict, comparison) = if !run.answered && run.silent >= SILENT {
            (
                Verdict::Unanswered("not tried, because no earlier call was answered".to_owned()),
                Comparison::default(),
            )
        } else {
            run.operation(&operation).await?
        };
        run.report.checked.push(Checked {
            operation: format!("GET {}", operation.path),
            inferred: operation.specified["x-confidence"]
                .as_str()
                .is_some_and(|how| how.starts_with("inferred")),
            verdict,
            comparison,
        });
    }
    Ok(run.report)
}

/// The service refused the credential.
#[derive(Debug)]
pub struct Unauthorized;

struct Run<'a> {
    client: &'a Client,
    spec: &'static Spec,
    ids: Ids,
    report: Report,
    /// The service's answer for a path that does not exist, once it is known.
    nowhere: Option<Answer>,
    /// Whether any request was answered.
    answered: bool,
    /// How many requests in a row had no answer.
    silent: usize,
}

impl Run<'_> {
    async fn operation(&mut self, operation: &Operation<'_>) -> Result<(Verdict, Comparison), Unauthorized> {
        let mut comparison = Comparison::default();
        let prepared = operation.query(self.spec, &self.ids).and_then(|query| {
            let bindings = self.ids.bindings(&operation.ids());
            let unknown = |name| format!("no response has a {name}; pass one as {name}=…");
            Ok((query, bindings.map_err(unknown)?))
        });
        let (query, bindings) = match prepared {
            Ok(prepared) => prepared,
            Err(why) => return Ok((Verdict::NotChecked(why), comparison)),
        };
        let mut best: Option<Verdict> = None;
        for binding in bindings {
            let path = operation.path(&binding);
            let verdict = match self.client.get(&path, &query).await {
                Ok(answer) => {
                    self.answered = true;
                    self.answer(operation, &binding, &path, &answer, &mut comparison).await?
                }
                Err(why) => {
                    self.silent += 1;
                    Verdict::Unanswered(why)
                }
            };
            let conclusive = matches!(verdict, Verdict::Answered { empty: false, .. } | Verdict::Refuted(_));
            if conclusive || !matches!(best, Some(Verdict::Answered { .. })) {
                best = Some(verdict);
            }
            if conclusive {
                break;
            }
        }
        Ok((best.unwrap_or_else(|| Verdict::NotChecked("there was nothing to try".to_owned())), comparison))
    }

    async fn answer(
        &mut self,
        operation: &Operation<'_>,
        binding: &Binding,
        path: &str,
        answer: &Answer,
        comparison: &mut Comparison,
    ) -> Result<Verdict, Unauthorized> {
        let status = answer.status;
        let Some(response) = self.spec.response(operation.specified, status) else {
            return Ok(Verdict::Refuted(format!("a {status}, which is not in the specification")));
        };
        self.headers(&answer.headers, response.headers());
        let success = (200..300).contains(&status);
        let was_let_in = |checked: &Checked| matches!(checked.verdict, Verdict::Answered { .. });
        if status == 401 && !self.report.checked.iter().any(was_let_in) {
            return Err(Unauthorized);
        }
        let json = answer.json();
        if success {
            let Some(schema) = response.schema else {
                let bodiless = answer.body.is_empty();
                let refuted = || Verdict::Refuted(format!("a {status} with a body"));
                return Ok(if bodiless { Verdict::Answered { status, empty: true } } else { refuted() });
            };
            let Some(json) = json else {
                let what = if answer.body.is_empty() { "no body" } else { "a body that is not JSON" };
                return Ok(Verdict::Refuted(format!("a {status} with {what}")));
            };
            comparison.merge(self.spec.compare(schema, &json));
            self.ids.learn(operation.id(), binding, &json);
            let items = json.as_array().or_else(|| json["data"].as_array());
            return Ok(Verdict::Answered { status, empty: items.is_some_and(Vec::is_empty) });
        }
        // A proxy in front of a service that is down answers with pages of its own, not with JSON.
        if let (Some(schema), Some(json)) = (response.schema, &json)
            && status < 500
        {
            comparison.merge(self.spec.compare(schema, json).within("error"));
        }
        Ok(match status {
            400 => Verdict::Refuted("400: the request as specified was refused".to_owned()),
            404 => self.not_found(operation, path, answer).await,
            429 | 500.. => Verdict::Unanswered(format!("answered with {status}")),
            _ if !response.named => {
                Verdict::Refuted(format!("a {status}, which is not in the specification"))
            }
            _ => {
                let code = json.as_ref().and_then(|json| json["error"]["code"].as_str()).map(word);
                let code = code.map_or_else(String::new, |code| format!(", {code}"));
                Verdict::NotChecked(format!("answered with {status}{code}"))
            }
        })
    }

    /// Distinguishes a missing path from a missing id.
    async fn not_found(&mut self, operation: &Operation<'_>, path: &str, answer: &Answer) -> Verdict {
        if self.nowhere.is_none() {
            self.nowhere = self.client.get(NOWHERE, &[]).await.ok();
        }
        let Some(nowhere) = &self.nowhere else {
            return Verdict::NotChecked("answered with 404".to_owned());
        };
        let same = nowhere.manner(NOWHERE) == answer.manner(path);
        match (same, operation.ids().is_empty()) {
            (true, true) => Verdict::Refuted("404, the same as for a path that does not exist".to_owned()),
            (true, false) => Verdict::Refuted(
                "404, the same as for a path that does not exist; or the id does not".to_owned(),
            ),
            (false, true) => Verdict::Refuted("404, although its path has no id".to_owned()),
            (false, false) => Verdict::NotChecked(
                "404, but unlike the one for a path that does not exist: no such id".to_owned(),
            ),
        }
    }

    fn headers<'h>(&mut self, came: &HeaderMap, specified: impl Iterator<Item = &'h str>) {
        for name in specified {
            let name = name.to_ascii_lowercase();
            let here = came.contains_key(&name);
            *self.report.headers.entry(name).or_default() |= here;
        }
        for name in came.keys().map(|name| name.as_str()) {
            let is_telling = TELLING.iter().any(|part| name.contains(part))
                || FAMILIES.iter().any(|family| name.starts_with(family));
            if is_telling && !READ_HEADERS.contains(&name) && !self.spec.has_header(name) {
                self.report.unknown_headers.insert(name.to_owned());
            }
        }
    }
}
