//! What a person does on the page.

use super::faults;
use super::views::Panes;
use crate::sandbox::glance::{NewFile, Refused};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// A file of 5 MiB in Base64, and what stands around it.
pub(super) const MAX_BODY: usize = 8 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    service: String,
    room: String,
    by: String,
    body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upload {
    service: String,
    room: String,
    by: String,
    name: String,
    content_type: String,
    /// In Base64.
    content: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finish {
    service: String,
    room: String,
    task: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arm {
    service: String,
    /// `None`: all of them.
    operation: Option<String>,
    fault: String,
    always: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Calm {
    service: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resend {
    service: String,
    delivery: String,
}

impl Panes {
    /// Does what a POST asks for; `None` if there is nothing at this path.
    pub(super) fn act(&self, path: &str, body: &[u8]) -> Option<Result<(), Refused>> {
        Some(match path {
            "post" => read(body).and_then(|act| self.post(&act)),
            "upload" => read(body).and_then(|act| self.upload(act)),
            "finish" => read(body).and_then(|Finish { service, room, task }| {
                self.glance(&service).ok_or("no_service")?.1.finish(&room, &task)
            }),
            "arm" => read(body).and_then(|act| self.arm(&act)),
            "calm" => read(body).and_then(|Calm { service }| {
                self.inside.faults.clear(self.glance(&service).ok_or("no_service")?.0);
                self.send("changed", &json!({}));
                Ok(())
            }),
            "resend" => read(body).and_then(|Resend { service, delivery }| {
                self.glance(&service).ok_or("no_service")?.1.resend(&delivery)
            }),
            _ => return None,
        })
    }

    fn post(&self, Post { service, room, by, body }: &Post) -> Result<(), Refused> {
        self.glance(service).ok_or("no_service")?.1.post(room, by, body)
    }

    fn upload(&self, act: Upload) -> Result<(), Refused> {
        let Upload { service, room, by, name, content_type, content, message } = act;
        let content = STANDARD.decode(content).map_err(|_| "not_read")?.into();
        let file = NewFile { name, content_type, content };
        self.glance(&service).ok_or("no_service")?.1.upload(&room, &by, file, &message)
    }

    fn arm(&self, Arm { service, operation, fault, always }: &Arm) -> Result<(), Refused> {
        let provider = self.glance(service).ok_or("no_service")?.0;
        faults::arm(&self.inside.faults, provider, operation.as_deref(), fault, *always)?;
        self.send("changed", &json!({}));
        Ok(())
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|_| "not_read")
}
