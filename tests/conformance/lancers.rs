use super::all_driven;
use kaiwa::lancers::{BoardId, Client, Direction, PartNames, User, WorkType, table};
use kaiwa::sandbox::lancers::{BoardView, Seed};
use kaiwa::sandbox::{Provider, Sandbox};
use kaiwa::{Upload, VirtualClock};
use std::time::Duration;

struct Play {
    sandbox: Sandbox,
    clock: VirtualClock,
    client: Client,
}

#[tokio::test]
async fn lancers() {
    let clock = VirtualClock::new();
    let sandbox = Sandbox::builder().clock(clock.clone()).start().await.unwrap();
    let client = sandbox.clients().lancers;
    let play = Play { sandbox, clock, client };
    play.reading().await;
    play.boards().await;
    play.part_names().await;
    play.users().await;
    play.messages().await;
    all_driven(&play.sandbox, Provider::Lancers, table::ALL, 13);
}

impl Play {
    fn view(&self, board: BoardId) -> BoardView {
        self.sandbox.lancers().board(board)
    }

    fn first(&self) -> BoardId {
        self.sandbox.lancers().boards()[0].id
    }

    async fn reading(&self) {
        let board = self.client.board(self.first());
        let unread = self.client.unread().limit(20).await.unwrap();
        assert_eq!(unread.len(), self.view(self.first()).unread_count(Seed::USER));
        assert!(unread.iter().all(|message| message.board_id == self.first()));
        let read = board.mark_read().message_id(unread[0].id).await.unwrap();
        assert_eq!((read.board_id, read.unread_count), (self.first(), 1));
        assert_eq!(self.view(self.first()).unread_count(Seed::USER), 1);
        assert_eq!(board.mark_read().await.unwrap().unread_count, 0);
        assert_eq!(self.view(self.first()).unread_count(Seed::USER), 0);
        assert!(self.client.unread().limit(20).await.unwrap().is_empty());
    }

    async fn boards(&self) {
        let boards = self.client.boards().limit(20).await.unwrap();
        assert_eq!(boards.len(), 2);
        let older = self.client.boards().limit(20).modified(boards[0].modified.unwrap()).await.unwrap();
        assert_eq!((older.len(), older[0].id), (1, boards[1].id));
        let found = self.client.search("プロジェクト").limit(5).await.unwrap();
        assert_eq!(found.iter().map(|board| board.id).collect::<Vec<_>>(), [boards[0].id]);
        let detail = self.client.board(boards[0].id).get().await.unwrap();
        let work = detail.with.clone().unwrap().proposal.unwrap().work.unwrap();
        assert_eq!(work.type_, Some(WorkType::Competition));
        assert_eq!(detail.owner.as_ref().unwrap().name, Seed::COLLEAGUE);

        self.clock.advance(Duration::from_secs(60));
        let created = self.client.create_board(["bob", "carol"]).title("新しい").description("はじめまして");
        let created = created.file(Upload::bytes("要件.txt", "1. 早く")).await.unwrap();
        let view = self.view(created.id);
        let stored = view.get().unwrap();
        assert_eq!((&stored.title[..], &stored.owner.unwrap().name[..]), ("新しい", Seed::USER));
        assert_eq!(names_of(&view.users()), ["alice", "bob", "carol"]);
        let message = view.messages().pop().unwrap();
        assert_eq!(&message.description[..], "はじめまして");
        assert_eq!(
            (&message.files[0].name[..], &view.content_of(message.files[0].id)[..]),
            ("要件.txt", "1. 早く".as_bytes())
        );

        let changed = self.client.board(created.id).update().title("改").description("説明").await.unwrap();
        assert_eq!(changed.title.as_deref(), Some("改"));
        let stored = view.get().unwrap();
        assert_eq!((&stored.title[..], stored.description.as_deref()), ("改", Some("説明")));
    }

    async fn part_names(&self) {
        for names in [PartNames::Php, PartNames::Printed] {
            let created = self.client.create_board(["bob", "carol"]).description("はじめまして");
            let created = created.file(Upload::bytes("要件.txt", "1.")).with_part_names(names).await.unwrap();
            let view = self.view(created.id);
            assert_eq!(names_of(&view.users()), ["alice", "bob", "carol"], "{names:?}");
            let first = view.messages().pop().unwrap();
            assert_eq!((&first.description[..], &first.files[0].name[..]), ("はじめまして", "要件.txt"));
            let file = Upload::bytes("二.txt", "2.");
            self.client.board(created.id).post("続き").file(file).with_part_names(names).await.unwrap();
            assert_eq!(view.files().len(), 2, "{names:?}");
        }
    }

    async fn users(&self) {
        let board = self.client.board(self.first());
        let users = || self.view(self.first()).users();
        let added = board.add_users(["carol"]).await.unwrap();
        assert_eq!(added[0].name, "carol");
        assert_eq!(names_of(&users()), ["alice", "bob", "carol"]);
        assert_eq!(*board.users().limit(20).await.unwrap(), users());
        assert_eq!(board.remove_user("carol").await.unwrap().name, "carol");
        assert_eq!(names_of(&users()), ["alice", "bob"]);
    }

    async fn messages(&self) {
        let board = self.client.board(self.first());
        let view = self.view(self.first());
        let before = view.messages();
        let file = Upload::bytes("見積もり.pdf", "%PDF-").content_type("application/pdf");
        let sent = board.post("@bob どうぞ").file(file).await.unwrap();
        let stored = view.messages().pop().unwrap();
        assert_eq!(stored, *sent);
        assert_eq!(
            (&stored.description[..], stored.send_user.unwrap().name),
            ("@bob どうぞ", Seed::USER.into())
        );
        let attached = &stored.files[0];
        assert_eq!((&attached.type_[..], attached.size), ("application/pdf", Some(5)));
        assert_eq!(view.unread_mention_count("bob"), 1);

        // The named message is included in the list.
        let upwards =
            board.messages().message_id(sent.id).direction(Direction::Next).limit(20).await.unwrap();
        assert_eq!(upwards.iter().map(|message| message.id).collect::<Vec<_>>(), [sent.id]);
        let downwards =
            board.messages().message_id(sent.id).direction(Direction::Prev).limit(20).await.unwrap();
        assert_eq!((downwards.len(), downwards[0].id), (before.len() + 1, sent.id));
        let files = board.files().limit(20).await.unwrap();
        let mut stored = view.files();
        stored.reverse();
        assert_eq!(*files, stored);
        assert!(files.iter().any(|file| file.name == "見積もり.pdf" && file.size == Some(5)));
    }
}

fn names_of(users: &[User]) -> Vec<&str> {
    users.iter().map(|user| user.name.as_str()).collect()
}
