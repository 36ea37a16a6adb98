//! Programs that post through an outbox.

use crate::{PATIENCE, ROOM, Town, end, program};
use kaiwa::sandbox::{Fault, Provider, Script};
use std::fs;
use std::time::Duration;

const SEPARATE: &str = "[/info]";

#[tokio::test]
async fn a_long_report_is_posted_in_parts_once_and_in_order() {
    let town = Town::new().await;
    let report: String = (1..=9_000).map(|number| format!("{number} 件目の売り上げ\n")).collect();
    let mut outs = Vec::new();
    for _ in 0..2 {
        let ended = end(town.command(program!("split_report")).arg("売上-11月"), &report).await;
        assert!(ended.success, "{ended:?}");
        outs.push(ended.out);
    }
    let parts = town.messages("件目の売り上げ");
    assert!(parts.len() >= 2, "{}", parts.len());
    assert!(parts.iter().all(|part| part.body.contains("[info]") && part.body.contains(SEPARATE)));
    assert_eq!(outs, vec![format!("売上-11月 is there, in {} parts\n", parts.len()); 2]);
    let numbers: Vec<usize> = parts
        .iter()
        .flat_map(|part| {
            part.body.split(['\n', ']', '[']).filter_map(|line| line.strip_suffix(" 件目の売り上げ"))
        })
        .map(|number| number.parse().expect("a number"))
        .collect();
    assert_eq!(numbers, (1..=9_000).collect::<Vec<_>>());

    // A report that could not be made is not posted, and its name stays free.
    let report = async |text| end(town.command(program!("split_report")).arg("売上-12月"), text).await;
    let ended = report(" \n").await;
    assert!(!ended.success && ended.err.contains("the report is empty"), "{ended:?}");
    // Other programs have used up what the room allows.
    let busy = Script::on("post_message").then(Fault::too_many_requests(Some(Duration::from_secs(1))));
    town.sandbox.faults().script(Provider::Chatwork, busy);
    assert!(report("十二月の分").await.success);
    assert_eq!(town.messages("十二月の分").len(), 1);

    let other = end(town.command(program!("split_report")).arg("売上-11月"), "短い").await;
    assert!(!other.success && other.err.contains("belongs to another request"), "{other:?}");
}

#[tokio::test]
async fn a_part_whose_answer_is_lost_is_not_posted_again_at_once() {
    let town = Town::new().await;
    let lost = Script::on("post_message").then(Fault::reset().after());
    town.sandbox.faults().script(Provider::Chatwork, lost);
    for _ in 0..2 {
        let ended = end(town.command(program!("split_report")).arg("短い報告"), "一行だけ").await;
        assert!(!ended.success && ended.err.starts_with("Error: 短い報告-1 is "), "{ended:?}");
        assert!(ended.err.contains("run it again in two minutes"), "{ended:?}");
    }
    assert_eq!(town.messages("一行だけ").len(), 1);
}

#[tokio::test]
async fn a_part_that_was_refused_is_posted_when_it_is_run_again() {
    let town = Town::new().await;
    town.sandbox.faults().script(Provider::Chatwork, Script::on("post_message").then(Fault::status(403)));
    let report = async || end(town.command(program!("split_report")).arg("報告"), "招待のあと").await;
    let ended = report().await;
    assert!(!ended.success && ended.err.starts_with("Error: 報告-1 is rejected"), "{ended:?}");
    let ended = report().await;
    assert!(ended.success && town.messages("招待のあと").len() == 1, "{ended:?}");
}

