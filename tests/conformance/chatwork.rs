use super::all_driven;
use kaiwa::chatwork::{
    AccountId, Client, IconPreset, LimitType, Role, RoomId, RoomType, TaskId, TaskStatus, table,
};
use kaiwa::sandbox::chatwork::{self as sandbox_chatwork, Seed};
use kaiwa::sandbox::{Provider, Sandbox};
use kaiwa::{Clock, Upload, VirtualClock};
use std::time::Duration;

const BOT: AccountId = AccountId(1);
const ALICE: AccountId = AccountId(2);
const BOB: AccountId = AccountId(3);

struct Play {
    sandbox: Sandbox,
    clock: VirtualClock,
    client: Client,
}

#[tokio::test]
async fn chatwork() {
    let clock = VirtualClock::new();
    let seed = Seed::default().unlimited();
    let sandbox = Sandbox::builder().clock(clock.clone()).chatwork(seed).start().await.unwrap();
    let client = sandbox.clients().chatwork;
    let play = Play { sandbox, clock, client };
    play.account().await;
    play.contacts().await;
    play.messages().await;
    play.reading().await;
    play.tasks().await;
    play.files().await;
    play.rooms().await;
    play.link().await;
    all_driven(&play.sandbox, Provider::Chatwork, table::ALL, 32);
}

impl Play {
    fn view(&self, room: RoomId) -> sandbox_chatwork::RoomView {
        self.sandbox.chatwork().room(room)
    }

    async fn account(&self) {
        let me = self.client.me().await.unwrap();
        assert_eq!((me.account_id, me.name.as_str(), me.chatwork_id.as_str()), (BOT, "Bot", "bot"));
        assert_eq!(me.login_mail.as_deref(), Some("bot@example.com"));
        assert_eq!(self.view(me.room_id).kind(), Some(RoomType::My));

        let status = self.client.my_status().await.unwrap();
        let rooms = self.sandbox.chatwork().rooms().into_iter().map(|id| self.sandbox.chatwork().room(id));
        let unread: usize = rooms.filter_map(|room| room.member(1)).map(|member| member.unread_num).sum();
        assert_eq!(status.unread_num, unread as u64);
        assert_eq!((status.mention_num, status.mytask_num), (2, 1));

        let rooms = self.client.rooms().await.unwrap();
        let room = rooms.iter().find(|room| room.room_id == RoomId(100)).unwrap();
        assert_eq!((&room.name[..], &room.type_, &room.role), ("開発", &RoomType::Group, &Role::Admin));
        assert_eq!(room.message_num as usize, self.view(RoomId(100)).messages().len());
        assert_eq!((room.mytask_num, room.task_num), (1, 1));
    }

    async fn contacts(&self) {
        let contacts = self.client.contacts().await.unwrap();
        let direct = contacts[0].room_id;
        assert_eq!((contacts.len(), contacts[0].account_id), (1, ALICE));
        assert_eq!(self.view(direct).kind(), Some(RoomType::Direct));

        let view = self.sandbox.chatwork();
        let declined = view.request_contact(BOB, BOT, "And I?");
        let requests = self.client.incoming_requests().await.unwrap();
        assert_eq!(requests.len(), 2);
        let carol = requests.iter().find(|request| request.name == "Carol").unwrap();
        assert_eq!(carol.message, "Hello, may I?");
        let contact = self.client.incoming_request(carol.request_id).accept().await.unwrap();
        assert_eq!(contact.account_id, AccountId(4));
        assert!(view.contacts(BOT).contains(&contact));
        self.client.incoming_request(declined).decline().await.unwrap();
        assert!(view.incoming_requests(BOT).is_empty());
        assert_eq!(view.contacts(BOT).len(), 2);
        assert!(self.client.incoming_requests().await.unwrap().is_empty(), "a 204 is an empty list");
    }

