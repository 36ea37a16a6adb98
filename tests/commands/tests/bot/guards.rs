//! Who may use commands, where and how often.

use crate::world::{Cli, World};
use kaiwa::chatwork::bot::Context;
use kaiwa::chatwork::bot::commands::Guard;
use kaiwa::chatwork::{AccountId, Role, RoomId};
use kaiwa::sandbox::{Fault, Provider, Script};
use std::time::Duration;

const ALICE: u64 = 2;
const BOB: u64 = 3;
const ROOM: RoomId = RoomId(10);
const TO_BOT: &str = "[To:1]Bot\n/status";
const PERSON: &str = "この操作をする権限がありません。";

/// What the bot says to one message with this guard in front.
async fn guarded(world: &World, guard: &Guard, account: u64, room: RoomId, body: &str) -> Vec<String> {
    let handler = async |context: Context| {
        if let Some(command) = context.command::<Cli>().guard(guard).await? {
            context.reply(format!("{command:?}")).await?;
        }
        Ok(())
    };
    world.talk(world.bot(), [world.wrote(account, room, body)], handler).await
}

#[tokio::test]
async fn accounts_roles_and_rooms_are_checked_in_front() {
    let world = World::new().await;
    let accounts = Guard::new().accounts([AccountId(BOB)]);
    assert_eq!(guarded(&world, &accounts, BOB, ROOM, "/status").await, ["Status"]);
    assert_eq!(guarded(&world, &accounts, ALICE, ROOM, TO_BOT).await, [PERSON]);
    assert_eq!(guarded(&world, &accounts, ALICE, world.chat, "/status").await, [PERSON]);
    // Neither help nor problems are for those who are not admitted. Other talk is not answered, and neither is a command
    // that may be meant for another bot.
    assert_eq!(guarded(&world, &accounts, ALICE, ROOM, "[To:1]Bot\nhelp").await, [PERSON]);
    for body in ["/status", "/deploi", "おはよう", "status", "[toall]\n/status", "/deploy [To:3]Bobさん"]
    {
        assert!(guarded(&world, &accounts, ALICE, ROOM, body).await.is_empty(), "{body}");
    }
    assert!(guarded(&world, &accounts.clone().silent(), ALICE, ROOM, TO_BOT).await.is_empty());

    let calls = || {
        world.sandbox.requests().iter().filter(|request| request.operation == Some("list_members")).count()
    };
    assert_eq!(calls(), 0);
    let admins = Guard::new().roles([Role::Admin]);
    assert_eq!(guarded(&world, &admins, ALICE, ROOM, "/status").await, ["Status"]);
    assert_eq!(guarded(&world, &admins, BOB, ROOM, TO_BOT).await, [PERSON]);
    // Whoever is named needs no role.
    let either = admins.clone().accounts([AccountId(BOB)]);
    assert_eq!(guarded(&world, &either, BOB, ROOM, "/status").await, ["Status"]);
    assert_eq!(calls(), 2);

    let room = Guard::new().rooms([RoomId(11)]).accounts([AccountId(BOB)]);
    assert_eq!(guarded(&world, &room, BOB, RoomId(11), "/status").await, ["Status"]);
    assert_eq!(guarded(&world, &room, BOB, ROOM, TO_BOT).await, ["このルームでは使えません。"]);
    assert_eq!(guarded(&world, &room, ALICE, RoomId(11), TO_BOT).await, [PERSON]);
}

#[tokio::test]
async fn nobody_is_admitted_while_the_members_are_unknown() {
    let world = World::new().await;
    let script = Script::on("list_members").then(Fault::status(500)).forever();
    world.sandbox.faults().script(Provider::Chatwork, script);
    let guard = Guard::new().roles([Role::Admin]);
    let ran = std::cell::Cell::new(0);
    let handler = async |context: Context| {
        let result = context.command::<Cli>().guard(&guard).await;
        ran.set(ran.get() + usize::from(result.as_ref().is_ok_and(Option::is_some)));
        assert_eq!(result.expect_err("the service fails").status().map(|status| status.as_u16()), Some(500));
        Ok(())
    };
    let said = world.talk(world.bot(), [world.wrote(ALICE, ROOM, "/status")], handler).await;
    assert_eq!((said.len(), ran.get()), (0, 0));
}

#[tokio::test]
async fn everybody_has_a_window_of_their_own_on_the_clients_clock() {
    let world = World::new().await;
    let guard = Guard::new().limit(2, Duration::from_secs(3600));
    let status = async |account| guarded(&world, &guard, account, ROOM, TO_BOT).await;
    for _ in 0..2 {
        assert_eq!(status(ALICE).await, ["Status"]);
    }
    // Without an address nothing is said, and it is not the once.
    assert!(guarded(&world, &guard, ALICE, ROOM, "/status").await.is_empty());
    let said = status(ALICE).await;
    assert!(said[0].starts_with("使えるのは 60 分に 2 回までです。あと 60 分お待ちください。"), "{said:?}");
    assert!(status(ALICE).await.is_empty(), "it is said once");
    assert_eq!(status(BOB).await, ["Status"]);
    // Other talk does not count.
    assert!(guarded(&world, &guard, BOB, ROOM, "おはよう").await.is_empty());
    assert_eq!(status(BOB).await, ["Status"]);
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(status(ALICE).await, ["Status"]);
}

#[tokio::test]
async fn a_single_command_can_have_a_guard() {
    let world = World::new().await;
    let admins = Guard::new().roles([Role::Admin]);
    let handler = async |context: Context| match context.command::<Cli>().await? {
        Some(Cli::Deploy { .. }) if !admins.admits(&context).await? => Ok(()),
        Some(command) => context.reply(format!("{command:?}")).await.map(drop),
        None => Ok(()),
    };
    let bodies = ["/deploy prod", "[To:1]Bot\n/deploy prod", "/status"];
    let events = bodies.map(|body| world.wrote(BOB, ROOM, body));
    assert_eq!(world.talk(world.bot(), events, handler).await, [PERSON, "Status"]);
}

#[tokio::test]
async fn a_spawned_bot_owns_its_guard() {
    let world = World::new().await;
    let guard = Guard::new().limit(1, Duration::from_secs(60));
    let events = [TO_BOT, "/status", TO_BOT, TO_BOT].map(|body| world.wrote(ALICE, ROOM, body));
    let (of_the_bot, clone) = (guard.clone(), guard);
    let handler = move |context: Context| {
        let guard = of_the_bot.clone();
        async move {
            // By value, and by reference.
            let command = context.command::<Cli>().guard(Guard::new()).guard(&guard);
            match command.await? {
                Some(command) => context.reply(format!("{command:?}")).await.map(drop),
                None => Ok::<_, kaiwa::Error>(()),
            }
        }
    };
    let bot = world.bot().run(futures_util::stream::iter(events), handler);
    let summary = tokio::spawn(bot).await.expect("it does not panic").expect("it runs");
    assert_eq!((summary.handled, summary.failed), (4, 0));
    let said = world.said();
    assert_eq!(said[0], "Status");
    assert!(said[1].starts_with("使えるのは 60 秒に 1 回までです。"), "{said:?}");
    assert_eq!(said.len(), 2);
    // Clones count together.
    assert!(guarded(&world, &clone, ALICE, ROOM, "/status").await.is_empty());
}
