//! Programs for TAS-CHA and Lancers.

use crate::{PATIENCE, Town, program};
use kaiwa::sandbox::tascha::{RoomSeed, Seed};
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

#[tokio::test]
async fn a_task_is_made_once_for_each_key() {
    let town = Town::new().await;
    let before = town.sandbox.tascha().room(Seed::ROOM).tasks().len();
    let lost = Script::on("create_task").then(Fault::reset().after());
    town.sandbox.faults().script(Provider::Tascha, lost);
    let task = ["order-42", "見積もりを送る", "2026-12-01T18:00:00+09:00"];
    let first = town.done(program!("tascha_task"), &task).await;
    let second = town.done(program!("tascha_task"), &task).await;

    let tasks = town.sandbox.tascha().room(Seed::ROOM).tasks();
    assert_eq!(tasks.len(), before + 1);
    let task = tasks.iter().find(|task| task.title == "見積もりを送る").expect("it is there");
    assert_eq!(task.due_date, "2026-12-01T09:00:00Z".parse().ok());
    assert_eq!(first, format!("task {}: 見積もりを送る, due 2026-12-01T09:00:00Z\n", task.id));
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_reply_has_its_file_and_is_there_once_if_its_answer_is_lost() {
    let town = Town::new().await;
    let id = town.sandbox.lancers().boards()[0].id;
    let board = town.sandbox.lancers().board(id);
    fs::write(town.folder.path().join("見積もり.txt"), "合計 12,000 円").expect("it is written");
    let reply = async |text: &str| {
        let out = town.done(program!("lancers_reply"), &[&id.to_string(), text, "見積もり.txt"]).await;
        let messages = board.messages();
        let [message] =
            &messages.iter().filter(|message| message.description == text).collect::<Vec<_>>()[..]
        else {
            panic!("{messages:?}")
        };
        assert_eq!(out, format!("replied with 見積もり.txt: message {}\n", message.id));
        let [file] = &message.files[..] else { panic!("{message:?}") };
        assert_eq!(board.content_of(file.id), "合計 12,000 円");
    };
    reply("見積もりをお送りします").await;
    let lost = Script::on("post_message").then(Fault::reset().after());
    town.sandbox.faults().script(Provider::Lancers, lost);
    reply("もう一度お送りします").await;
}

/// The numbers of the messages in the file.
fn exported(town: &Town) -> Vec<String> {
    let lines = fs::read_to_string(town.folder.path().join("room.jsonl")).expect("it is there");
    let body =
        |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["body"].as_str().map(str::to_owned);
    lines.lines().filter_map(body).collect()
}

#[tokio::test]
async fn an_export_that_is_killed_goes_on_without_loss_or_repeat() {
    const MESSAGES: usize = 4_000;
    let room = RoomSeed::new("ckroomlong", "長い部屋").members([Seed::USER]).messages(MESSAGES);
    let seed = Seed::default().unlimited().room(room);
    let town = Town::with(Sandbox::builder().tascha(seed)).await;
    let slow = Script::any().then(Fault::slow_headers(Duration::from_millis(100))).forever();
    town.sandbox.faults().script(Provider::Tascha, slow);
    let mut export = town.command(program!("resume_export"));
    export.arg("room.jsonl").env("TASCHA_ROOM", "ckroomlong");
    let path = town.folder.path().join("room.jsonl");
    // As if it had been killed when it had only made the file.
    fs::write(&path, "").expect("it is written");
    let mut killed = export.stdout(Stdio::null()).spawn().expect("it is built with the tests");
    let begun = async {
        while fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.expect("it begins");
    killed.kill().await.expect("it runs");
    // As if it had been killed while it wrote a line.
    let written = fs::read(&path).expect("it is there");
    fs::write(&path, [&written[..], b"{\"half a"].concat()).expect("it is written");
    town.sandbox.faults().clear(Provider::Tascha);

    let ended = crate::end(&mut export, "").await;
    assert!(ended.success, "{ended:?}");
    let numbers = |last: usize| (1..=last).map(|number| format!("Message {number}")).collect::<Vec<_>>();
    assert!(exported(&town) == numbers(MESSAGES), "{:?}", exported(&town).len());
    // Later it adds what is new.
    town.sandbox.tascha().room("ckroomlong").post(Seed::USER, &format!("Message {}", MESSAGES + 1));
    assert!(crate::end(&mut export, "").await.success);
    assert!(exported(&town) == numbers(MESSAGES + 1), "{:?}", exported(&town).len());

    let held = fs::File::open(&path).expect("it is there");
    held.lock().expect("nothing else has it");
    let ended = crate::end(&mut export, "").await;
    assert!(!ended.success && ended.err.contains("room.jsonl is being written"), "{ended:?}");
    drop(held);

    let whole = fs::read(&path).expect("it is there");
    fs::write(&path, &whole[..whole.len() - 1]).expect("it is written");
    let ended = crate::end(&mut export, "").await;
    assert!(!ended.success && ended.err.contains("room.jsonl is shorter than"), "{ended:?}");
    fs::write(&path, &whole).expect("it is written");
    fs::remove_file(town.folder.path().join("room.jsonl.place")).expect("it is there");
    let ended = crate::end(&mut export, "").await;
    assert!(!ended.success && ended.err.contains("room.jsonl is not of this export"), "{ended:?}");
    assert!(exported(&town) == numbers(MESSAGES + 1), "it is as it was");
}
