use kaiwa::Outcome;
use kaiwa::chatwork::RoomId;
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script, tascha::Seed};

#[tokio::test]
async fn a_post_whose_answer_is_lost_is_there_once() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start().await?;
    let client = sandbox.clients();

    // Chatwork accepts the post, and the connection is reset instead of a response.
    let lost = Script::on("post_message").then(Fault::reset().after());
    sandbox.faults().script(Provider::Chatwork, lost);
    let before = sandbox.chatwork().room(100).messages().len();
    let sent = client.chatwork.room(RoomId(100)).post("ビルドが通りました").await;
    assert_eq!(sent.expect_err("the answer is lost").outcome(), Outcome::Unknown);
    assert_eq!(sandbox.chatwork().room(100).messages().len(), before + 1);

    // The same on TAS-CHA, where the post carries an idempotency key: it is sent again, and is there once.
    let lost = Script::on("create_message").then(Fault::reset().after());
    sandbox.faults().script(Provider::Tascha, lost);
    let before = sandbox.tascha().room(Seed::ROOM).messages().len();
    let sent = client.tascha.room(Seed::ROOM).post("決裁しました").await?;
    assert_eq!(sent.attempts(), 2);
    assert_eq!(sandbox.tascha().room(Seed::ROOM).messages().len(), before + 1);
    Ok(())
}
