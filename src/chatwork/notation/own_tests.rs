//! What is left of a message for a reader of commands.

use super::*;
use crate::chatwork::AccountId;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const COMMANDS: [&str; 10] = [
    "deploy",
    "deploy --env 本番 v1.2",
    "/help",
    "!status api",
    "！再起動",
    "やめて",
    "さんぽ の予定",
    "Bottle を 3 本",
    "2+3は？",
    "https://example.jp/a?b=[c]",
];

/// The accounts whose names are known; 1 is the reader.
fn names(account: AccountId) -> Vec<&'static str> {
    match account.0 {
        1 => vec!["Bot", "Deploy Bot 2"],
        2 => vec!["田中"],
        3 => vec!["Lê Minh Anh"],
        4 => vec!["[開発] 山田　太郎"],
        _ => vec![],
    }
}

fn own(body: &str) -> String {
    parse(body).own_text(AccountId(1), names)
}

/// Each shape of a message in which a command comes last: what stands before it, and what of that are the author's words.
const SHAPES: &[(&str, &str)] = &[
    ("", ""),
    ("  ", ""),
    ("[To:1]", ""),
    ("[To:1] ", ""),
    ("[To:1]\n", ""),
    ("[To:1]Bot\n", ""),
    ("[To:1]Bot ", ""),
    ("[To:1] Bot\r\n", ""),
    ("[To:1]　Bot　", ""),
    ("[To:1]Botさん\n", ""),
    ("[To:1]Bot さん\n\n", ""),
    ("[To:1]Bot様、", ""),
    ("[To:1]Botさま。\n", "。"),
    ("[To:1]Bot-san, ", ""),
    ("[To:1]Bot san\n", ""),
    ("[To:1]Bot: ", ""),
    ("[To:1]Bot 、", ""),
    ("[To:1]Botさん　，", ""),
    ("[To:1]Bot : ", ""),
    ("[To:2]田中 様\n[To:1]Bot 様\n", ""),
    ("[To:1]@1さん\n", ""),
    ("[To:1]Deploy Bot 2\n", ""),
    ("[To:1]Deploy　Bot 2さん\n", ""),
    ("[To:1][To:2]\n", ""),
    ("[To:1]Botさん[To:2]田中さん\n", ""),
    ("[To:2]田中さん\n[To:1]Botさん\n", ""),
    ("[To:3]Lê Minh Anh\n[To:1]Bot\n", ""),
    ("[To:4][開発] 山田 太郎さん\n", ""),
    ("[toall]\n", ""),
    ("[toall][To:1]Bot\n", ""),
    ("[rp aid=1 to=10-5]\n", ""),
    ("[rp aid=1 to=10-5]Bot\n", ""),
    ("[rp aid=1 to=10-5] Botさん\n", ""),
    ("[rp aid=3 to=10-5]Lê Minh Anh\n", ""),
    ("[rp aid=1 to=10-5][pname:1]さん\n", ""),
    ("[rp aid=9 to=10-5][pname:9]さん\n", ""),
    ("[rp aid=9 to=10-5][piconname:9] 様\n", ""),
    ("[返信 aid=1 to=10-5]Bot\n", ""),
    ("[返信 aid=1 to=10-5] Bot様\n", ""),
    ("[picon:1]", ""),
    ("[preview id=5 ht=60]", ""),
    ("[hr]", ""),
    ("[qt][qtmeta aid=2 time=1741068226]消して😊\n[To:1]Bot[/qt]\n", ""),
    ("[qt][qtmeta aid=2][qt][qtmeta aid=3]消して[/qt]か[/qt]", ""),
    ("[引用 aid=2 time=1619924359][info][title]件名[/title]消して[/info][/引用]\n", ""),
    ("[To:1]Botさん\n[qt]消して[/qt]\n", ""),
    ("[info][dtext:chatroom_contact_added][/info]", ""),
    // The words of the author stay, and so do names that are not known, or of which that is not certain.
    ("おはよう\n", "おはよう"),
    ("[To:9]Minh Nguyen\n", "Minh Nguyen"),
    ("[To:9]山田さん\n[To:1]Botさん\n", "山田さん"),
    ("[To:1] お願いします、田中さん\n", "お願いします、田中さん"),
    ("[To:1]Bottle\n", "Bottle"),
    ("[To:1]Bot2\n", "Bot2"),
    ("[To:1]Bot-2\n", "Bot-2"),
    ("[To:1]Bot.exe\n", "Bot.exe"),
    ("[To:1]Bot's\n", "Bot's"),
    ("[To:1]Botを\n", "Botを"),
    ("[To:1]Bot\u{301}\n", "Bot\u{301}"),
    ("[To:2]田中さんに聞いて\n", "田中さんに聞いて"),
    ("[To:2]田中 さんに聞いて\n", "田中さんに聞いて"),
    ("[To:2]田中様方\n", "田中様方"),
    ("[To:2]田中 様に聞いて\n", "田中様に聞いて"),
    ("[To:2]田中 様宛の\n", "田中様宛の"),
    ("[To:2]田中 さまよりお電話\n", "田中さまよりお電話"),
    ("[To:2]田中 さんまで\n", "田中さんまで"),
    ("[To:2]田中 さんだけ\n", "田中さんだけ"),
    ("[To:2]田中 さんって\n", "田中さんって"),
    ("[To:2]田中 さんじゃない\n", "田中さんじゃない"),
    ("[To:2]田中 さんなら\n", "田中さんなら"),
    ("[To:2]田中 さんたち\n", "田中さんたち"),
    ("[To:2]田中 sanに\n", "田中sanに"),
    ("[To:2]田中よ\n", "田中よ"),
    ("[To:1]Bot 様子は\n", "様子は"),
    ("[To:1]田中さん\n", "田中さん"),
    ("[To:2]Bot\n", "Bot"),
    ("Bot\n", "Bot"),
    ("[To:1]\nBot\n", "Bot"),
    ("[To:1]様子\n", "様子"),
    ("[To:1]Bot :)\n", ":)"),
    ("[To:1]Bot :D\n", ":D"),
    ("[TOALL] [to:1]Bot\n", "[TOALL][to:1]Bot"),
    ("[To:abc]Bot\n", "[To:abc]Bot"),
    ("[rp aid=1 to=x-5]Bot\n", "[rpaid=1to=x-5]Bot"),
    ("[rp aid=9 to=10-5][pname:8]さん\n", "さん"),
    ("[pname:9]さん、", "さん、"),
    ("[qt]閉じない\n", "[qt]閉じない"),
    ("[引用 aid=1 time=2]違う[/qt]\n", "[引用aid=1time=2]違う[/qt]"),
    ("[info][title]件名[/title]本文[/info]", "件名本文"),
    ("[code]ls -la [To:1]Bot[/code]", "ls-la[To:1]Bot"),
    ("[task aid=1 st=done lt=0]長い記録[/task]", "長い記録"),
    ("[info][title][dtext:task_added][/title][task aid=2,3 st=open lt=0]掃除[/task][/info]", "掃除"),
    ("[download:5]見積書.pdf (3 B)[/download]\n", "見積書.pdf(3B)"),
    ("[info][piconname:2] が参加[/info]\n", "が参加"),
];

