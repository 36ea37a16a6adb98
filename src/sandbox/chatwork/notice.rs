//! The messages that the service writes itself, about tasks, members, rooms and files.

use jiff::Timestamp;

/// The texts that name what happened to a task.
pub(super) const TASK_ADDED: &str = "task_added";
pub(super) const TASK_DONE: &str = "task_done";

/// A task of these accounts was added or done.
pub(super) fn task(
    what: &str,
    to: &[u64],
    done: bool,
    limit: (Option<Timestamp>, &str),
    body: &str,
) -> String {
    let to: Vec<String> = to.iter().map(u64::to_string).collect();
    let status = if done { "done" } else { "open" };
    let limit = match limit {
        (Some(time), kind) => format!("{} ltype={kind}", time.as_second()),
        (None, _) => "0".to_owned(),
    };
    let to = to.join(",");
    format!("[info][title][dtext:{what}][/title][task aid={to} st={status} lt={limit}]{body}[/task][/info]")
}

/// The name or the description of a room was changed. `None` if neither was.
pub(super) fn room_edited(name: Option<&str>, description: Option<&str>) -> Option<String> {
    let part = |what: &str, text: Option<&str>| {
        text.map(|text| format!("[dtext:chatroom_{what}_is]{text}[dtext:chatroom_changed]"))
    };
    let parts: Vec<String> =
        [part("chatname", name), part("description", description)].into_iter().flatten().collect();
    let title = "[info][title][dtext:chatroom_chat_edited][/title]";
    (!parts.is_empty()).then(|| format!("{title}{}[/info]", parts.join("\n")))
}

/// What became of members.
#[derive(Clone, Copy)]
pub(super) enum Membership {
    Added,
    Left,
    Removed,
}

/// These accounts became members, or are none any more. `None` if there are none.
pub(super) fn members(accounts: &[u64], became: Membership) -> Option<String> {
    let became = match became {
        Membership::Added => "added",
        Membership::Left => "leaved",
        Membership::Removed => "deleted",
    };
    let accounts: String = accounts.iter().map(|account| format!("[piconname:{account}]")).collect();
    (!accounts.is_empty())
        .then(|| format!("[info][dtext:chatroom_member_is]{accounts}[dtext:chatroom_{became}][/info]"))
}

/// A file was uploaded, with a text. Only an image has a preview.
pub(super) fn file(id: u64, filename: &str, content_type: &str, bytes: usize, message: &str) -> String {
    let guessed = mime_guess::from_path(filename).first_raw().unwrap_or_default();
    let is_image = [content_type, guessed].iter().any(|kind| kind.starts_with("image/"));
    let preview = if is_image { format!("[preview id={id} ht=150]") } else { String::new() };
    let size = size(bytes);
    format!(
        "[info][title][dtext:file_uploaded][/title]{message}{preview}[download:{id}]{filename} ({size})[/download][/info]"
    )
}

/// As the service writes it: `132.74 KB`.
fn size(bytes: usize) -> String {
    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..MIB => format!("{:.2} KB", bytes as f64 / KIB as f64),
        _ => format!("{:.2} MB", bytes as f64 / MIB as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_have_the_form_that_was_seen() {
        let at = Timestamp::from_second(1_705_642_989).ok();
        assert_eq!(
            task(TASK_ADDED, &[8, 9], false, (at, "date"), "TASK"),
            "[info][title][dtext:task_added][/title][task aid=8,9 st=open lt=1705642989 ltype=date]TASK[/task][/info]"
        );
        assert_eq!(
            task(TASK_DONE, &[8], true, (None, "none"), "TASK"),
            "[info][title][dtext:task_done][/title][task aid=8 st=done lt=0]TASK[/task][/info]"
        );
        assert_eq!(
            room_edited(None, Some("新しい概要")).as_deref(),
            Some(
                "[info][title][dtext:chatroom_chat_edited][/title][dtext:chatroom_description_is]新しい概要\
                 [dtext:chatroom_changed][/info]"
            )
        );
        assert_eq!(room_edited(None, None), None);
        assert_eq!(
            members(&[12], Membership::Left).as_deref(),
            Some("[info][dtext:chatroom_member_is][piconname:12][dtext:chatroom_leaved][/info]")
        );
        assert_eq!(members(&[], Membership::Added), None);
    }

    #[test]
    fn only_an_image_has_a_preview() {
        let text = file(5, "見積書.pdf", "application/pdf", 0, "");
        assert_eq!(
            text,
            "[info][title][dtext:file_uploaded][/title][download:5]見積書.pdf (0 B)[/download][/info]"
        );
        for (name, kind) in [("a.png", "application/octet-stream"), ("a", "image/png")] {
            let text = file(5, name, kind, 135_926, "");
            assert!(text.contains(&format!("[preview id=5 ht=150][download:5]{name} (132.74 KB)")), "{text}");
        }
        assert_eq!(size(5 << 20), "5.00 MB");
    }
}