    async fn messages(&self) {
        let room = self.client.room(RoomId(100));
        let view = self.view(RoomId(100));
        let alice = self.sandbox.chatwork_client("sandbox-chatwork-token-2").build().unwrap();

        let fetched = room.messages().await.unwrap();
        assert_eq!(*fetched, view.messages());
        let unread = view.member(2).unwrap().unread_num;
        let sent = room.post("全員: \"<>&+%\"\n改行").await.unwrap();
        let message = view.messages().pop().unwrap();
        assert_eq!(message.message_id, sent.message_id);
        assert_eq!((message.account.account_id, &message.body[..]), (BOT, "全員: \"<>&+%\"\n改行"));
        assert_eq!(view.member(2).unwrap().unread_num, unread + 1);

        // Messages that were fetched are not returned again, unless `force` is set.
        assert_eq!(room.messages().await.unwrap().len(), 1);
        assert!(room.messages().await.unwrap().is_empty());
        assert_eq!(room.messages().force(true).await.unwrap().len(), fetched.len() + 1);

        let handle = room.message(&sent.message_id);
        let read = handle.get().await.unwrap();
        assert_eq!(*read, message);
        self.clock.advance(Duration::from_secs(5));
        assert_eq!(handle.update("直しました").await.unwrap().message_id, sent.message_id);
        assert_eq!(view.messages().pop().unwrap().body, "直しました");
        let read = alice.room(RoomId(100)).message(&sent.message_id).get().await.unwrap();
        assert_eq!(read.update_time.unwrap().as_second(), self.clock.wall().as_second());
        let foreign = alice.room(RoomId(100)).message(&sent.message_id).update("mine").await.unwrap_err();
        assert_eq!(foreign.status().unwrap().as_u16(), 403);
        handle.delete().await.unwrap();
        assert_eq!(handle.get().await.unwrap().body, "[deleted]");
    }

    async fn reading(&self) {
        let room = self.client.room(RoomId(100));
        let view = self.view(RoomId(100));
        let first = view.post_as(2, "[To:1] 一");
        let second = view.post_as(2, "[To:1] 二");
        let unread = || {
            let member = view.member(1).unwrap();
            (member.unread_num as u64, member.mention_num as u64)
        };
        let left = room.mark_read().message_id(&first).await.unwrap();
        assert_eq!(((left.unread_num, left.mention_num), unread()), ((1, 1), (1, 1)));
        let left = room.mark_read().await.unwrap();
        assert_eq!(((left.unread_num, left.mention_num), unread()), ((0, 0), (0, 0)));
        let left = room.mark_unread(&second).await.unwrap();
        assert_eq!(((left.unread_num, left.mention_num), unread()), ((1, 1), (1, 1)));
    }

    async fn tasks(&self) {
        let room = self.client.room(RoomId(100));
        let view = self.view(RoomId(100));
        let due = self.clock.wall() + jiff::SignedDuration::from_hours(24);
        let created =
            room.create_tasks("レビュー", [BOT, ALICE]).limit(due).limit_type(LimitType::Time).await.unwrap();
        let ids: Vec<TaskId> = created.task_ids.clone();
        let made: Vec<_> = view.tasks().into_iter().filter(|task| ids.contains(&task.task_id)).collect();
        assert_eq!(made.iter().map(|task| task.account.account_id).collect::<Vec<_>>(), [BOT, ALICE]);
        assert!(made.iter().all(|task| task.limit_time.unwrap().as_second() == due.as_second()));

        let listed = room.tasks().account_id(BOT).assigned_by_account_id(BOT).await.unwrap();
        assert_eq!(listed[..], made[..1]);
        let mine = self.client.my_tasks().assigned_by_account_id(BOT).await.unwrap();
        assert_eq!((mine[0].task_id, mine[0].room.room_id), (ids[0], RoomId(100)));
        let task = room.task(ids[0]).get().await.unwrap();
        assert_eq!((&task.body[..], task.limit_type.clone()), ("レビュー", Some(LimitType::Time)));
        assert_eq!(task.status, TaskStatus::Open);

        assert_eq!(room.task(ids[0]).set_status(TaskStatus::Done).await.unwrap().task_id, ids[0]);
        assert!(view.tasks().iter().any(|task| task.task_id == ids[0] && task.status == TaskStatus::Done));
        assert_eq!(room.tasks().status(TaskStatus::Done).await.unwrap().len(), 1);
        assert!(self.client.my_tasks().assigned_by_account_id(BOT).await.unwrap().is_empty());
    }