#[tokio::test]
async fn a_job_runs_once_a_day_and_its_report_says_how_it_ended() {
    let town = Town::new().await;
    let job = ["backup", "sh", "-c", "echo run >>runs; echo 'disk [toall] full' >&2; exit 3"];
    for _ in 0..2 {
        let out = town.done(program!("nightly_job"), &job).await;
        assert!(out.starts_with("the report of backup-20") && out.ends_with(" is sent\n"), "{out}");
    }
    assert_eq!(fs::read_to_string(town.folder.path().join("runs")).expect("it ran"), "run\n");
    let reports = town.messages("backup-20");
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert!(report.body.contains("exit status: 3") && report.body.contains("disk"), "{}", report.body);
    assert!(!kaiwa::chatwork::notation::parse(&report.body).notifies(2.into()), "{}", report.body);

    town.done(program!("nightly_job"), &["absent", "no-such-program"]).await;
    assert_eq!(town.messages("cannot be started").len(), 1);

    // What it has said last, of more than a message holds.
    town.done(program!("nightly_job"), &["long", "sh", "-c", "seq 1 50000 >&2; echo 最後の行 >&2"]).await;
    assert_eq!(town.messages("最後の行").len(), 1);
}

#[tokio::test]
async fn a_job_that_is_running_is_not_started_again() {
    let town = Town::new().await;
    let mut first = town.command(program!("nightly_job"));
    first.args(["backup", "sh", "-c", "echo run >>runs; until [ -e go ]; do sleep 0.1; done"]);
    let mut first = first.spawn().expect("it is built with the tests");
    let folder = town.folder.path();
    let begun = async {
        while !folder.join("runs").exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.expect("it begins");
    let second = town.run(program!("nightly_job"), &["backup", "sh", "-c", "echo run >>runs"]).await;
    assert!(!second.success && second.err.starts_with("Error: backup is running"), "{second:?}");
    town.done(program!("nightly_job"), &["another", "true"]).await;
    fs::write(folder.join("go"), "").expect("it is written");
    assert!(first.wait().await.expect("it ran").success());
    assert_eq!(fs::read_to_string(folder.join("runs")).expect("it ran"), "run\n");
    assert_eq!(town.messages("backup-20").len(), 1);
}

#[tokio::test]
async fn one_message_reaches_all_three_services_once() {
    let town = Town::new().await;
    let board = town.sandbox.lancers().boards()[0].id;
    let post = async |key: &str, text: &str| {
        let mut program = town.command(program!("post_to_all"));
        end(program.args([key, text]).env("LANCERS_BOARD", board.to_string()), "").await
    };
    let everywhere = |text: &str| {
        let tascha = town.sandbox.tascha().room(kaiwa::sandbox::tascha::Seed::ROOM).messages();
        let lancers = town.sandbox.lancers().board(board).messages();
        let tascha = tascha.iter().filter(|message| message.body == text).count();
        let lancers = lancers.iter().filter(|message| message.description == text).count();
        (
            town.sandbox.chatwork().room(ROOM).messages().iter().filter(|post| post.body == text).count(),
            tascha,
            lancers,
        )
    };
    for _ in 0..2 {
        let ended = post("release-1", "リリースしました").await;
        assert!(ended.success, "{ended:?}");
        let lines = ["tascha", "chatwork", "lancers"].map(|service| format!("release-1-{service} is sent"));
        assert_eq!(ended.out.lines().map(str::trim).collect::<Vec<_>>(), lines);
    }
    assert_eq!(everywhere("リリースしました"), (1, 1, 1));

    let refused = Script::on("create_message").then(Fault::status(403));
    town.sandbox.faults().script(Provider::Tascha, refused);
    let ended = post("release-2", "次のリリース").await;
    assert!(!ended.success && ended.out.contains("release-2-tascha is rejected"), "{ended:?}");
    assert!(ended.err.contains("1 of 3 are not sent"), "{ended:?}");
    assert_eq!(everywhere("次のリリース"), (1, 0, 1));
    let ended = post("release-2", "次のリリース").await;
    assert!(ended.success, "{ended:?}");
    assert_eq!(everywhere("次のリリース"), (1, 1, 1));

    // What cannot go to all of them goes to none, also not with the next message.
    let long = "長".repeat(20_000);
    let ended = post("release-3", &long).await;
    assert!(!ended.success && ended.err.contains("Nothing was sent"), "{ended:?}");
    let ended = post("release-3", "短い").await;
    assert!(ended.success, "{ended:?}");
    assert_eq!((everywhere("短い"), everywhere(&long)), ((1, 1, 1), (0, 0, 0)));
}
