use super::*;
use kaiwa::chatwork::Role;
use kaiwa::sandbox::chatwork::Room;

#[tokio::test]
async fn a_room_is_made_changed_and_deleted() {
    let (sandbox, _, bot) = bot().await;
    let form = [
        ("name", "新しい"),
        ("members_admin_ids", "1"),
        ("members_member_ids", "2,3"),
        ("description", "d"),
        ("icon_preset", "beer"),
        ("link", "1"),
        ("link_code", "new_room"),
        ("link_need_acceptance", "0"),
    ];
    let id = bot.post("/rooms", &form).await.ok()["room_id"].as_u64().unwrap();
    let path = format!("/rooms/{id}");
    let room = bot.get(&path).await.ok();
    assert_eq!(
        (&room["name"], &room["type"], &room["role"]),
        (&"新しい".into(), &"group".into(), &"admin".into())
    );
    assert_eq!(room["description"], "d");
    let link = bot.get(&format!("{path}/link")).await.ok();
    assert_eq!((&link["public"], &link["need_acceptance"]), (&true.into(), &false.into()));
    assert!(link["url"].as_str().unwrap().ends_with("/g/new_room"));

    assert_eq!(bot.put(&path, &[("name", "Renamed"), ("description", "")]).await.ok()["room_id"], id);
    let view = sandbox.chatwork().room(id);
    assert_eq!(
        (view.name(), view.description(), view.icon_preset()),
        ("Renamed".into(), "".into(), "beer".into())
    );
    assert_eq!(bot.put(&path, &[("icon_preset", "rocket")]).await.status, 400);
    assert_eq!(bot.put(&path, &[("name", &"x".repeat(256))]).await.status, 400);

    let alice = Api::new(&sandbox, ALICE);
    assert_eq!(alice.put(&path, &[("name", "Mine")]).await.status, 403);
    assert_eq!(alice.delete(&path, &[("action_type", "delete")]).await.status, 403);
    assert_eq!(bot.delete(&path, &[("action_type", "delete")]).await.status, 204);
    assert!(!view.exists());
    assert_eq!(bot.get(&path).await.status, 403);
}

