//! A digest of a Chatwork account: unread messages and open tasks over all rooms.
//!
//! ```text
//! cargo run --example digest                          # tables on the terminal
//! cargo run --example digest -- --markdown [FILE]     # the same as Markdown, on the terminal or in a file
//! cargo run --example digest -- --post ROOM           # and as a message to the room of this id
//! ```
//!
//! It reads counts and tasks but no messages, so nothing is marked as read, and no other program with the same token misses a
//! message. If the tasks of a room cannot be read, the digest names the room at the end. Each room with tasks is a call: with
//! more than 300 of them the program waits for the service's next five minutes.
//!
//! With `CHATWORK_API_TOKEN` it talks to the service. Without, the sandbox plays the service in this process.

use comfy_table::{Table, presets};
use futures::{StreamExt, stream};
use jiff::tz::{self, TimeZone};
use kaiwa::chatwork::notation::{self, MessageBuilder};
use kaiwa::chatwork::{Client, LimitType, Room, RoomId, Task, TaskStatus};
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::{self as played, Seed};
use kaiwa::{Error, Outcome};
use std::cmp::Reverse;
use std::time::Duration;
use std::{env, fs};

/// Japan has had no summer time since 1951, so this needs no time zone database.
const JAPAN: TimeZone = TimeZone::fixed(tz::offset(9));

/// Calls in flight at a time. The client paces them: more calls would only wait.
const CONCURRENT: usize = 8;

/// Longer than the five minutes that a call may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(600);

/// The most tasks that the service lists of a room.
const LISTED: usize = 100;

/// The longest message that the service takes, in characters.
const LONGEST_MESSAGE: usize = 65_535;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut markdown, mut file, mut post) = (false, None, None);
    let mut arguments = env::args().skip(1).peekable();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--markdown" => {
                markdown = true;
                file = arguments.next_if(|next| !next.starts_with("--"));
            }
            "--post" => {
                let room = arguments.next().and_then(|room| room.parse().ok());
                post = Some(RoomId(room.ok_or("--post takes the id of a room")?));
            }
            other => return Err(format!("`{other}` is not known: --markdown [FILE], --post ROOM").into()),
        }
    }
    let sandbox = if env::var_os("CHATWORK_API_TOKEN").is_none() { Some(play().await?) } else { None };
    let client = match &sandbox {
        Some(sandbox) => sandbox.clients().chatwork,
        None => Client::from_env()?,
    };

    let digest = Digest::gather(&client).await?;
    match file {
        Some(file) => {
            fs::write(&file, digest.show(Look::Markdown))?;
            println!("{}; it is in {file}.", digest.summary());
        }
        None => print!("{}", digest.show(if markdown { Look::Markdown } else { Look::Terminal })),
    }
    if let Some(room) = post {
        let sent = client.room(room).post(digest.message()).await.map_err(|error| match error.outcome() {
            Outcome::Unknown => format!("look into room {room} before posting again: {error}"),
            _ => error.to_string(),
        })?;
        eprintln!("posted as message {}", sent.message_id);
    }
    Ok(())
}

/// The sandbox's own rooms, and one more.
async fn play() -> Result<Sandbox, Box<dyn std::error::Error>> {
    eprintln!("CHATWORK_API_TOKEN is not set, so the service is played by the sandbox, on this machine.");
    let room = played::Room::group(300, "経理|請求")
        .admin(2)
        .member(1)
        .message(2, "[To:1] Botさん\n請求書をお願いします")
        .message(2, "今月もお疲れさまでした")
        .task_due(2, &[1], "請求書を\n送る", ("2026-01-30T23:59:59+09:00".parse()?, LimitType::Date))
        .task_due(
            1,
            &[2],
            "[info]稟議の承認[/info]",
            ("2026-01-16T15:00:00+09:00".parse()?, LimitType::Time),
        );
    Ok(Sandbox::builder().chatwork(Seed::default().room(room)).start().await?)
}

