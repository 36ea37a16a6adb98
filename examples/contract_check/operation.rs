//! The operations of a specification that are checked: its `GET`s.

use super::ids::{Binding, Ids};
use super::schema::Spec;
use super::source::Call;
use serde_json::Value;

/// How many items are requested from a list with a `limit`; some lists return one by default.
const ITEMS: u64 = 20;

/// One operation of the specification.
pub struct Operation<'a> {
    pub path: &'a str,
    pub specified: &'a Value,
}

impl<'a> Operation<'a> {
    /// All `GET`s, those without ids first, so that their answers can be had for the others.
    pub fn all(spec: &'a Spec) -> Vec<Self> {
        let gets =
            spec.paths().iter().filter_map(|(path, item)| Some(Self { path, specified: item.get("get")? }));
        let mut gets: Vec<Self> = gets.collect();
        gets.sort_by_key(|operation| operation.ids().len());
        gets
    }

    pub fn id(&self) -> &'a str {
        self.specified["operationId"].as_str().unwrap_or_default()
    }

    /// The parameters in its path, in their order.
    pub fn ids(&self) -> Vec<String> {
        let segments = self.path.split('/');
        segments.filter_map(|part| Some(part.strip_prefix('{')?.strip_suffix('}')?.to_owned())).collect()
    }

    /// The operation with this path template.
    pub fn of(spec: &'a Spec, path: &str) -> Option<Self> {
        let (path, item) = spec.paths().get_key_value(path)?;
        Some(Self { path, specified: item.get("get")? })
    }

    /// The names of its parameters in the path and in the query.
    pub fn parameters(&self, spec: &'a Spec) -> Vec<&'a str> {
        let parameters = self.specified["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(|parameter| spec.resolve(parameter));
        let sent = parameters.filter(|parameter| parameter["in"] == "path" || parameter["in"] == "query");
        sent.filter_map(|parameter| parameter["name"].as_str()).collect()
    }

    /// A parameter of the path or of the query.
    pub fn parameter(&self, spec: &'a Spec, name: &str) -> Option<&'a Value> {
        let parameters = self.specified["parameters"].as_array().into_iter().flatten();
        parameters.map(|parameter| spec.resolve(parameter)).find(|parameter| parameter["name"] == name)
    }

    /// What must be known to call it.
    pub fn call(&self, parameters: Binding, query: Vec<(String, String)>) -> Call {
        Call { template: self.path.to_owned(), parameters, query }
    }

    /// The parameters of the query.
    ///
    /// # Errors
    ///
    /// If the operation would change something, or if a required parameter is not known.
    pub fn query(&self, spec: &Spec, ids: &Ids) -> Result<Vec<(String, String)>, String> {
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