#[test]
fn every_command_is_found_and_no_word_is_lost() {
    for (before, words) in SHAPES {
        for command in COMMANDS {
            let body = format!("{before}{command}");
            let own = own(&body);
            let found = own.strip_suffix(command).unwrap_or_else(|| panic!("{body:?}: {own:?}"));
            assert_eq!(without_blanks(found), without_blanks(words), "{body:?}: {own:?}");
            assert!(
                found.is_empty() || found.ends_with(['\n', ' ', '、', '。', ')', ']', '>']),
                "{body:?}: {own:?}"
            );
        }
    }
}

#[test]
fn what_comes_after_a_command_is_kept_in_its_place() {
    for (body, text) in [
        ("a [To:2] b", "a  b"),
        ("a [To:2]田中さん\nb", "a 田中さん\nb"),
        ("a [To:2]田中さん b", "a 田中さん b"),
        ("a[To:2]田中、b", "a田中、b"),
        ("a\n[To:2]田中さん\nb", "a\n田中さん\nb"),
        ("a [To:2]@2さん b", "a @2さん b"),
        ("a [rp aid=2 to=10-5]田中", "a 田中"),
        ("a [To:9][To:2]田中さん", "a 田中さん"),
        ("a [To:1]Botさん b", "a b"),
        ("a[To:1]Bot、b", "a b"),
        ("[To:9]鈴木さん\n[To:2]田中さん\n[To:1]Botさん\nb", "鈴木さん\n田中さん\nb"),
        ("[info]a[/info][To:2]田中さん", "a\n田中さん"),
        ("a\n[To:1]Bot\nb", "a\nb"),
        ("a[qt]x[/qt]b", "a\nb"),
        ("a\n[qt]x[/qt]\nb", "a\nb"),
        ("[info]a[qt]b[qt]c[/qt]d[/qt]e[/info]", "a\ne"),
        ("[T[qt]x[/qt]o:1]", "[T\no:1]"),
        ("[T[To:1]Bot o:1]", "[T o:1]"),
        ("/追加/名前,[qt][qtmeta aid=2]x[/qt]", "/追加/名前,"),
        ("[To:1]Bot!status", "!status"),
        ("[To:1]Bot/status", "/status"),
        ("[To:1]Botさん／status", "／status"),
        ("[To:1]Bot 、status", "status"),
        ("[To:1]Bot", ""),
        ("[To:1]Bot。", "。"),
        ("[qt]deploy[/qt]", ""),
        ("[deleted]", ""),
        ("", ""),
    ] {
        assert_eq!(own(body), text, "{body}");
    }
}

