//! 日本語のガイドです。各ページは英語のガイドと同じ構成で、コードも同じです。コードがコンパイルできることは英語のページで確認しています。
//!
//! * [`getting_started`]：プロジェクトの作成、認証情報、最初の呼び出し
//! * [`errors`]：失敗したとき、メッセージはどうなったか
//! * [`limits`]：リトライされるものと、呼び出しの速さ
//! * [`paging`]：一覧、ストリーム、チェックポイント
//! * [`webhooks`]：メッセージの受信とボット
//! * [`commands`]：clap によるコマンド
//! * [`durable_bots`]：強制終了されても続く会話
//! * [`oauth`]：利用者に代わって操作する
//! * [`many_processes`]：1 つのアカウントを複数のプロセスで使う
//! * [`killed`]：いつ強制終了されても投稿されるメッセージ
//! * [`notation`]：Chatwork のメッセージ記法
//! * [`testing`]：アカウントを使わずに、あらゆる障害を起こしてテストする
//! * [`services`]：各サービスでできることと、推定していること
//! * [`operations`]：全操作の一覧。それぞれのメソッドと、再送してよいかどうか
//! * [`internals`]：クレートの内部構成（開発に参加する人向け）

// A page without its features says which they are.
macro_rules! pages {
    ($($name:ident: $page:literal, $features:meta, $needs:literal;)*) => {$(
        #[cfg($features)]
        #[cfg_attr(not(doctest), doc = include_str!($page))]
        pub mod $name {}

        #[cfg(not($features))]
        #[doc = concat!("このページを読むには、フィーチャー ", $needs, " を有効にして `cargo doc --open` を実行してください。")]
        pub mod $name {}
    )*};
}

pages! {
    getting_started: "ja/getting_started.md", all(feature = "chatwork", feature = "tascha", feature = "lancers"), "`chatwork`、`tascha`、`lancers`";
    errors: "ja/errors.md", all(feature = "chatwork", feature = "tascha", feature = "lancers"), "`chatwork`、`tascha`、`lancers`";
    limits: "ja/limits.md", all(feature = "chatwork", feature = "tascha", feature = "lancers"), "`chatwork`、`tascha`、`lancers`";
    paging: "ja/paging.md", all(feature = "chatwork", feature = "tascha", feature = "lancers"), "`chatwork`、`tascha`、`lancers`";
    webhooks: "ja/webhooks.md", all(feature = "webhooks", feature = "chatwork", feature = "tascha"), "`webhooks`";
    commands: "ja/commands.md", feature = "clap", "`clap`";
    durable_bots: "ja/durable_bots.md", all(feature = "clap", feature = "outbox", feature = "webhooks", feature = "tascha"), "`clap`、`outbox`、`webhooks`";
    oauth: "ja/oauth.md", all(feature = "oauth", feature = "chatwork"), "`oauth`";
    many_processes: "ja/many_processes.md", all(feature = "redis", feature = "oauth", feature = "webhooks", feature = "chatwork"), "`redis`、`oauth`、`webhooks`";
    killed: "ja/killed.md", all(feature = "outbox", feature = "chatwork"), "`sqlite-bundled`";
    notation: "ja/notation.md", feature = "chatwork", "`chatwork`";
    testing: "ja/testing.md", feature = "sandbox", "`sandbox`";
    services: "ja/services.md", all(feature = "chatwork", feature = "tascha", feature = "lancers"), "`chatwork`、`tascha`、`lancers`";
    operations: "ja/operations.md", all(feature = "chatwork", feature = "tascha", feature = "lancers"), "`chatwork`、`tascha`、`lancers`";
    internals: "ja/internals.md", all(), "";
}
