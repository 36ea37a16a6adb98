//! Replies on a Lancers board with a file: `lancers_reply BOARD TEXT FILE`. Reads `LANCERS_COOKIE`, and `LANCERS_USER`, the name that
//! boards show for its account.
use anyhow::{Context, Result, bail};
use kaiwa::lancers::{BoardId, Client};
use kaiwa::{Found, Outcome, Upload};
use std::{env, time::Duration};

#[tokio::main]
async fn main() -> Result<()> {
    let [_, board, text, path] = &env::args().collect::<Vec<_>>()[..] else {
        bail!("usage: lancers_reply BOARD TEXT FILE");
    };
    let user = env::var("LANCERS_USER").context("LANCERS_USER is not set")?;
    let board = Client::from_env()?.board(BoardId(board.parse().context("BOARD is not a number")?));

    let file = Upload::path(path).await?;
    let name = file.name().to_owned();
    // What is there before: if the answer is lost, it shows which message is the new one.
    let before = board.before_post(text, user).await?.into_inner();
    let id = match board.post(text).file(file).await {
        Ok(sent) => sent.id,
        Err(error) if error.outcome() == Outcome::Unknown => {
            tokio::time::sleep(Duration::from_secs(2)).await; // it may still be on its way
            match board.look_for(&before).await?.into_inner() {
                Found::Yes(id) => id,
                _ => return Err(error).context("look at the board before you send it again"),
            }
        }
        Err(error) => return Err(error.into()),
    };
    println!("replied with {name}: message {id}");
    Ok(())
}
