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
    assert_eq!(guarded(&world, &accounts, ALICE, ROOM, "/status").await, [PERSON]);
    // Neither help nor problems are for those who are not admitted, and other talk is not answered.
    assert_eq!(guarded(&world, &accounts, ALICE, ROOM, "[To:1]Bot\nhelp").await, [PERSON]);
    for body in ["/deploi", "おはよう", "status"] {
        assert!(guarded(&world, &accounts, ALICE, ROOM, body).await.is_empty(), "{body}");
    }
    assert!(guarded(&world, &accounts.clone().silent(), ALICE, ROOM, "/status").await.is_empty());

    let calls = || {
        world.sandbox.requests().iter().filter(|request| request.operation == Some("list_members")).count()
    };
    assert_eq!(calls(), 0);
    let admins = Guard::new().roles([Role::Admin]);
    assert_eq!(guarded(&world, &admins, ALICE, ROOM, "/status").await, ["Status"]);
    assert_eq!(guarded(&world, &admins, BOB, ROOM, "/status").await, [PERSON]);
    // Whoever is named needs no role.
    let either = admins.clone().accounts([AccountId(BOB)]);
    assert_eq!(guarded(&world, &either, BOB, ROOM, "/status").await, ["Status"]);
    assert_eq!(calls(), 2);

    let room = Guard::new().rooms([RoomId(11)]).accounts([AccountId(BOB)]);
    assert_eq!(guarded(&world, &room, BOB, RoomId(11), "/status").await, ["Status"]);
    assert_eq!(guarded(&world, &room, BOB, ROOM, "/status").await, ["このルームでは使えません。"]);
    assert_eq!(guarded(&world, &room, ALICE, RoomId(11), "/status").await, [PERSON]);
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
    let status = async |account| guarded(&world, &guard, account, ROOM, "/status").await;
    for _ in 0..2 {
        assert_eq!(status(ALICE).await, ["Status"]);
    }
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
    let events = ["/deploy prod", "/status"].map(|body| world.wrote(BOB, ROOM, body));
    assert_eq!(world.talk(world.bot(), events, handler).await, [PERSON, "Status"]);
}
