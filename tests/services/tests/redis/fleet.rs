//! Four processes of 16 tasks each on one window. Nothing is measured by an assertion: the figures are printed.

use services::redis::Redis;
use services::service::{Limits, Received, Resets, Service};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

const PROCESSES: usize = 4;
const POSTS: usize = 60;
const WINDOW: Duration = Duration::from_secs(10);

struct Member {
    child: Child,
    warnings: JoinHandle<Vec<String>>,
}

struct Fleet {
    server: Redis,
    service: Service,
    members: Vec<Member>,
    began: Instant,
}

/// What became of a fleet.
struct Outcome {
    received: Vec<Received>,
    refused: Vec<Received>,
    warnings: Vec<usize>,
}

impl Fleet {
    async fn start(resets: Resets) -> Self {
        let limits = Limits { calls: POSTS as u64, window: WINDOW, posts: 10, room_window: WINDOW, resets };
        let (server, service) = (Redis::start(), Service::start(limits).await);
        let members = (0..PROCESSES).map(|number| Member::start(number, &server, &service)).collect();
        Self { server, service, members, began: Instant::now() }
    }

    /// Until about half of the posts are done.
    async fn until_half(&self) {
        while self.service.received().len() < PROCESSES * POSTS / 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until all members have ended, and returns what they did.
    async fn end(self, name: &str) -> Outcome {
        let mut warnings = Vec::new();
        for mut member in self.members {
            member.child.wait().await.expect("it was started");
            let lines = member.warnings.await.expect("it reads");
            let warned: Vec<_> = lines.iter().filter(|line| line.contains(" WARN ")).collect();
            warnings.push(warned.len());
            if let Some(first) = lines.iter().find(|line| !line.contains(" INFO ")) {
                println!("{name}: {first}");
            }
        }
        let (received, refused) = (self.service.received(), self.service.refused());
        let took = received.last().map_or(Duration::ZERO, |last| last.at);
        // Every window but the last has to end.
        let floor = WINDOW * (received.len().div_ceil(POSTS) - 1) as u32;
        println!(
            "{name}: {} posts in {took:.2?}, {:.3} of the floor of {floor:?}, {} × 429, warnings {warnings:?}, {:.1?} in all",
            received.len(),
            took.as_secs_f64() / floor.as_secs_f64(),
            refused.len(),
            self.began.elapsed(),
        );
        for window in 0..4 {
            let counts = (0..PROCESSES).map(|member| {
                let name = format!("m{member}-");
                let own = received.iter().filter(|post| post.text.starts_with(&name));
                own.filter(|post| post.at.as_millis() / 10_020 == window).count()
            });
            println!("{name}: window {window}: {:?}", counts.collect::<Vec<_>>());
        }
        for refused in &refused {
            println!(
                "{name}: {} was refused at {:.2?}, after {} calls",
                refused.text, refused.at, refused.used
            );
        }
        Outcome { received, refused, warnings }
    }
}

impl Member {
    fn start(number: usize, server: &Redis, service: &Service) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_member"))
            .env("NAME", format!("m{number}"))
            .env("POSTS", POSTS.to_string())
            .env("PROCESSES", PROCESSES.to_string())
            .env("REDIS", server.url())
            .env("SERVICE", &service.address)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program is built with the tests");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let warnings = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                all.push(line);
            }
            all
        });
        Self { child, warnings }
    }
}

impl Outcome {
    /// How often each text of these members was posted.
    fn times(&self, members: std::ops::Range<usize>) -> Vec<usize> {
        let mut times = BTreeMap::<&str, usize>::new();
        for received in &self.received {
            *times.entry(&received.text).or_default() += 1;
        }
        let texts = members.flat_map(|member| (0..POSTS).map(move |number| format!("m{member}-{number}")));
        texts.map(|text| times.get(&*text).copied().unwrap_or(0)).collect()
    }

    /// At the edges of an outage some calls are refused, since the processes do not notice it at the same moment: on a quiet
    /// machine none or one of each process, and on a busy one more. If the parts did not hold, it would be a window's rest.
    fn assert_few_refused(&self) {
        assert!(self.refused.len() <= POSTS / PROCESSES, "{:?}", self.refused);
    }

    fn assert_each_once(&self) {
        assert_eq!(self.times(0..PROCESSES), vec![1; PROCESSES * POSTS], "lost or doubled");
    }
}

/// With `KAIWA_PICTURE` it draws the picture of the guide page "many processes" into that file.
#[tokio::test]
async fn undisturbed_with_exact_resets_nothing_is_refused() {
    let outcome = Fleet::start(Resets::Exact).await.end("exact resets").await;
    if let Some(path) = std::env::var_os("KAIWA_PICTURE") {
        std::fs::write(path, picture(&outcome.received)).expect("the file can be written");
    }
    outcome.assert_each_once();
    assert_eq!((outcome.refused.len(), outcome.warnings), (0, vec![0; PROCESSES]));
}

