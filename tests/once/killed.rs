//! A notifier that is killed at each point of its run, and run again until it has ended.

use super::chatwork::Setting;
use super::{SECOND, SETTLE, calls, stored, until};
use kaiwa::chatwork::{AccountId, Sought};
use kaiwa::sandbox::Fault;
use std::time::Duration;

/// Where a run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    BeforeItIsStored,
    BeforeThePost,
    /// The request is on its way: it takes effect that much later, or not at all.
    DuringThePost(Option<u64>),
    AfterTheEffect,
    BeforeTheResultIsStored,
}

/// The file of the notifier.
#[derive(Default)]
struct Disk {
    intent: Option<Sought>,
    done: bool,
}

/// One run of the notifier. It ends early at this point, as if it were killed.
async fn run(setting: &Setting, disk: &mut Disk, end: Option<Point>) {
    let fault = match end {
        Some(Point::DuringThePost(Some(seconds))) => Some(Fault::late(SECOND * seconds as u32)),
        Some(Point::DuringThePost(None)) => Some(Fault::silence()),
        Some(Point::AfterTheEffect) => Some(Fault::silence().after()),
        _ => None,
    };
    let sought = match &disk.intent {
        Some(intent) => stored(intent),
        None => {
            let before = setting.clock.drive(setting.room().before_post("x", AccountId(1))).await.unwrap();
            if end == Some(Point::BeforeItIsStored) {
                return;
            }
            disk.intent = Some(stored(&*before));
            before.into_inner()
        }
    };
    if end == Some(Point::BeforeThePost) {
        return;
    }
    if let Some(fault) = fault {
        setting.fault("post_message", fault);
        let posts = || calls(&setting.sandbox).iter().filter(|call| **call == "post_message").count();
        let before = posts();
        let post = setting.clock.drive(setting.room().post_once(&sought).with_settle(SETTLE));
        // Dropped with the request that it has sent. A run that finds the message ends.
        tokio::select! {
            sent = post => {
                disk.done = sent.is_ok();
                setting.sandbox.faults().clear(kaiwa::sandbox::Provider::Chatwork);
            }
            () = until(|| posts() > before) => {}
        }
        return;
    }
    setting.once(&sought).await.unwrap();
    disk.done = end != Some(Point::BeforeTheResultIsStored);
}

const POINTS: [Point; 8] = [
    Point::BeforeItIsStored,
    Point::BeforeThePost,
    Point::DuringThePost(None),
    Point::DuringThePost(Some(1)),
    Point::DuringThePost(Some(20)),
    Point::DuringThePost(Some(36)),
    Point::AfterTheEffect,
    Point::BeforeTheResultIsStored,
];

#[tokio::test]
async fn it_is_there_once_wherever_the_runs_end() {
    for first in POINTS {
        for second in POINTS {
            let setting = Setting::new().await;
            let mut disk = Disk::default();
            run(&setting, &mut disk, Some(first)).await;
            if !disk.done {
                run(&setting, &mut disk, Some(second)).await;
            }
            if !disk.done {
                run(&setting, &mut disk, None).await;
            }
            assert!(disk.done);
            setting.clock.advance(Duration::from_secs(60));
            tokio::task::yield_now().await;
            assert_eq!(setting.bodies(), ["before", "x"], "killed {first:?}, then {second:?}");
        }
    }
}
