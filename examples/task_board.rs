//! A board of open tasks over all rooms, by when they are due in Japan: overdue, today, this week (to Sunday), later.
//!
//! ```text
//! cargo run --example task_board              # my tasks
//! cargo run --example task_board -- --all     # all tasks in my rooms: a call for each room with tasks
//! ```
//!
//! A task that is due on a day is overdue when the day has ended in Japan; a task that is due at a time, when that has passed.
//! Chatwork lists at most 100 tasks at a time, and the board says where there may be more.
//!
//! With `CHATWORK_API_TOKEN` it talks to Chatwork, and with `TASCHA_API_KEY` to TAS-CHA. TAS-CHA's tasks have no assignees and
//! are all shown, at one unit per page. Without both, the sandbox plays Chatwork in this process, where it is always the
//! morning of Wednesday, 7 January 2026.

use comfy_table::{Table, presets};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::civil::{Date, Time};
use jiff::tz::{self, TimeZone};
use jiff::{Timestamp, ZonedDateTime};
use kaiwa::chatwork::{LimitType, TaskStatus, notation};
use kaiwa::sandbox::Sandbox;
use kaiwa::sandbox::chatwork::{Account, Room, Seed};
use kaiwa::{VirtualClock, chatwork, tascha};
use std::time::Duration;
use std::{env, error::Error};

/// Japan has had no summer time since 1951, so this needs no time zone database.
const JAPAN: TimeZone = TimeZone::fixed(tz::offset(9));

/// Calls in flight at a time. The client paces them: more calls would only wait.
const CONCURRENT: usize = 8;

/// Longer than the five minutes that a call may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(600);

/// The most tasks that Chatwork lists.
const LISTED: usize = 100;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let all = match env::args().nth(1).as_deref() {
        None => false,
        Some("--all") => true,
        Some(other) => return Err(format!("`{other}` is not known: --all").into()),
    };
    let set = |name: &str| env::var_os(name).is_some();
    let mut board = Board::default();
    let mut now = Timestamp::now();
    if set("CHATWORK_API_TOKEN") {
        board.add_chatwork(&chatwork::Client::from_env()?, all).await?;
    }
    if set("TASCHA_API_KEY") {
        board.add_tascha(&tascha::Client::from_env()?).await?;
    }
    if !set("CHATWORK_API_TOKEN") && !set("TASCHA_API_KEY") {
        println!("No token is set, so Chatwork is played by the sandbox, on this machine.");
        now = "2026-01-07T09:00:00+09:00".parse()?;
        let sandbox = play(VirtualClock::starting_at(now)).await?;
        board.add_chatwork(&sandbox.clients().chatwork, all).await?;
    }
    board.print(&now.to_zoned_datetime(JAPAN));
    Ok(())
}

async fn play(clock: VirtualClock) -> Result<Sandbox, Box<dyn Error>> {
    let (date, time) = (LimitType::Date, LimitType::Time);
    let sales = Room::group(100, "営業部")
        .admin(2)
        .member(1)
        .task_due(2, &[1], "見積書を送る", ("2026-01-06T23:59:59+09:00".parse()?, date.clone()))
        .task_due(2, &[1], "朝会の資料", ("2026-01-07T08:30:00+09:00".parse()?, time.clone()))
        .task_due(2, &[1], "[info]稟議の承認[/info]", ("2026-01-07T18:00:00+09:00".parse()?, time))
        // Due on a day: the service may send any time of that day.
        .task_due(2, &[1, 2], "日報を書く", ("2026-01-07T00:00:00+09:00".parse()?, date.clone()));
    let finance = Room::group(200, "経理")
        .admin(1)
        .member(2)
        .task_due(1, &[1], "経費の精算", ("2026-01-11T23:59:59+09:00".parse()?, date.clone()))
        .task_due(2, &[1], "確定申告の準備", ("2026-03-16T23:59:59+09:00".parse()?, date))
        .task(1, &[2], "棚卸しの相談");
    let seed = Seed::new()
        .account(Account::new(1, "花子").token("sandbox-chatwork-token"))
        .account(Account::new(2, "太郎"))
        .room(sales)
        .room(finance);
    Ok(Sandbox::builder().clock(clock).chatwork(seed).start().await?)
}