struct Digest {
    /// Rooms with mentions first, then with unread messages, then with my own tasks.
    rooms: Vec<Room>,
    /// All open tasks, by room: the soonest first, those without a deadline last.
    tasks: Vec<(Room, Task)>,
    /// The rooms that have more tasks than the service lists, and those whose tasks could not be read.
    warnings: Vec<String>,
}

impl Digest {
    async fn gather(client: &Client) -> Result<Self, Error> {
        let mut rooms = client.rooms().await?.into_inner();
        rooms.sort_by_key(|room| Reverse((room.mention_num, room.unread_num, room.mytask_num)));
        let with_tasks: Vec<Room> = rooms.iter().filter(|room| room.task_num > 0).cloned().collect();
        let mut lists = stream::iter(with_tasks)
            .map(|room| async move {
                let open = client.room(room.room_id).tasks().status(TaskStatus::Open);
                (room, open.with_timeout(PATIENCE).await)
            })
            .buffer_unordered(CONCURRENT);
        let (mut tasks, mut warnings) = (Vec::new(), Vec::new());
        while let Some((room, list)) = lists.next().await {
            match list {
                Ok(list) => {
                    if list.len() >= LISTED {
                        warnings.push(format!("{}: only {LISTED} tasks are listed", line(&room.name)));
                    }
                    tasks.extend(list.into_inner().into_iter().map(|task| (room.clone(), task)));
                }
                Err(error) => warnings.push(format!("{}: no tasks: {error}", line(&room.name))),
            }
        }
        drop(lists);
        // The calls end in any order.
        tasks.sort_by_key(|(_, task)| (task.limit_time.is_none(), task.limit_time, task.task_id));
        warnings.sort();
        Ok(Self { rooms, tasks, warnings })
    }

    fn summary(&self) -> String {
        let sum = |count: fn(&Room) -> u64| self.rooms.iter().map(count).sum::<u64>();
        format!(
            "{} unread, {} of them to me, and {} open tasks in {} rooms",
            sum(|room| room.unread_num),
            sum(|room| room.mention_num),
            self.tasks.len(),
            self.rooms.len(),
        )
    }

    /// The tables of unread messages and open tasks.
    fn tables(&self) -> [(&str, Vec<[String; 4]>); 2] {
        let rooms = self.rooms.iter().filter(|room| room.unread_num + room.mention_num + room.mytask_num > 0);
        let counts =
            [|room: &Room| room.mention_num, |room: &Room| room.unread_num, |room: &Room| room.mytask_num];
        let mut unread = vec![["To me", "Unread", "My tasks", "Room"].map(str::to_owned)];
        unread.extend(rooms.map(|room| {
            let [mentions, messages, tasks] = counts.map(|count| count(room).to_string());
            [mentions, messages, tasks, line(&room.name)]
        }));
        let mut open = vec![["Due", "Task", "For", "Room"].map(str::to_owned)];
        open.extend(self.tasks.iter().map(|(room, task)| {
            [
                due(task),
                line(&notation::parse(&task.body).plain_text()),
                line(&task.account.name),
                line(&room.name),
            ]
        }));
        [("Unread", unread), ("Open tasks", open)]
    }

    fn show(&self, look: Look) -> String {
        let [unread, open] = self.tables().map(|(title, rows)| look.section(title, rows));
        let warnings: String = self.warnings.iter().map(|text| format!("- {}\n", look.text(text))).collect();
        format!("{unread}\n{open}\n{warnings}{}.\n", self.summary())
    }