#[tokio::test]
async fn the_required_parameters_of_a_room_are_checked() {
    let (sandbox, _, bot) = bot().await;
    let rooms = sandbox.chatwork().rooms().len();
    for form in [
        vec![("name", "x")],
        vec![("members_admin_ids", "1")],
        vec![("name", "x"), ("members_admin_ids", "1,a")],
        vec![("name", "x"), ("members_admin_ids", "1"), ("members_member_ids", "1")],
        vec![("name", "x"), ("members_admin_ids", "1,4")],
        vec![("name", "x"), ("members_admin_ids", "1,999")],
        vec![("name", "x"), ("members_admin_ids", "1"), ("link", "yes")],
        vec![("name", "x"), ("members_admin_ids", "1"), ("link_code", "a b")],
    ] {
        assert_eq!(bot.post("/rooms", &form).await.status, 400, "{form:?}");
    }
    assert_eq!(sandbox.chatwork().rooms().len(), rooms);
    let several =
        [("name", ""), ("members_admin_ids", "x"), ("members_member_ids", "y"), ("icon_preset", "z")];
    let errors = bot.post("/rooms", &several).await.refused(400).body["errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 4, "{errors}");
}

#[tokio::test]
async fn replacing_the_members_removes_the_others() {
    let (sandbox, _, bot) = bot().await;
    let form = [("members_admin_ids", "1"), ("members_readonly_ids", "2")];
    let lists = bot.put("/rooms/100/members", &form).await.ok();
    assert_eq!(lists, serde_json::json!({ "admin": [1], "member": [], "readonly": [2] }));
    let members = bot.get("/rooms/100/members").await.ok();
    let ids: Vec<_> =
        members.as_array().unwrap().iter().map(|member| member["account_id"].as_u64()).collect();
    assert_eq!(ids, [Some(1), Some(2)]);
    assert_eq!(sandbox.chatwork().room(100).member(2).unwrap().role, Role::Readonly);
    let (alice, bob) = (Api::new(&sandbox, ALICE), Api::new(&sandbox, BOB));
    assert_eq!(bob.get("/rooms/100").await.status, 403);
    let refused = alice.post("/rooms/100/messages", &[("body", "a")]).await.refused(403);
    assert_eq!(refused.error(), "You don't have permission to send/edit message.");
    assert_eq!(alice.put("/rooms/100/members", &form).await.status, 403);
    assert_eq!(bot.put("/rooms/100/members", &[]).await.status, 400);
}

#[tokio::test]
async fn leaving_a_room_removes_the_accounts_tasks_and_files() {
    let (sandbox, _, bot) = bot().await;
    sandbox.chatwork().room(100).assign_as(1, &[2], "stays");
    assert_eq!(bot.delete("/rooms/100", &[("action_type", "leave")]).await.status, 204);
    let tasks = sandbox.chatwork().room(100).tasks();
    assert_eq!(tasks.iter().map(|task| task.account.account_id.0).collect::<Vec<_>>(), [2]);
    assert_eq!(bot.get("/rooms/100/messages").await.status, 403);
    let me = bot.get("/me").await.ok();
    let my_chat = format!("/rooms/{}", me["room_id"]);
    assert_eq!(bot.get(&my_chat).await.ok()["type"], "my");
    assert_eq!(bot.delete(&my_chat, &[("action_type", "leave")]).await.status, 403);
}

#[tokio::test]
async fn a_link_is_made_replaced_and_taken_away() {
    let (sandbox, _, bot) = bot().await;
    let path = "/rooms/100/link";
    assert_eq!(bot.get(path).await.ok(), serde_json::json!({ "public": false }));
    assert_eq!(bot.put(path, &[]).await.status, 400);
    assert_eq!(bot.delete(path, &[]).await.status, 400);
    let form = [("code", "team-100"), ("need_acceptance", "0"), ("description", "Come in")];
    let made = bot.post(path, &form).await.ok();
    assert_eq!((&made["need_acceptance"], &made["description"]), (&false.into(), &"Come in".into()));
    assert_eq!(bot.post(path, &form).await.status, 400);
    // Omitted parameters are reset.
    let replaced = bot.put(path, &[]).await.ok();
    assert_eq!((&replaced["need_acceptance"], &replaced["description"]), (&true.into(), &"".into()));
    assert_ne!(replaced["url"], made["url"]);
    assert_eq!(bot.put(path, &[("code", "no spaces")]).await.status, 400);
    assert_eq!(Api::new(&sandbox, ALICE).delete(path, &[]).await.status, 403);
    assert_eq!(bot.delete(path, &[]).await.ok(), serde_json::json!({ "public": false }));
    assert!(sandbox.chatwork().room(100).link().is_none());
}

#[tokio::test]
async fn contact_requests_become_contacts_or_are_removed() {
    let (sandbox, _, bot) = bot().await;
    let waiting = bot.get("/incoming_requests").await.ok();
    assert_eq!(waiting[0]["message"], "Hello, may I?");
    let path = format!("/incoming_requests/{}", waiting[0]["request_id"]);
    let contact = bot.put(&path, &[]).await.ok();
    assert_eq!((&contact["account_id"], &contact["name"]), (&4.into(), &"Carol".into()));
    assert_eq!(bot.put(&path, &[]).await.status, 404);
    assert_eq!(bot.get("/incoming_requests").await.status, 204);
    let contacts = bot.get("/contacts").await.ok();
    assert_eq!(contacts.as_array().unwrap().len(), 2);
    let direct = format!("/rooms/{}", contact["room_id"]);
    let room = bot.get(&direct).await.ok();
    assert_eq!((&room["type"], &room["name"]), (&"direct".into(), &"Carol".into()));
    bot.post(&format!("{direct}/messages"), &[("body", "Hello")]).await.ok();

    let id = sandbox.chatwork().request_contact(3, 1, "And I?");
    assert_eq!(bot.delete(&format!("/incoming_requests/{id}"), &[]).await.status, 204);
    assert_eq!(sandbox.chatwork().contacts(1).len(), 2);
    assert_eq!(Api::new(&sandbox, BOB).get("/contacts").await.status, 204);
}

#[tokio::test]
async fn the_profile_and_the_rooms_are_listed() {
    let (_sandbox, _, bot) = bot().await;
    let me = bot.get("/me").await.ok();
    assert_eq!(
        (&me["account_id"], &me["name"], &me["login_mail"]),
        (&1.into(), &"Bot".into(), &"bot@example.com".into())
    );
    let rooms = bot.get("/rooms").await.ok();
    let kinds: Vec<_> = rooms.as_array().unwrap().iter().map(|room| room["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "group").count(), 2);
    assert!(kinds.contains(&"my") && kinds.contains(&"direct"), "{kinds:?}");
    assert_eq!(bot.get("/rooms/999").await.status, 403);
    assert_eq!(bot.get("/rooms//messages").await.refused(404).error(), "Invalid Endpoint or HTTP method");
    assert_eq!(bot.get("/rooms/abc").await.status, 404);
    assert_eq!(bot.put("/me", &[]).await.refused(404).error(), "Invalid Endpoint or HTTP method");
}

#[tokio::test]
#[should_panic(expected = "the seed has the room 100 twice")]
async fn a_room_cannot_be_seeded_twice() {
    let seed = Seed::default().room(Room::group(Seed::ROOM, "again").admin(1));
    drop(Sandbox::builder().chatwork(seed).start().await);
}