/// When a task is due, in Japan: within a day, or at a time of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    day: Date,
    time: Option<Time>,
}

impl Due {
    /// A Chatwork deadline, by its kind. Without a kind, it is a time.
    fn new(limit_time: Option<Timestamp>, limit_type: Option<&LimitType>) -> Option<Self> {
        let limit = limit_time?.to_zoned_datetime(JAPAN);
        match limit_type {
            Some(LimitType::None) => None,
            Some(LimitType::Date) => Some(Self { day: limit.date(), time: None }),
            _ => Some(Self { day: limit.date(), time: Some(limit.time()) }),
        }
    }

    fn show(self) -> String {
        let time = self.time.map(|time| time.strftime(" %H:%M").to_string()).unwrap_or_default();
        format!("{}{time}", self.day.strftime("%Y-%m-%d %a"))
    }
}

const COLUMNS: [&str; 5] = ["Overdue", "Today", "This week", "Later", "No due date"];

/// Which of the [`COLUMNS`] a task belongs in.
fn column(due: Option<Due>, now: &ZonedDateTime) -> &'static str {
    let Some(Due { day, time }) = due else { return "No due date" };
    let today = now.date();
    // ISO 8601: a week is from Monday to Sunday, and may lie in two years.
    let week = |day: Date| (day.iso_week_date().year(), day.iso_week_date().week());
    if day < today || day == today && time.is_some_and(|time| time < now.time()) {
        "Overdue"
    } else if day == today {
        "Today"
    } else if week(day) == week(today) {
        "This week"
    } else {
        "Later"
    }
}

struct Task {
    due: Option<Due>,
    text: String,
    assignee: String,
    room: String,
}

#[derive(Default)]
struct Board {
    tasks: Vec<Task>,
    /// Notes about tasks that the board does not show.
    notes: Vec<String>,
}

impl Board {
    async fn add_chatwork(&mut self, client: &chatwork::Client, all: bool) -> Result<(), kaiwa::Error> {
        if all {
            return self.add_rooms(client).await;
        }
        let me = client.me().await?;
        let mine = client.my_tasks().status(TaskStatus::Open).await?;
        self.note_limit("my tasks", mine.len());
        self.tasks.extend(mine.into_inner().into_iter().map(|task| Task {
            due: Due::new(task.limit_time, task.limit_type.as_ref()),
            text: notation::parse(&task.body).plain_text().into_owned(),
            assignee: me.name.clone(),
            room: task.room.name,
        }));
        Ok(())
    }

    /// All tasks. If a room fails, it is noted, and the others are shown.
    async fn add_rooms(&mut self, client: &chatwork::Client) -> Result<(), kaiwa::Error> {
        let rooms = client.rooms().await?.into_inner().into_iter().filter(|room| room.task_num > 0);
        let mut lists = stream::iter(rooms)
            .map(|room| async move {
                let open = client.room(room.room_id).tasks().status(TaskStatus::Open);
                (room.name, open.with_timeout(PATIENCE).await)
            })
            .buffered(CONCURRENT);
        while let Some((room, list)) = lists.next().await {
            let list = match list {
                Ok(list) => list.into_inner(),
                Err(error) => {
                    self.notes.push(format!("{}: no tasks: {error}", line(&room)));
                    continue;
                }
            };
            self.note_limit(&room, list.len());
            self.tasks.extend(list.into_iter().map(|task| Task {
                due: Due::new(task.limit_time, task.limit_type.as_ref()),
                text: notation::parse(&task.body).plain_text().into_owned(),
                assignee: task.account.name,
                room: room.clone(),
            }));
        }
        Ok(())
    }

