//! Queues, notes, and what is stored at once.

use super::*;

const BOT: &str = "a bot";

fn entry_of(queue: &str, key: &str, lane: &str) -> NewEntry {
    entry(key, lane).queue(queue)
}

async fn claim_of(store: &impl OutboxStore, queue: &str, key: &str) -> Claim {
    match store.claim(queue, LEASE).await.expect("it can be claimed") {
        Next::Entry(entry, claim) => {
            assert_eq!((&*entry.key, &*entry.queue), (key, queue));
            claim
        }
        Next::Wait(time) => panic!("{key} is not handed out: wait {time:?}"),
    }
}

async fn wait_of(store: &impl OutboxStore, queue: &str) -> Option<Duration> {
    match store.claim(queue, LEASE).await.expect("it can be read") {
        Next::Wait(time) => time,
        Next::Entry(entry, _) => panic!("{} is handed out", entry.key),
    }
}

async fn note(store: &impl OutboxStore, key: &str) -> Option<String> {
    store.note(key).await.expect("it is read")
}

async fn is_there(store: &impl OutboxStore, key: &str) -> bool {
    store.get(key).await.expect("it is read").is_some()
}

async fn commit(store: &impl OutboxStore, step: Commit) -> bool {
    store.commit(step).await.expect("it is stored")
}

async fn write(store: &impl OutboxStore, note: Note) {
    assert!(commit(store, Commit::new(vec![note], Vec::new())).await, "there is no claim to lose");
}

pub async fn a_claim_sees_only_its_queue<S: OutboxStore>((store, clock): Store<S>) {
    add(&store, "a1", "1").await;
    let late = clock.wall() + DAY;
    add_entry(&store, entry_of(BOT, "b1", "1").not_before(late)).await;
    for (queue, key) in [(OUTBOX, "a2"), (BOT, "b2")] {
        add_entry(&store, entry_of(queue, key, "1")).await;
    }
    assert_eq!((wait_of(&store, BOT).await, wait_of(&store, "another").await), (Some(DAY), None));
    let a1 = claim_of(&store, OUTBOX, "a1").await;
    assert_eq!((wait(&store).await, wait_of(&store, BOT).await), (Some(LEASE), Some(DAY)));
    clock.advance(DAY);
    let b1 = claim_of(&store, BOT, "b1").await;
    assert_eq!(wait_of(&store, BOT).await, Some(LEASE));
    let a1 = Claim { fence: a1.fence + 1, ..a1 };
    assert_eq!(claim_of(&store, OUTBOX, "a1").await, a1);
    // Lanes of the same name are two, also when entries are closed and opened again.
    change(&store, &a1, Phase::Uncertain, false).await;
    let a2 = claim_of(&store, OUTBOX, "a2").await;
    change(&store, &b1, Phase::Failed, false).await;
    claim_of(&store, BOT, "b2").await;
    change(&store, &a2, Phase::Sent, false).await;
    assert_eq!(wait(&store).await, None);
    assert!(decide(&store, "a1", &[Phase::Uncertain], Phase::Waiting).await);
    assert!(decide(&store, "b1", &[Phase::Failed], Phase::Waiting).await);
    assert_eq!(wait_of(&store, BOT).await, Some(LEASE), "b2 is claimed");
    claim_of(&store, OUTBOX, "a1").await;
    // A key is one of all queues.
    let again = store.enqueue(entry_of(BOT, "a2", "2")).await.expect("it is looked up");
    assert!(matches!(again, Enqueued::Known(known) if known.queue == OUTBOX && known.lane == "1"));
}

pub async fn a_queue_is_listed_and_cleaned_alone<S: OutboxStore>((store, clock): Store<S>) {
    for (key, queue) in [("a", OUTBOX), ("b", BOT), ("c", OUTBOX), ("d", BOT)] {
        add_entry(&store, entry_of(queue, key, "1")).await;
    }
    for (queue, keys) in [(OUTBOX, "ac"), (BOT, "bd"), ("another", "")] {
        let all = Filter::new(queue, 9);
        assert_eq!(list(&store, all).await.concat(), keys);
        assert_eq!(list(&store, all.lane("1").phase(Phase::Waiting)).await.concat(), keys);
        assert_eq!(
            list(&store, Filter::new(queue, 1).newest()).await.concat(),
            &keys[keys.len().min(1)..],
            "{queue}"
        );
    }
    for (queue, key) in [(OUTBOX, "a"), (BOT, "b")] {
        let held = claim_of(&store, queue, key).await;
        change(&store, &held, Phase::Sent, false).await;
    }
    clock.advance(DAY);
    for queue in [BOT, OUTBOX] {
        assert_eq!(store.blank("another", DAY).await.expect("it is stored"), 0);
        assert_eq!(store.blank(queue, DAY).await.expect("it is stored"), 1);
        assert_eq!(get(&store, "b").await.request, "");
        assert_eq!(get(&store, "a").await.request.is_empty(), queue == OUTBOX);
    }
    for queue in [BOT, OUTBOX] {
        assert_eq!(store.forget("another", DAY).await.expect("it is stored"), 0);
        assert_eq!(store.forget(queue, DAY).await.expect("it is stored"), 1);
        assert_eq!((is_there(&store, "b").await, is_there(&store, "a").await), (false, queue == BOT));
    }
    assert_eq!(list(&store, Filter::new(BOT, 9)).await, ["d"]);
}

