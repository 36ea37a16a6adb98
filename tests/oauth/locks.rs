//! The lock file beside a token file.

use super::stores::Folder;
use super::*;
use kaiwa::oauth::FileTokenStore;
use std::sync::atomic::AtomicBool;

#[tokio::test]
async fn a_lease_of_files_is_a_lock_beside_the_tokens() {
    let folder = Folder::new("lock");
    let file = folder.0.join("tokens.json");
    let [one, other] = [FileTokenStore::new(&file), FileTokenStore::new(&file)];
    let lease = one.lease().await.expect("free");
    assert!(lease.is_held());
    // A save replaces the file of the tokens, and the lock holds.
    one.save(&TokenSet::new("a")).await.expect("saved");
    other.load().await.expect("readable").expect("tokens");
    let lock = folder.0.join("tokens.json.lock");
    let metadata = std::fs::metadata(&lock).expect("the lock file is there");
    assert_eq!(metadata.len(), 0);
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o600);

    let is_free = Arc::new(AtomicBool::new(false));
    let waiting = tokio::spawn({
        let is_free = Arc::clone(&is_free);
        async move {
            let lease = other.lease().await.expect("given back");
            assert!(is_free.load(Ordering::SeqCst), "two have the lease");
            lease
        }
    });
    for _ in 0..20 {
        // Each dropped while it tries the lock in another thread, or waits for the next try.
        let mut given_up = one.lease();
        assert!(futures::poll!(&mut given_up).is_pending());
        tokio::task::yield_now().await;
        assert!(futures::poll!(&mut given_up).is_pending());
    }
    is_free.store(true, Ordering::SeqCst);
    drop(lease);
    drop(waiting.await.expect("no panic"));
    drop(one.lease().await.expect("the ones that gave up have left none behind"));
    assert_eq!(folder.sorted(), ["tokens.json", "tokens.json.lock"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_the_tokens_has_the_lock_of_its_target() {
    let folder = Folder::new("lock-links");
    let file = folder.0.join("tokens.json");
    let link = folder.0.join("link.json");
    std::os::unix::fs::symlink("tokens.json", &link).expect("a link");
    drop(FileTokenStore::new(&link).lease().await.expect("free"));
    assert_eq!(folder.sorted(), ["link.json", "tokens.json.lock"]);

    // Anything else in the place of the lock file is left alone.
    let lock = folder.0.join("tokens.json.lock");
    std::fs::remove_file(&lock).expect("removed");
    std::os::unix::fs::symlink("precious", &lock).expect("a link");
    let error = FileTokenStore::new(&file).lease().await.expect_err("a link").to_string();
    assert!(error.contains("not a regular file") && error.contains("tokens.json"), "{error}");
    assert!(!folder.0.join("precious").exists());
    let nowhere = FileTokenStore::new(folder.0.join("nowhere/tokens.json"));
    nowhere.lease().await.expect_err("its folder is missing");
}

#[tokio::test]
async fn a_lock_file_that_a_person_removed_is_made_again() {
    let folder = Folder::new("lock-removed");
    let store = FileTokenStore::new(folder.0.join("tokens.json"));
    let lease = store.lease().await.expect("free");
    std::fs::remove_file(folder.0.join("tokens.json.lock")).expect("removed");
    drop(lease);
    let lease = store.lease().await.expect("free");
    assert_eq!(folder.sorted(), ["tokens.json.lock"]);
    drop(lease);
}
