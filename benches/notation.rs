//! Compares the time to read messages with the least that reading can cost: a scan of the same bytes for `[`.
//!
//! ```text
//! cargo bench --bench notation
//! ```
//!
//! Both are timed in turns, and the best round of each counts, so the ratio of the two is meaningful even on a busy
//! machine. The messages are about as long as the service allows. For hostile messages the time for twice the length is
//! printed as well: a factor of 2 is linear, a factor of 4 would be quadratic. Cheap work per byte costs more once the
//! text has outgrown a cache; the scan shows by how much.

use kaiwa::chatwork::notation::parse;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A message has at most 65,535 characters.
const LENGTH: usize = 64 * 1024;

/// How long one round of one measurement takes at least.
const ROUND: Duration = Duration::from_millis(25);
const ROUNDS: usize = 12;

fn main() {
    println!(
        "{:<24} {:>7} {:>7} {:>10} {:>10} {:>7}",
        "message", "KiB", "nodes", "read MB/s", "scan MB/s", "ratio"
    );
    let chat = "[To:12] Bob さん\nおはようございます。昨日の件、確認しました。\n\
        [rp aid=34 to=56-78] Aliceさん\n[qt][qtmeta aid=34 time=1790000000]資料はどこですか[/qt]\n\
        https://example.com/docs/1 に置きました。(bow)\n[info][title]お知らせ[/title]明日は休みです。\n[hr]以上[/info]\n";
    let dense = "[To:1][picon:2][hr][info][title]a[/title][code]b[0][/code][/info][qt][qtmeta aid=3 time=4][url]c[/url][/qt]";
    let friendly = [
        (
            "plain Japanese",
            "おはようございます。昨日の打ち合わせの件、確認しました。よろしくお願いします。\n",
        ),
        ("chat", chat),
        ("tags only", dense),
    ];
    for (name, piece) in friendly {
        measure(name, &repeated(piece, LENGTH));
    }
    let hostile = [
        ("[[[[", "["),
        ("]]]]", "]"),
        ("[info][info] unclosed", "[info]"),
        ("[qt][info] unclosed", "[qt][info]"),
        ("[code] unclosed", "[code]"),
        ("[url] unclosed", "[url]"),
        ("[/info] unopened", "[/info]"),
        ("[a [a [a", "[a "),
        ("[task aid=1,1,1", "1,"),
        ("[info][title] nested", "[info][title]"),
    ];
    let mut growth = Vec::new();
    for (name, piece) in hostile {
        let begin = if name.starts_with("[task") { "[task aid=" } else { "" };
        let text = format!("{begin}{}", repeated(piece, LENGTH));
        measure(name, &text);
        // Long enough that a quadratic part dominates the linear ones.
        let growth_of = |pass: fn(&str) -> usize| {
            let [once, twice] = [8, 16].map(|times| {
                let text = format!("{begin}{}", repeated(piece, times * LENGTH));
                best(|| time(&text, pass)).as_secs_f64()
            });
            twice / once
        };
        growth.push((name, growth_of(read), growth_of(scan)));
    }
    println!("\ntime for twice the length, {} to {} KiB", 8 * LENGTH / 1024, 16 * LENGTH / 1024);
    println!("{:<24} {:>7} {:>7}", "message", "read", "scan");
    for (name, reading, scanning) in growth {
        println!("{name:<24} {reading:>7.2} {scanning:>7.2}");
    }
}

fn repeated(piece: &str, length: usize) -> String {
    piece.repeat(length.div_ceil(piece.len()))
}

/// What a reader of a message does: visits every node, and looks at its kind.
fn read(text: &str) -> usize {
    let document = parse(text);
    document.descendants().fold(0, |nodes, node| {
        black_box(node.kind());
        nodes + 1
    })
}

fn scan(text: &str) -> usize {
    memchr::memchr_iter(b'[', text.as_bytes()).fold(0, |brackets, at| {
        black_box(at);
        brackets + 1
    })
}

fn measure(name: &str, text: &str) {
    let (mut reading, mut scanning) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        reading = reading.min(time(text, read));
        scanning = scanning.min(time(text, scan));
    }
    let speed = |took: Duration| text.len() as f64 / 1e6 / took.as_secs_f64();
    let ratio = reading.as_secs_f64() / scanning.as_secs_f64();
    println!(
        "{name:<24} {:>7} {:>7} {:>10.0} {:>10.0} {ratio:>7.1}",
        text.len() / 1024,
        read(text),
        speed(reading),
        speed(scanning),
    );
}

fn best(mut round: impl FnMut() -> Duration) -> Duration {
    (0..ROUNDS).map(|_| round()).min().unwrap_or_default()
}

/// The time for one pass over the text, from as many as fit into a round.
fn time(text: &str, pass: fn(&str) -> usize) -> Duration {
    let began = Instant::now();
    let mut passes = 0;
    loop {
        black_box(pass(black_box(text)));
        passes += 1;
        let took = began.elapsed();
        if took >= ROUND {
            return took / passes;
        }
    }
}
