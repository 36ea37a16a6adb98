//! Sends every `GET` of a service, and compares the answers with the specification.

use super::headers;
use super::ids::{Binding, Ids};
use super::operation::Operation;
use super::report::{Checked, Report, Verdict};
use super::schema::{Comparison, Spec, word};
use super::source::{Answer, Call, Client, Exchange, Source};
use reqwest::header::HeaderMap;

/// A path that no service has.
const NOWHERE: &str = "/kaiwa-contract-check-no-such-path";

/// After so many operations in a row without an answer, the others are not tried.
const SILENT: usize = 3;

/// Reads every `GET` of the client's service. `given` has parameters by name.
///
/// # Errors
///
/// If the service rejects the credential, since then nothing can be checked.
pub async fn check(client: &Client, given: Binding) -> Result<Report, Unauthorized> {
    read_all(Source::Service(client), given).await.0
}

/// The same from any source, with everything that was answered.
pub async fn read_all(source: Source<'_>, given: Binding) -> (Result<Report, Unauthorized>, Vec<Exchange>) {
    let spec = Spec::of(source.service());
    let ids = Ids::new(source.service(), given);
    let (report, exchanges) = (Report::default(), Vec::new());
    let mut run = Run { source, spec, ids, report, exchanges, nowhere: None, answered: false, silent: 0 };
    let result = run.all().await;
    (result.map(|()| run.report), run.exchanges)
}

/// The service refused the credential.
#[derive(Debug)]
pub struct Unauthorized;

struct Run<'a> {
    source: Source<'a>,
    spec: &'static Spec,
    ids: Ids,
    report: Report,
    exchanges: Vec<Exchange>,
    /// The service's answer for a path that does not exist, once it is known.
    nowhere: Option<Answer>,
    /// Whether any request was answered.
    answered: bool,
    /// How many requests in a row had no answer.
    silent: usize,
}

impl Run<'_> {
    async fn all(&mut self) -> Result<(), Unauthorized> {
        for operation in Operation::all(self.spec) {
            let (verdict, comparison) = if !self.answered && self.silent >= SILENT {
                (
                    Verdict::Unanswered("not tried, because no earlier call was answered".to_owned()),
                    Comparison::default(),
                )
            } else {
                self.operation(&operation).await?
            };
            self.report.checked.push(Checked {
                operation: format!("GET {}", operation.path),
                inferred: operation.specified["x-confidence"]
                    .as_str()
                    .is_some_and(|how| how.starts_with("inferred")),
                verdict,
                comparison,
            });
        }
        Ok(())
    }

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
            let call = operation.call(binding, query.clone());
            let verdict = match self.source.get(&call).await {
                Ok(mut answer) => {
                    self.answered = true;
                    let verdict = self.answer(operation, &call, &mut answer, &mut comparison).await;
                    self.exchanges.push(Exchange { call, outcome: Ok(answer) });
                    verdict?
                }
                Err(why) => {
                    self.silent += 1;
                    self.exchanges.push(Exchange { call, outcome: Err(why) });
                    Verdict::Unanswered(why.to_owned())
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
        call: &Call,
        answer: &mut Answer,
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
            self.ids.learn(operation.id(), &call.parameters, &json);
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
            404 => self.not_found(operation, call, answer).await,
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
    async fn not_found(&mut self, operation: &Operation<'_>, call: &Call, answer: &mut Answer) -> Verdict {
        if answer.like_nowhere.is_none() {
            let nowhere = self.nowhere().await;
            answer.like_nowhere =
                nowhere.map(|nowhere| nowhere.manner(NOWHERE) == answer.manner(&call.path()));
        }
        let Some(same) = answer.like_nowhere else {
            return Verdict::NotChecked("answered with 404".to_owned());
        };
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

    /// The answer for a path that does not exist.
    async fn nowhere(&mut self) -> Option<&Answer> {
        if self.nowhere.is_none() {
            let call = Call { template: NOWHERE.to_owned(), parameters: Binding::new(), query: Vec::new() };
            let outcome = self.source.get(&call).await;
            self.nowhere = outcome.as_ref().ok().cloned();
            self.exchanges.push(Exchange { call, outcome });
        }
        self.nowhere.as_ref()
    }

    fn headers<'h>(&mut self, came: &HeaderMap, specified: impl Iterator<Item = &'h str>) {
        for name in specified {
            let name = name.to_ascii_lowercase();
            let here = came.contains_key(&name);
            *self.report.headers.entry(name).or_default() |= here;
        }
        self.report.unknown_headers.extend(headers::unknown(came, self.spec));
    }
}