pub async fn a_note_is_kept_until_it_is_replaced_or_over<S: OutboxStore>((store, clock): Store<S>) {
    assert_eq!(note(&store, "a").await, None);
    for text in ["", "改行\nと '; DROP TABLE notes; --", "\u{0}\u{1F600}\u{1A}", &"長い文".repeat(10_000)]
    {
        write(&store, Note::new("a", text.to_owned())).await;
        assert_eq!(note(&store, "a").await.as_deref(), Some(text));
    }
    clock.advance(1000 * DAY);
    assert!(note(&store, "a").await.is_some(), "it is kept");
    // Keys are compared as bytes.
    for key in ["A", "a ", "á", "a\u{301}", "", "%"] {
        assert_eq!(note(&store, key).await, None);
        write(&store, Note::new(key, key.to_owned())).await;
        assert_eq!(note(&store, key).await.as_deref(), Some(key));
    }
    let hour = Duration::from_secs(3600);
    let kept = |text: &str, time| Note::new("a", text.to_owned()).keep(time);
    write(&store, kept("an hour", hour)).await;
    clock.advance(hour - Duration::from_millis(1));
    assert_eq!(note(&store, "a").await.as_deref(), Some("an hour"));
    write(&store, kept("another hour", hour)).await;
    clock.advance(Duration::from_millis(1));
    assert_eq!(note(&store, "a").await.as_deref(), Some("another hour"), "its time is a new one");
    clock.advance(hour);
    assert_eq!(note(&store, "a").await, None);
    for (time, is_read) in [(Duration::ZERO, false), (Duration::MAX, true)] {
        write(&store, kept("an extreme time", time)).await;
        assert_eq!(note(&store, "a").await.is_some(), is_read);
    }
    write(&store, kept("an hour", hour)).await;
    write(&store, Note::new("a", "for good".to_owned())).await;
    write(&store, Note::new("b", "an hour".to_owned()).keep(hour)).await;
    clock.advance(hour - Duration::from_millis(1));
    assert_eq!(store.forget(BOT, Duration::ZERO).await.expect("it is stored"), 0, "no entry was there");
    assert!(note(&store, "b").await.is_some() && note(&store, "á").await.is_some());
    clock.advance(hour);
    assert_eq!(store.forget(BOT, Duration::ZERO).await.expect("it is stored"), 0, "notes are not counted");
    assert_eq!((note(&store, "a").await.as_deref(), note(&store, "b").await), (Some("for good"), None));
    for _ in 0..2 {
        write(&store, Note::new("a", None)).await;
        assert_eq!(note(&store, "a").await, None);
    }
    assert!(note(&store, "A").await.is_some(), "others stay");
}