#[tokio::test]
async fn undisturbed_with_resets_in_whole_seconds_nothing_is_refused() {
    let outcome = Fleet::start(Resets::WholeSeconds).await.end("whole seconds").await;
    outcome.assert_each_once();
    assert_eq!((outcome.refused.len(), outcome.warnings), (0, vec![0; PROCESSES]));
}

#[tokio::test]
async fn the_permits_of_a_killed_process_come_back() {
    let mut fleet = Fleet::start(Resets::Exact).await;
    fleet.until_half().await;
    fleet.members[3].child.start_kill().expect("it runs");
    let outcome = fleet.end("a process killed").await;
    assert_eq!(outcome.times(0..3), vec![1; 3 * POSTS], "the others have posted everything");
    assert!(outcome.times(3..4).iter().all(|times| *times <= 1), "nothing was posted twice");
    assert_eq!(outcome.refused.len(), 0);
}

#[tokio::test]
async fn a_killed_server_is_replaced_by_parts_of_the_budgets_until_it_is_back() {
    let mut fleet = Fleet::start(Resets::Exact).await;
    fleet.until_half().await;
    fleet.server.kill();
    tokio::time::sleep(Duration::from_secs(9)).await;
    fleet.server.restart();
    disturbed(fleet.end("Redis killed for 9 s").await);
}

#[tokio::test]
async fn a_server_that_hangs_holds_nobody_up() {
    let fleet = Fleet::start(Resets::Exact).await;
    fleet.until_half().await;
    fleet.server.suspend();
    tokio::time::sleep(Duration::from_secs(2)).await;
    fleet.server.resume();
    disturbed(fleet.end("Redis stopped for 2 s").await);
}

#[tokio::test]
async fn a_server_that_loses_everything_learns_it_again() {
    let fleet = Fleet::start(Resets::Exact).await;
    fleet.until_half().await;
    fleet.server.command("FLUSHALL");
    fleet.server.command("SCRIPT FLUSH");
    let outcome = fleet.end("FLUSHALL and SCRIPT FLUSH").await;
    outcome.assert_each_once();
    outcome.assert_few_refused();
    assert_eq!(outcome.warnings, [0; PROCESSES]);
}

/// Nothing is lost or doubled, few calls are refused, and each process logs the outage once.
fn disturbed(outcome: Outcome) {
    outcome.assert_each_once();
    outcome.assert_few_refused();
    assert!(outcome.warnings.iter().all(|warnings| *warnings <= 1), "{:?}", outcome.warnings);
}

/// Each post as a dot, a row for each process; and above how much of the window is used.
fn picture(received: &[Received]) -> String {
    const COLOURS: [&str; PROCESSES] = ["#c2410c", "#0369a1", "#15803d", "#7e22ce"];
    let x = |at: Duration| (60.0 + at.as_secs_f64() * 18.0) * 10.0;
    let (mut dots, mut used) = (vec![String::new(); PROCESSES], String::new());
    for post in received {
        let member: usize = post.text[1..2].parse().expect("a number");
        dots[member] += &format!("M{:.0} {}h0", x(post.at), 1_000 + member * 160);
        let height = 800.0 - post.used as f64 * 10.0;
        used += &format!("{}{:.0} {height:.0}", if used.is_empty() { "M" } else { "L" }, x(post.at));
    }
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 660 190\" width=\"660\" role=\"img\" aria-label=\"Posts of four \
         processes over thirty seconds: each window of ten seconds is used up once by all of them together\">\n\
         <g font-family=\"sans-serif\" font-size=\"11\" fill=\"#6b7280\">\n",
    );
    for (text, y) in [("60", 24), ("calls", 54), ("0", 84)] {
        svg += &format!("<text x=\"50\" y=\"{y}\" text-anchor=\"end\">{text}</text>\n");
    }
    for (member, y) in (0..PROCESSES).map(|member| (member, 104 + member * 16)) {
        svg += &format!("<text x=\"50\" y=\"{y}\" text-anchor=\"end\">process {}</text>\n", member + 1);
    }
    for second in (0..=30).step_by(10) {
        let x = 60 + second * 18;
        svg += &format!("<path d=\"M{x} 14V160\" stroke=\"#9ca3af\" stroke-dasharray=\"2 3\"/>\n");
        svg += &format!("<text x=\"{x}\" y=\"178\" text-anchor=\"middle\">{second} s</text>\n");
    }
    svg += &format!(
        "</g>\n<g transform=\"scale(.1)\" fill=\"none\">\n<path d=\"{used}\" stroke=\"#6b7280\" stroke-width=\"12\"/>\n"
    );
    for (dots, colour) in dots.iter().zip(COLOURS) {
        svg += &format!(
            "<path d=\"{dots}\" stroke=\"{colour}\" stroke-width=\"50\" stroke-linecap=\"round\"/>\n"
        );
    }
    svg + "</g>\n</svg>\n"
}
