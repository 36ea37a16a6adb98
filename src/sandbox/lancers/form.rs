//! Multipart bodies.
//!
//! The post prints the inner names of the parts in typographic quotes and shows no request, so all names that follow
//! from PHP's rules are taken: `users[]` repeated, or `users` as a JSON list; `message[files][]`, `files[]` and `files`
//! for files, `message[description]` and `description` for texts.

use super::data::Upload;
use super::error::Failure;
use axum::extract::Multipart;

#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) users: Vec<String>,
    pub(super) title: Option<String>,
    pub(super) text: Option<String>,
    pub(super) files: Vec<Upload>,
}

impl Form {
    pub(super) async fn read(mut parts: Multipart) -> Result<Self, Failure> {
        let mut form = Self::default();
        while let Some(part) = parts.next_field().await.map_err(|_| Failure::bad_request())? {
            let name = part.name().unwrap_or_default().to_owned();
            let file_name = part.file_name().map(str::to_owned);
            let mime_type = part.content_type().unwrap_or("application/octet-stream").to_owned();
            let content = part.bytes().await.map_err(|_| Failure::bad_request())?;
            match name.as_str() {
                "users[]" => form.users.push(text(&content, "users")?),
                "users" => {
                    let list: Vec<String> =
                        serde_json::from_slice(&content).map_err(|_| Failure::invalid("users"))?;
                    form.users.extend(list);
                }
                "title" => form.title = Some(text(&content, "title")?),
                "description" | "message[description]" => form.text = Some(text(&content, "description")?),
                "files" | "files[]" | "message[files]" | "message[files][]" => form.files.push(Upload {
                    name: file_name.ok_or_else(|| Failure::invalid("files"))?,
                    mime_type,
                    size: u64::try_from(content.len()).unwrap_or(u64::MAX),
                    content,
                }),
                // PHP ignores what it does not look for.
                _ => {}
            }
        }
        Ok(form)
    }
}

fn text(content: &[u8], field: &str) -> Result<String, Failure> {
    String::from_utf8(content.to_vec()).map_err(|_| Failure::invalid(field))
}