    /// The digest in Chatwork's notation, cut where a message ends. What people wrote cannot become a tag in it.
    fn message(&self) -> MessageBuilder {
        let title = self.summary();
        let mut lines = Vec::new();
        for (title, rows) in self.tables() {
            lines.push(format!("■ {title}"));
            lines.extend(rows.iter().map(|row| row.join(" / ")));
        }
        lines.extend(self.warnings.iter().map(|warning| format!("※ {warning}")));
        let build = |lines: &[String]| MessageBuilder::new().info(&title, |info| info.text(lines.join("\n")));
        // The tags around the lines, and the line with the number of missing ones.
        let mut length = build(&[]).as_str().chars().count() + 50;
        let fits = |line: &&String| {
            length += line.chars().count() + 1;
            length <= LONGEST_MESSAGE
        };
        let fitting = lines.iter().take_while(fits).count();
        if fitting < lines.len() {
            let more = lines.len() - fitting;
            lines.truncate(fitting);
            lines.push(format!("… and {more} more lines"));
        }
        build(&lines)
    }
}

#[derive(Clone, Copy)]
enum Look {
    Terminal,
    Markdown,
}

impl Look {
    /// The first row is the header. A column is as wide as it shows: a kanji takes two places.
    fn section(self, title: &str, rows: Vec<[String; 4]>) -> String {
        let mut table = Table::new();
        let (heading, style) = match self {
            Self::Terminal => (title.to_owned(), presets::UTF8_BORDERS_ONLY),
            Self::Markdown => (format!("## {title}\n"), presets::ASCII_MARKDOWN),
        };
        table.load_style(style);
        let mut rows = rows.into_iter().map(|row| row.map(|cell| self.text(&cell)));
        table.set_header(rows.next().unwrap_or_default());
        table.add_rows(rows);
        format!("{heading}\n{table}\n")
    }

    /// Escapes what people wrote, so it stays within its cell and is not read as markup.
    fn text(self, text: &str) -> String {
        let is_markup = |character| matches!(self, Self::Markdown) && r"\`*_[]<>|~&".contains(character);
        let escape = |character| is_markup(character).then_some('\\').into_iter().chain([character]);
        text.chars().flat_map(escape).collect()
    }
}

/// The deadline in Japan: a day, or a time of day.
fn due(task: &Task) -> String {
    let Some(limit) = task.limit_time else { return String::new() };
    let format = if task.limit_type == Some(LimitType::Date) { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" };
    limit.to_zoned_datetime(JAPAN).strftime(format).to_string()
}

/// One line of at most 40 characters, without control characters.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut line: String = words.join(" ").chars().filter(|character| !character.is_control()).collect();
    if let Some((end, _)) = line.char_indices().nth(40) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use kaiwa::sandbox::{Fault, Provider, Script};

    #[tokio::test]
    async fn a_failure_in_one_room_does_not_affect_the_others() -> Result<(), Box<dyn std::error::Error>> {
        let sandbox = play().await?;
        let gone = Fault::status(403);
        sandbox.faults().script(Provider::Chatwork, Script::on("list_tasks").then(gone));
        let digest = Digest::gather(&sandbox.clients().chatwork).await?;
        assert_eq!(digest.warnings.len(), 1);
        assert!(digest.warnings[0].contains("403"), "{:?}", digest.warnings);
        assert!(!digest.tasks.is_empty());
        assert_eq!(digest.rooms.len(), 5);
        Ok(())
    }

    #[tokio::test]
    async fn a_message_keeps_to_the_services_limit() -> Result<(), Box<dyn std::error::Error>> {
        let sandbox = play().await?;
        let client = sandbox.clients().chatwork;
        let mut digest = Digest::gather(&client).await?;
        assert!(digest.message().as_str().contains("経理|請求"));
        let some = digest.tasks.clone();
        digest.tasks = some.into_iter().cycle().take(5_000).collect();
        let message = digest.message();
        let length = message.as_str().chars().count();
        assert!((65_000..=LONGEST_MESSAGE).contains(&length), "{length}");
        assert!(message.as_str().ends_with("more lines[/info]"));
        client.room(RoomId(300)).post(message).await?;
        Ok(())
    }
}