pub async fn a_commit_is_all_or_nothing<S: OutboxStore>((store, clock): Store<S>) {
    assert!(commit(&store, Commit::default()).await, "nothing is soon done");
    write(&store, Note::new("topic", "before".to_owned())).await;
    write(&store, Note::new("old", "before".to_owned())).await;
    for key in ["a", "b"] {
        add_entry(&store, entry_of(BOT, key, "1")).await;
    }
    let all = |claim: &Claim, change: Change| {
        let notes = vec![
            Note::new("topic", "after".to_owned()).keep(DAY),
            Note::new("old", None),
            Note::new("new", "after".to_owned()),
        ];
        let later = entry_of("another", "later", "1").not_before(Timestamp::constant(32_503_680_000, 0));
        let entries = vec![entry("reply", "1"), entry_of(BOT, "next", "1"), later];
        Commit::new(notes, entries).change(claim.clone(), change)
    };
    let nothing = async || {
        assert_eq!(note(&store, "topic").await.as_deref(), Some("before"));
        assert_eq!(note(&store, "old").await.as_deref(), Some("before"));
        assert_eq!(note(&store, "new").await, None);
        for key in ["reply", "next", "later"] {
            assert!(!is_there(&store, key).await, "{key}");
        }
        assert_eq!((get(&store, "a").await.phase, &*get(&store, "a").await.progress), (Phase::Waiting, ""));
    };
    let lost = claim_of(&store, BOT, "a").await;
    for wrong in [Claim { id: lost.id + 100, ..lost }, Claim { fence: lost.fence + 1, ..lost }] {
        assert!(!commit(&store, all(&wrong, to(Phase::Sent))).await, "{wrong:?}");
    }
    clock.advance(LEASE);
    assert!(!commit(&store, all(&lost, to(Phase::Sent))).await, "nobody else has it, and it has ended");
    nothing().await;
    let held = claim_of(&store, BOT, "a").await;
    assert!(!commit(&store, all(&lost, to(Phase::Sent))).await, "somebody else has it");
    nothing().await;

    assert!(commit(&store, all(&held, to(Phase::Sent))).await);
    assert_eq!((get(&store, "a").await.phase, &*get(&store, "a").await.progress), (Phase::Sent, "sent now"));
    assert_eq!(note(&store, "topic").await.as_deref(), Some("after"));
    assert_eq!((note(&store, "old").await, note(&store, "new").await.as_deref()), (None, Some("after")));
    let reply = get(&store, "reply").await;
    assert_eq!((&*reply.queue, &*reply.lane, &*reply.request), (OUTBOX, "1", "the request of reply"));
    assert_eq!((reply.phase, &*reply.progress, reply.not_before), (Phase::Waiting, "", None));
    let later = get(&store, "later").await;
    assert_eq!(later.not_before, Some(Timestamp::constant(32_503_680_000, 0)));
    assert!(!commit(&store, all(&held, to(Phase::Failed))).await, "the claim has ended with it");
    assert_eq!(get(&store, "a").await.phase, Phase::Sent);

    claim_of(&store, OUTBOX, "reply").await;
    let held = claim_of(&store, BOT, "b").await;
    clock.advance(LEASE / 2);
    let again = Commit::default().change(held.clone(), to(Phase::Waiting).after(LEASE));
    assert!(commit(&store, again).await);
    assert!(!store.renew(&held, LEASE).await.expect("it is read"), "an open one keeps no claim either");
    assert_eq!(wait_of(&store, BOT).await, Some(LEASE));
}

pub async fn a_commit_leaves_known_keys_as_they_are<S: OutboxStore>((store, _): Store<S>) {
    for key in ["open", "closed"] {
        add(&store, key, key).await;
    }
    let open = claim_of(&store, OUTBOX, "open").await;
    change(&store, &open, Phase::Waiting, false).await;
    assert!(decide(&store, "closed", Phase::ALL, Phase::Discarded).await);
    let before = [get(&store, "open").await, get(&store, "closed").await];
    let twice = NewEntry::new("new", "another lane", "another text").queue("another");
    let entries = ["open", "new", "closed", "last"].map(|key| entry_of(BOT, key, "1"));
    let entries = entries.into_iter().chain([twice]).collect();
    assert!(commit(&store, Commit::new(vec![Note::new("note", "a".to_owned())], entries)).await);
    assert_eq!([get(&store, "open").await, get(&store, "closed").await], before);
    assert_eq!(list(&store, Filter::new(BOT, 9)).await, ["new", "last"]);
    assert_eq!(get(&store, "new").await.request, "the request of new");
    assert_eq!(note(&store, "note").await.as_deref(), Some("a"), "the rest is stored");
    assert_eq!(list(&store, Filter::new("another", 9)).await, [""; 0]);
}

pub async fn what_commits_add_is_handed_out_in_order<S: OutboxStore>((store, _): Store<S>) {
    let entries = |keys: &[&str]| {
        let entries = keys.iter().map(|key| entry_of(OUTBOX, key, &key[..1])).collect();
        Commit::new(Vec::new(), entries)
    };
    add(&store, "b0", "b").await;
    assert!(commit(&store, entries(&["c1", "a1", "b1", "a0", "c0"])).await);
    add(&store, "a2", "a").await;
    assert!(commit(&store, entries(&["a3", "b3"])).await);
    let mut order: BTreeMap<char, Vec<String>> = BTreeMap::new();
    while let Next::Entry(entry, held) = store.claim(OUTBOX, LEASE).await.expect("it can be claimed") {
        // It closes the last of its lane, and adds the next.
        let next = if entry.key == "c0" { entries(&["a4", "c4"]) } else { Commit::default() };
        assert!(commit(&store, next.change(held, to(Phase::Sent))).await);
        order.entry(entry.key.chars().next().expect("not empty")).or_default().push(entry.key);
    }
    assert_eq!(wait(&store).await, None, "all were handed out");
    let order = order.into_values().map(|keys| keys.join(" ")).collect::<Vec<_>>();
    assert_eq!(order, ["a1 a0 a2 a3 a4", "b0 b1 b3", "c1 c0 c4"]);
}