    async fn files(&self) {
        let room = self.client.room(RoomId(100));
        let view = self.view(RoomId(100));
        let file = Upload::bytes("報告.csv", "a,b\n1,2\n").content_type("text/csv");
        let uploaded = room.upload(file).message("今週の分です").await.unwrap();
        let stored = view.files().pop().unwrap();
        assert_eq!(stored.file_id, uploaded.file_id);
        assert_eq!(
            (&stored.filename[..], &view.content(stored.file_id)[..]),
            ("報告.csv", &b"a,b\n1,2\n"[..])
        );
        assert!(view.messages().pop().unwrap().body.contains("今週の分です"));

        let listed = room.files().account_id(BOT).await.unwrap();
        assert_eq!((&listed[0], listed[0].filesize), (&stored, 8));
        assert!(room.files().account_id(BOB).await.unwrap().is_empty());
        let file = room.file(uploaded.file_id).get().create_download_url(true).await.unwrap();
        let content =
            reqwest::get(file.download_url.as_ref().unwrap().expose()).await.unwrap().bytes().await.unwrap();
        assert_eq!(&content[..], b"a,b\n1,2\n");
    }

    async fn rooms(&self) {
        let created = self.client.create_room("新しい", [BOT]).members_member_ids([ALICE, BOB]);
        let created = created.description("説明").icon_preset(IconPreset::Beer).await.unwrap();
        let room = self.client.room(created.room_id);
        let view = self.view(created.room_id);
        assert_eq!((view.name(), view.description()), ("新しい".into(), "説明".into()));
        assert_eq!((view.icon_preset(), view.members().len()), ("beer".into(), 3));

        let detail = room.get().await.unwrap();
        assert_eq!((&detail.description[..], &detail.role), ("説明", &Role::Admin));
        room.update().name("改名").description("").await.unwrap();
        assert_eq!((view.name(), view.description()), ("改名".into(), String::new()));

        let members = room.members().await.unwrap();
        assert_eq!(members.iter().filter(|member| member.role == Role::Member).count(), 2);
        let replaced = room.replace_members([BOT]).members_readonly_ids([ALICE]).await.unwrap();
        assert_eq!((&replaced.admin[..], &replaced.readonly[..]), (&[BOT][..], &[ALICE][..]));
        assert!(view.member(BOB).is_none(), "members that are not named are removed");
        assert_eq!(view.member(ALICE).unwrap().role, Role::Readonly);

        room.delete().await.unwrap();
        assert!(!view.exists());
        self.client.room(RoomId(200)).leave().await.unwrap();
        assert!(self.view(RoomId(200)).exists() && self.view(RoomId(200)).member(BOT).is_none());
    }

    async fn link(&self) {
        let room = self.client.room(RoomId(100));
        let view = self.view(RoomId(100));
        assert!(!room.link().await.unwrap().public);
        let made = room.create_link().code("team-100").need_acceptance(false).description("どうぞ").await;
        assert!(made.unwrap().url.as_ref().unwrap().expose().ends_with("team-100"));
        let link = view.link().unwrap();
        assert_eq!(link, *room.link().await.unwrap());
        assert_eq!((link.need_acceptance, link.description.as_deref()), (Some(false), Some("どうぞ")));
        room.update_link().code("team-101").await.unwrap();
        let url = view.link().unwrap().url.expect("a link");
        assert_eq!(url.expose(), "https://www.chatwork.com/g/team-101");
        assert!(!room.delete_link().await.unwrap().public);
        assert!(view.link().is_none());
    }
}
