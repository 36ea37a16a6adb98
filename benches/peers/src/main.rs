//! What a call costs, beside plain reqwest and by other services' clients: `cargo run --release` prints the table.
//!
//! Each figure is of one process that only calls; the server is another one. Instructions are counted by callgrind, for
//! twice as many calls less once as many, so that what happens once is not in them. Allocations are counted by the program's
//! own allocator in the same way.

#[cfg(feature = "others")]
mod others;
mod picture;
mod server;
mod work;

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Work, how often it is done, and what it is compared with.
struct Case {
    name: &'static str,
    count: usize,
    beside: &'static str,
    bounds: Option<Bounds>,
}

struct Bounds {
    /// The ratio of the instructions.
    instructions: f64,
    /// How many allocations more, for each call or item.
    allocations: f64,
}

const CALLS: usize = 300;
const ITEMS: usize = 20_000;

/// A bound is above what is reached by what differs from run to run, 2 to 3 %. `README.md` has the goals, and says what keeps a
/// GET above its own. The clients of others have none.
const CASES: &[Case] = &[
    case("get", CALLS, "bare-get", Some(Bounds { instructions: 1.15, allocations: 4.0 })),
    case("get", CALLS, "same-get", Some(Bounds { instructions: 1.13, allocations: 4.0 })),
    case("get-64", 640, "bare-get-64", Some(Bounds { instructions: 1.18, allocations: 4.0 })),
    case("post", CALLS, "bare-post", Some(Bounds { instructions: 1.17, allocations: 4.0 })),
    case("stream", ITEMS, "loop", Some(Bounds { instructions: 1.25, allocations: 1.2 })),
    case("lenient", ITEMS, "loop", Some(Bounds { instructions: 1.52, allocations: 1.3 })),
    #[cfg(feature = "others")]
    case("octocrab", CALLS, "bare-get", None),
    #[cfg(feature = "others")]
    case("twilight", CALLS, "bare-user", None),
];

const fn case(name: &'static str, count: usize, beside: &'static str, bounds: Option<Bounds>) -> Case {
    Case { name, count, beside, bounds }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server"] => server::run(),
        ["work", name, address, count] => {
            work::run(name, address, count.parse().expect("a number"));
            println!("{}", ALLOCATIONS.load(Ordering::Relaxed));
        }
        ["--check"] => table(true),
        ["picture"] => picture::draw(),
        [] => table(false),
        _ => panic!("no arguments, `--check` to compare with the bounds, or `picture` to draw the figures"),
    }
}

fn table(check: bool) {
    let (mut server, address) = serve();
    println!(
        "| work | beside | instructions | of the other | ratio | bound | allocations | of the other | more | bound |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut failed = false;
    for &Case { name, count, beside, ref bounds } in CASES {
        let (own, other) = (measure(name, &address, count), measure(beside, &address, count));
        let (ratio, more) = (own.0 / other.0, own.1 - other.1);
        let (bound, most) = bounds.as_ref().map_or(("none".to_owned(), "none".to_owned()), |bounds| {
            (format!("{:.2}", bounds.instructions), format!("{:+.1}", bounds.allocations))
        });
        println!(
            "| {name} | {beside} | {:.0} | {:.0} | {ratio:.3} | {bound} | {:.2} | {:.2} | {more:+.2} | {most} |",
            own.0, other.0, own.1, other.1
        );
        failed |=
            bounds.as_ref().is_some_and(|bounds| ratio > bounds.instructions || more > bounds.allocations);
    }
    server.kill().expect("the server is there");
    server.wait().expect("the server is there");
    assert!(!(check && failed), "a figure is above its bound");
}

fn serve() -> (Child, String) {
    use std::io::{BufRead, BufReader};
    let program = std::env::current_exe().expect("this program");
    let mut server = Command::new(program).arg("server").stdout(Stdio::piped()).spawn().expect("it starts");
    let mut address = String::new();
    let output = server.stdout.take().expect("it is piped");
    BufReader::new(output).read_line(&mut address).expect("it says where it is");
    (server, address.trim().to_owned())
}

/// Instructions and allocations for each call or item.
fn measure(name: &str, address: &str, count: usize) -> (f64, f64) {
    let (once, twice) = (run(name, address, count), run(name, address, 2 * count));
    let each = |once: u64, twice: u64| (twice - once) as f64 / count as f64;
    (each(once.0, twice.0), each(once.1, twice.1))
}

fn run(name: &str, address: &str, count: usize) -> (u64, u64) {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["work", name, address, &count.to_string()])
        .output()
        .expect("valgrind is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).expect("callgrind counted");
    let instructions = collected.1.trim().parse().expect("a number");
    let allocations = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number");
    (instructions, allocations)
}