pub async fn a_dropped_commit_is_whole_or_nothing<S: OutboxStore>((store, clock): Store<S>) {
    let whole = |name: &str, claim: &Claim| {
        let note = Note::new(name, "noted".to_owned());
        Commit::new(vec![note], vec![entry(name, name)]).change(claim.clone(), to(Phase::Sent))
    };
    for polls in 0..20 {
        let (key, name) = (format!("{polls}"), format!("of {polls}"));
        add_entry(&store, entry_of(BOT, &key, "1")).await;
        let held = claim_of(&store, BOT, &key).await;
        let mut dropped = store.commit(whole(&name, &held));
        let mut is_done = false;
        for _ in 0..polls {
            is_done = is_done || (&mut dropped).now_or_never().is_some();
            tokio::task::yield_now().await;
        }
        drop(dropped);
        let is_sent = get(&store, &key).await.phase == Phase::Sent;
        assert!(is_sent || !is_done, "{polls}");
        assert!(!is_sent || polls > 0, "it was not begun");
        assert_eq!(note(&store, &name).await.is_some(), is_sent, "{polls}");
        assert_eq!(is_there(&store, &name).await, is_sent, "{polls}");
        assert_eq!(commit(&store, whole(&name, &held)).await, !is_sent, "{polls}");
        assert!(is_there(&store, &name).await);
        clock.advance(LEASE);
    }
}

/// As bots do it: each entry is closed with what follows from it.
pub async fn many_workers_commit_each_step_once<S: OutboxStore>((store, _): Store<S>) {
    const ENTRIES: usize = 100;
    const LANES: usize = 5;
    let store = Arc::new(store);
    for number in 0..ENTRIES {
        add_entry(&*store, entry_of(BOT, &format!("{number}"), &format!("{}", number % LANES))).await;
    }
    let tasks = (0..8).map(|_| {
        let store = Arc::clone(&store);
        async move {
            loop {
                let (entry, held) = match store.claim(BOT, LEASE).await.expect("it can be claimed") {
                    Next::Entry(entry, held) => (*entry, held),
                    Next::Wait(None) => return,
                    Next::Wait(Some(_)) => {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        continue;
                    }
                };
                // What was noted of the lane before, with this one.
                let said = note(&*store, &entry.lane).await.unwrap_or_default() + &entry.key + " ";
                let replies = ["x", "y"].map(|lane| super::entry(&format!("{lane} {}", entry.key), lane));
                let step = Commit::new(vec![Note::new(entry.lane, said)], replies.into());
                assert!(commit(&*store, step.change(held, to(Phase::Sent))).await);
            }
        }
    });
    join(tasks).await;
    for lane in 0..LANES {
        let said = (lane..ENTRIES).step_by(LANES).map(|number| format!("{number} ")).collect::<String>();
        assert_eq!(note(&*store, &format!("{lane}")).await, Some(said), "each once, and in order");
    }
    let [x, y] = ["x", "y"].map(|lane| Filter::new(OUTBOX, 1000).lane(lane));
    let replies = [list(&*store, x).await, list(&*store, y).await];
    let of = |key: &String| key[2..].to_owned();
    let [x, y] = replies.map(|keys| keys.iter().map(of).collect::<Vec<_>>());
    assert!(x.len() == ENTRIES && x == y, "both lanes have the order of the commits: {x:?} {y:?}");
}

/// Two that write the same lanes, then the same keys, then the same notes, each in its own order, on connections of their own.
pub async fn commits_that_cross_end<S: OutboxStore>(stores: [Arc<S>; 2]) {
    const ROUNDS: usize = 40;
    for same in ["lanes", "keys", "notes"] {
        let tasks = stores.clone().into_iter().enumerate().map(|(place, store)| async move {
            let mut numbers = [0, 1, 2, 3, 4, 5].map(|number| format!("{number}"));
            if place == 1 {
                numbers.reverse();
            }
            for round in 0..ROUNDS {
                let entries = numbers.iter().map(|number| match same {
                    "lanes" => entry(&format!("{place} {round} {number}"), number),
                    _ => entry(&format!("{round} {number}"), &format!("of {place}")),
                });
                let over = |number: &String| Note::new(number, format!("{place}")).keep(Duration::ZERO);
                let step = match same {
                    "notes" => Commit::new(numbers.iter().map(over).collect(), Vec::new()),
                    _ => Commit::new(Vec::new(), entries.collect()),
                };
                assert!(commit(&*store, step).await);
                store.forget(OUTBOX, DAY).await.expect("it is stored");
            }
        });
        join(tasks).await;
    }
    let all = list(&*stores[0], Filter::new(OUTBOX, 10_000)).await;
    assert_eq!(all.len(), ROUNDS * 6 * (2 + 1), "each key once");
}

pub async fn commits_that_cross_do_not_block_each_other<S: OutboxStore>((store, _): Store<S>) {
    let store = Arc::new(store);
    commits_that_cross_end([Arc::clone(&store), store]).await;
}
