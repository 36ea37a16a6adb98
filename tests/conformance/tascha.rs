use super::all_driven;
use futures::TryStreamExt;
use kaiwa::sandbox::tascha::{RecordStatus, RoomView, Seed};
use kaiwa::sandbox::{Provider, Sandbox};
use kaiwa::tascha::{BillingContext, Client, RoomHandle, TaskStatus, table};
use kaiwa::{Clock, Conflict, VirtualClock};
use std::time::Duration;

struct Play {
    sandbox: Sandbox,
    clock: VirtualClock,
    client: Client,
}

#[tokio::test]
async fn tascha() {
    let clock = VirtualClock::new();
    let sandbox = Sandbox::builder().clock(clock.clone()).start().await.unwrap();
    let client = sandbox.clients().tascha;
    let play = Play { sandbox, clock, client };
    play.account().await;
    play.rooms().await;
    play.messages().await;
    play.tasks().await;
    play.records().await;
    play.webhooks().await;
    play.units();
    all_driven(&play.sandbox, Provider::Tascha, table::ALL, 16);
}

impl Play {
    fn room(&self) -> RoomHandle {
        self.client.room(Seed::ROOM)
    }

    fn view(&self) -> RoomView {
        self.sandbox.tascha().room(Seed::ROOM)
    }

    async fn account(&self) {
        let me = self.client.me().await.unwrap();
        assert_eq!((me.id.as_str(), me.name.as_str(), me.locale.as_str()), (Seed::USER, "Alice", "ja"));
        assert_eq!(me.billing_context, Some(BillingContext::Individual));
        assert!(me.request_id().unwrap().starts_with("req_"));
        let organizations = self.client.organizations().await.unwrap();
        assert_eq!(organizations.data[0].id.as_str(), Seed::ORGANIZATION);
        let events = self.client.events().await.unwrap();
        assert!(events.data.iter().any(|event| event.type_ == "message.created" && event.stable));
        assert!(events.data.iter().any(|event| !event.stable));
    }

    async fn rooms(&self) {
        let rooms: Vec<_> = self.client.rooms().limit(1).stream().try_collect().await.unwrap();
        assert_eq!(rooms, self.sandbox.tascha().rooms());
        assert_eq!(self.view().get().as_ref(), rooms.first());
        let members = self.room().members().await.unwrap();
        assert_eq!(members.data, self.view().members());
        let names: Vec<&str> = members.data.iter().map(|member| member.display_name.as_str()).collect();
        assert_eq!(names, ["Alice", "Bob"]);
        let files = self.room().files().await.unwrap();
        let stored = self.view().files();
        assert_eq!(files.data, stored);
        assert_eq!(files.data[0].size, Some(1024));
    }

    async fn messages(&self) {
        let sent = self.room().post("決裁しました").with_idempotency_key("order-42").await.unwrap();
        let stored = self.view().messages().pop().unwrap();
        assert_eq!(stored, *sent);
        assert_eq!((&stored.body[..], stored.author_id), ("決裁しました", Some(Seed::USER.into())));
        let again = self.room().post("決裁しました").with_idempotency_key("order-42").await.unwrap();
        assert_eq!(again.id, sent.id);
        let other = self.room().post("別の").with_idempotency_key("order-42").await.unwrap_err();
        assert_eq!(other.conflict(), Some(Conflict::IdempotencyKey));
        let reply = self.room().post("了解").reply_to_message_id(&sent.id).await.unwrap();
        assert_eq!(self.view().reply_to(&reply.id).as_ref(), Some(&sent.id));
        let listed: Vec<_> = self.room().messages().limit(2).stream().try_collect().await.unwrap();
        assert_eq!((&listed, listed.len()), (&self.view().messages(), 5));
    }

    async fn tasks(&self) {
        let due = self.clock.wall() + Duration::from_secs(86_400);
        let create = self.room().create_task("稟議").description("至急").board_id(Seed::BOARD).due_date(due);
        let task = create.await.unwrap();
        let stored = || self.view().tasks().pop().unwrap();
        assert_eq!((&stored().title[..], stored().description.as_deref()), ("稟議", Some("至急")));
        assert_eq!(stored().due_date, Some(due));
        assert_eq!(self.view().board_of(&task.id), Some(Seed::BOARD.into()));

        let handle = self.room().task(&task.id);
        let version = task.version.unwrap();
        let update = handle.update().status(TaskStatus::Completed).clear_due_date().version(version);
        assert_eq!(update.await.unwrap().version, Some(version + 1));
        assert_eq!((stored().status, stored().due_date), (Some(TaskStatus::Completed), None));
        let stale = handle.update().title("古い").version(version).await.unwrap_err();
        assert_eq!(stale.conflict(), Some(Conflict::Version));
        assert_eq!(stored().title, "稟議");

        let listed = self.room().tasks().await.unwrap();
        let ids: Vec<&str> = listed.data.iter().map(|task| task.id.as_str()).collect();
        assert_eq!(ids, self.view().tasks().iter().map(|task| task.id.0.clone()).collect::<Vec<_>>());
    }

    async fn records(&self) {
        let record = self.room().create_record("議事録").content("本文").await.unwrap();
        let stored = || self.view().records().pop().unwrap();
        assert_eq!(stored(), *record);
        let content = || self.view().content_of(&record.id);
        assert_eq!((&stored().title[..], &content()[..]), ("議事録", "本文"));
        let handle = self.room().record(&record.id);
        assert_eq!(handle.update().title("改").content("").await.unwrap().title, "改");
        assert_eq!((&stored().title[..], &content()[..]), ("改", ""));
        self.view().set_record_status(record.id.as_str(), RecordStatus::Locked);
        assert_eq!(handle.update().title("x").await.unwrap_err().code(), Some("record_locked"));
        let listed = self.room().records().await.unwrap();
        assert_eq!(listed.data.last().unwrap().status, "locked");
        assert_eq!(listed.data, self.view().records());
    }

    async fn webhooks(&self) {
        let webhook = self.room().webhook(Seed::WEBHOOK);
        let deliveries = webhook.deliveries().await.unwrap();
        let before = self.view().deliveries(Seed::WEBHOOK);
        assert_eq!(deliveries.data.len(), before.len());
        let failed = deliveries.data.iter().find(|delivery| !delivery.success).unwrap();
        let again = webhook.redeliver(failed.delivery_id.as_ref().unwrap()).await.unwrap();
        assert_eq!((&again.delivery.event_id, again.delivery.attempt), (&failed.event_id, Some(2)));
        let after = self.view().deliveries(Seed::WEBHOOK);
        assert_eq!(after.len(), before.len() + 1);
        assert_eq!(
            Some(&after[before.len()].delivery_id[..]),
            again.delivery.delivery_id.as_ref().map(|id| id.as_str())
        );
    }

    /// Each operation costs what the table states.
    fn units(&self) {
        let cost = |name: &str| table::ALL.iter().find(|operation| operation.id == name).unwrap().units;
        let requests = self.sandbox.requests();
        // A replay has no effect, and costs the same as without a key.
        let charged = requests.iter().filter(|request| request.applied || request.replayed);
        let costs = charged.filter_map(|request| request.operation);
        let spent: u32 = costs.map(cost).sum();
        assert_eq!(self.sandbox.tascha().units_used(Seed::TOKEN), Some(spent.into()));
    }
}
