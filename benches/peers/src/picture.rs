//! Draws the ratios of the tables in `../README.md` as bars, for the READMEs of the crate.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A row of a table, by its first two cells, and its name in the pictures.
struct Row {
    work: &'static str,
    beside: &'static str,
    english: &'static str,
    japanese: &'static str,
}

const ROWS: [Row; 7] = [
    row("get", "bare-get", "a GET", "GET"),
    row("post", "bare-post", "a POST", "POST"),
    row("stream", "loop", "an item of a stream", "ストリームの 1 件"),
    row("lean", "by hand", "a cold build, lean", "クリーンビルド（lean）"),
    row("default", "by hand", "a cold build, default", "クリーンビルド（既定）"),
    row("octocrab", "bare-get", "octocrab: a GET", "octocrab: GET"),
    row("twilight", "bare-user", "twilight-http: a GET", "twilight-http: GET"),
];

/// Clients of other services.
const OTHERS: [&str; 2] = ["octocrab", "twilight"];

const TITLE: [&str; 2] = [
    "What kaiwa costs, compared with reqwest by hand (= 1)",
    "kaiwa のコスト（reqwest を直接使う場合を 1 とする）",
];

const WIDTH: usize = 720;
const ROW: usize = 32;
const TOP: usize = 56;
/// Where the bars begin, and how long one of the ratio 1 is.
const LEFT: usize = 230;
const UNIT: f64 = 240.0;

const fn row(work: &'static str, beside: &'static str, english: &'static str, japanese: &'static str) -> Row {
    Row { work, beside, english, japanese }
}

/// Writes `cost.svg` and `cost.ja.svg` into the folder of the benches.
pub fn draw() {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tables = fs::read_to_string(benches.join("README.md")).expect("the tables are there");
    let bars = ROWS.map(|row| {
        let ratio = ratio(&tables, &row).unwrap_or_else(|| panic!("no ratio of {} in README.md", row.work));
        (row, ratio)
    });
    for (name, language) in [("cost.svg", 0), ("cost.ja.svg", 1)] {
        fs::write(benches.join(name), svg(&bars, language)).expect("the folder can be written");
    }
}

/// The cell below `ratio`.
fn ratio(tables: &str, row: &Row) -> Option<f64> {
    let mut column = None;
    for line in tables.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let Some(found) = cells.iter().position(|cell| *cell == "ratio") {
            column = Some(found);
        } else if cells.starts_with(&[row.work, row.beside]) {
            return cells.get(column?)?.parse().ok();
        }
    }
    None
}

fn svg(bars: &[(Row, f64)], language: usize) -> String {
    let height = TOP + ROW * bars.len() + 12;
    let mut picture = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="15">
<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>
<text x="16" y="30" font-weight="bold" fill="#1f2328">{}</text>
"##,
        TITLE[language]
    );
    for (place, (row, ratio)) in bars.iter().enumerate() {
        let (top, long) = (TOP + ROW * place, (UNIT * ratio).min((WIDTH - LEFT - 60) as f64));
        let name = [row.english, row.japanese][language];
        let colour = if OTHERS.contains(&row.work) { "#9aa4ae" } else { "#2f6f9f" };
        writeln!(
            picture,
            r##"<text x="{}" y="{}" text-anchor="end" fill="#1f2328">{name}</text><rect x="{LEFT}" y="{top}" width="{long:.0}" height="20" fill="{colour}"/><text x="{:.0}" y="{}" fill="#1f2328">{ratio:.2}</text>"##,
            LEFT - 10,
            top + 15,
            LEFT as f64 + long + 8.0,
            top + 15
        )
        .expect("a text grows");
    }
    let (one, bottom) = (LEFT as f64 + UNIT, height - 8);
    writeln!(
        picture,
        r##"<line x1="{one}" y1="{}" x2="{one}" y2="{bottom}" stroke="#1f2328" stroke-dasharray="4 3"/>"##,
        TOP - 8
    )
    .expect("a text grows");
    picture + "</svg>\n"
}