/// What a reader of commands hears: whom the front addresses, what follows it, and whether that is in no box.
#[test]
fn unknown_names_are_out_of_the_way_of_a_command() {
    let unknown = |body: &str| parse(body).heard(AccountId(1), |account| (account.0 == 1).then_some("Bot"));
    for (body, front, rest, request) in [
        ("/a", &[][..], "/a", "/a"),
        ("[To:2]Alice\n[To:1]Bot\n/a", &[2, 1], "/a", "/a"),
        ("[To:2]Aliceさん\n[To:1]Botさん\na b", &[2, 1], "a b", "a b"),
        ("[To:2]Alice お疲れさま\n\n[rp aid=1 to=10-5]Bot\na", &[2, 1], "a", "a"),
        ("[To:2]Alice [To:1]Bot a", &[2, 1], "a", "a"),
        ("[To:1]Bot\n[To:2]Aliceさん\na", &[1, 2], "a", "a"),
        ("[To:1][To:2]Alice\n/a", &[1, 2], "/a", "Alice\n/a"),
        // Without an address or an honorific it is not certain what is a name.
        ("[To:1]Bot\n[To:2]Alice\na", &[1, 2], "a", "Alice\na"),
        ("[To:1]Bot\n[To:2]Aliceさん", &[1, 2], "", "Aliceさん"),
        ("[To:2]\nAlice\n/a", &[2], "Alice\n/a", "Alice\n/a"),
        // What the reader is told is no name, and neither is a word with a prefix.
        ("[To:1] a\n[To:2]Alice\n/b", &[1], "a\nAlice\n/b", "a\nAlice\n/b"),
        ("[To:2] /a\n/b", &[2], "/a\n/b", "/a\n/b"),
        ("a [To:2]Alice\n/b", &[], "a Alice\n/b", "a Alice\n/b"),
    ] {
        let heard = unknown(body);
        let addressed: Vec<u64> = heard
            .front
            .iter()
            .map(|mention| match mention {
                Mention::Account(account) => account.0,
                Mention::All => 0,
            })
            .collect();
        assert_eq!((&*addressed, heard.rest(), heard.request()), (front, rest, request), "{body:?}");
        assert!(heard.plain, "{body:?}");
    }
    // The reader's name too, where the program has not said it.
    let nobody = |body: &str| parse(body).heard(AccountId(1), |_| None::<&str>);
    assert_eq!(nobody("[To:1]Bot\n/a").rest(), "/a");
    assert_eq!(nobody("[To:1]Botさん\na").request(), "a");
    for boxed in ["[info]/a[/info]", "[code]/a[/code]", "[info][title]/a[/title]b[/info]", "[url]/a[/url]"] {
        let heard = unknown(&format!("[qt]b[/qt][To:1]Bot\n{boxed}"));
        assert!(heard.rest().starts_with("/a") && !heard.plain, "{boxed}");
    }
    assert!(unknown("[hr][preview id=5][info][/info]/a").plain);
}

