use kaiwa::Outcome;
use kaiwa::chatwork::RoomId;
use kaiwa::sandbox::{Fault, Provider, Sandbox, Script};

#[tokio::test]
async fn a_lost_answer_leaves_one_message() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start().await?;
    let room = sandbox.clients().chatwork.room(RoomId(100));
    let before = sandbox.chatwork().room(100).messages().len();

    // Chatwork accepts the post, and the connection is reset instead of an answer.
    let lost = Script::on("post_message").then(Fault::reset().after());
    sandbox.faults().script(Provider::Chatwork, lost);
    let sent = room.post("ビルドが通りました").await;
    assert_eq!(sent.expect_err("the answer is lost").outcome(), Outcome::Unknown);
    assert_eq!(sandbox.chatwork().room(100).messages().len(), before + 1);
    Ok(())
}