    async fn add_tascha(&mut self, client: &tascha::Client) -> Result<(), kaiwa::Error> {
        let mut rooms = client.rooms().limit(200).stream();
        while let Some(room) = rooms.try_next().await? {
            let mut tasks = client.room(&room.id).tasks().limit(200).stream();
            while let Some(task) = tasks.try_next().await? {
                if task.status == Some(tascha::TaskStatus::Completed) {
                    continue;
                }
                self.tasks.push(Task {
                    due: Due::new(task.due_date, None),
                    text: task.title,
                    assignee: String::new(),
                    room: room.name.clone(),
                });
            }
        }
        Ok(())
    }

    fn note_limit(&mut self, list: &str, tasks: usize) {
        if tasks >= LISTED {
            self.notes
                .push(format!("{}: the service lists {LISTED} tasks at most; there may be more", line(list)));
        }
    }

    fn print(mut self, now: &ZonedDateTime) {
        println!("It is {} in Japan.", now.strftime("%Y-%m-%d %a %H:%M"));
        self.tasks.sort_by_key(|task| task.due);
        for title in COLUMNS {
            let tasks = self.tasks.iter().filter(|task| column(task.due, now) == title);
            let rows: Vec<[String; 4]> = tasks
                .map(|task| {
                    let due = task.due.map(Due::show).unwrap_or_default();
                    [due, line(&task.text), line(&task.assignee), line(&task.room)]
                })
                .collect();
            println!("\n{title} ({})", rows.len());
            if !rows.is_empty() {
                let mut table = Table::new();
                table.load_style(presets::UTF8_BORDERS_ONLY).set_header(["Due", "Task", "For", "Room"]);
                println!("{}", table.add_rows(rows));
            }
        }
        self.notes.iter().for_each(|note| println!("- {note}"));
    }
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

    /// The column at `now`, in Japan, of a deadline that is sent as an instant.
    #[track_caller]
    fn at(now: &str, limit_time: &str, limit_type: Option<LimitType>) -> &'static str {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let due = Due::new(Some(time(limit_time)), limit_type.as_ref());
        column(due, &time(now).to_zoned_datetime(JAPAN))
    }

    #[test]
    fn a_day_ends_in_japan_whatever_time_of_the_day_is_sent() {
        let date = || Some(LimitType::Date);
        for sent in ["2026-01-06T15:00:00Z", "2026-01-07T03:00:00Z", "2026-01-07T14:59:59Z"] {
            assert_eq!(at("2026-01-06T14:59:59Z", sent, date()), "This week", "{sent}");
            assert_eq!(at("2026-01-06T15:00:00Z", sent, date()), "Today", "{sent}");
            assert_eq!(at("2026-01-07T14:59:59Z", sent, date()), "Today", "{sent}");
            assert_eq!(at("2026-01-07T15:00:00Z", sent, date()), "Overdue", "{sent}");
        }
    }

    #[test]
    fn a_time_passes_within_the_day() {
        for kind in [Some(LimitType::Time), None, Some(LimitType::from("soon"))] {
            let due = "2026-01-07T18:00:00+09:00";
            assert_eq!(at("2026-01-07T18:00:00+09:00", due, kind.clone()), "Today");
            assert_eq!(at("2026-01-07T18:00:01+09:00", due, kind), "Overdue");
        }
    }

    #[test]
    fn a_week_ends_on_sunday_and_may_lie_in_two_years() {
        let on = |day: &str| {
            at("2025-12-29T09:00:00+09:00", &format!("{day}T12:00:00+09:00"), Some(LimitType::Date))
        };
        assert_eq!(on("2026-01-04"), "This week");
        assert_eq!(on("2026-01-05"), "Later");
        assert_eq!(on("2026-12-29"), "Later");
        let sunday = "2026-01-04T09:00:00+09:00";
        assert_eq!(at(sunday, "2026-01-05T12:00:00+09:00", Some(LimitType::Date)), "Later");
    }

    #[test]
    fn a_task_without_a_deadline_is_never_due() {
        assert_eq!(Due::new(None, Some(&LimitType::Date)), None);
        assert_eq!(at("2026-01-07T09:00:00Z", "2026-01-01T00:00:00Z", Some(LimitType::None)), "No due date");
    }
}