#[test]
fn many_addresses_take_linear_time() {
    let body = "[To:1]Bot [To:2]　".repeat(100_000);
    assert_eq!(own(&body), "");
    assert_eq!(parse(&"[To:9]誰か\n".repeat(100_000)).heard(AccountId(1), names).rest(), "");
    assert_eq!(own(&format!("[To:1]{}", " ".repeat(1_000_000))), "");
}

fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The text that is neither markup nor quoted.
fn unquoted(body: &str) -> String {
    let (document, mut text) = (parse(body), String::new());
    let mut walk = document.walk();
    while let Some(step) = walk.next() {
        let Step::Enter(node) = step else { continue };
        match node.kind() {
            Kind::Quote(_) => walk.skip_children(),
            kind if kind.is_container() => {}
            _ => text.push_str(&node.plain_text()),
        }
    }
    text
}

fn message() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => select(vec![
            "[To:1]", "[To:2]", "[To:9]", "[rp aid=1 to=2-3]", "[返信 aid=2 to=2-3]", "[pname:1]", "[toall]", "Bot", "Bot 2",
            "田中", "さん", "様", "san", "、", ":", "@1", "\n", " ", "　", "[qt]", "[/qt]", "[info]", "[/info]", "[code]",
            "[/code]", "[hr]", "[", "]", "、Bot", "お願い",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Only the characters of the names, and of what belongs to them, may be missing.
    #[test]
    fn only_known_names_are_left_out(body in message()) {
        let known = |account: AccountId| match account.0 {
            1 => vec!["Bot", "Bot 2"],
            2 => vec!["田中"],
            _ => vec![],
        };
        let rest = |text: &str| without_blanks(text).replace(|c| "Bot2田中さん様san、，､,:：@1".contains(c), "");
        prop_assert_eq!(rest(&parse(&body).own_text(AccountId(1), known)), rest(&unquoted(&body)));
        let unknown = without_blanks(&parse(&body).own_text(AccountId(1), |_| None::<&str>));
        let words = without_blanks(&unquoted(&body));
        let rest = |text: &str| text.replace(|c| "さん様san、，､,:：@1".contains(c), "");
        prop_assert_eq!(rest(&unknown), rest(&words));
    }

    /// Words that are no names are there, in their order.
    #[test]
    fn no_word_is_lost(words in vec("[x-z]{1,3}", 1..6), between in vec(message_of_addresses(), 6)) {
        let body: String = words.iter().zip(&between).map(|(word, address)| format!("{address}{word}\n")).collect();
        let own = own(&body);
        prop_assert_eq!(own.split_whitespace().filter(|word| words.contains(&(*word).to_owned())).count(), words.len(), "{}: {}", body, own);
    }

    #[test]
    fn quoted_text_is_not_part_of_the_message(before in "[a-c\\[\\]\n]{0,8}", quoted in "[x-z\n]{1,8}", after in "[a-c\\[\\]\n]{0,8}") {
        let own = own(&format!("{before}[qt]{quoted}[/qt]{after}"));
        prop_assert!(!own.contains(['x', 'y', 'z']), "{own}");
    }
}

fn message_of_addresses() -> impl Strategy<Value = &'static str> {
    select(vec![
        "",
        "[To:1]Bot ",
        "[To:1]Botさん、",
        "[To:2]田中\n",
        "[rp aid=1 to=2-3]Bot: ",
        "[To:9]誰か ",
        "[To:1]",
    ])
}
