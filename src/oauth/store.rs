//! Where tokens outlive the process.

use super::tokens::TokenSet;
use futures::future::BoxFuture;
use secrecy::ExposeSecret;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Why a store failed. Its text is shown in errors and events, so it must not hold a token.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// Keeps the tokens of one person, from one run of a program to the next.
///
/// ```
/// use futures::future::BoxFuture;
/// use kaiwa::oauth::{ExposeSecret, StoreError, TokenSet, TokenStore};
///
/// #[derive(Debug)]
/// struct Vault;
///
/// impl TokenStore for Vault {
///     fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
///         Box::pin(async { Ok(read("bot/tokens").await?.map(|json| TokenSet::from_json(&json)).transpose()?) })
///     }
///
///     fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
///         Box::pin(async move { Ok(write("bot/tokens", tokens.to_json().expose_secret()).await?) })
///     }
/// }
/// # async fn read(_: &str) -> std::io::Result<Option<String>> { Ok(None) }
/// # async fn write(_: &str, _: &str) -> std::io::Result<()> { Ok(()) }
/// ```
pub trait TokenStore: fmt::Debug + Send + Sync + 'static {
    /// The tokens that were saved last; `None` if none were.
    ///
    /// # Errors
    ///
    /// If it cannot be known. A refresh goes on with the tokens in memory then.
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>>;

    /// Keeps the tokens in place of those before. When it ends, they have to be where a crash does not take them: the
    /// service may have made the refresh token before useless.
    ///
    /// # Errors
    ///
    /// If they could not be kept; see [`Authorization::save`](super::Authorization::save).
    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Keeps tokens until the process ends; the default. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryTokenStore(Arc<Mutex<Option<TokenSet>>>);

impl MemoryTokenStore {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }
}

impl TokenStore for MemoryTokenStore {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(std::future::ready(Ok(tokens)))
    }

    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokens.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Keeps tokens in a file that, on Unix, only its owner can read (mode 0600).
///
/// The tokens are written to a file beside it, brought to the disk and then given the name, so that whatever happens
/// the file holds either the old tokens or the new ones. The tokens are not encrypted.
#[derive(Clone)]
pub struct FileTokenStore {
    path: Arc<Path>,
}

impl FileTokenStore {
    /// A store in the file of this name. Its folder has to exist; the file is made by the first save.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into().into() }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Path) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let path = Arc::clone(&self.path);
        let result = tokio::task::spawn_blocking(move || work(&path)).await.map_err(Into::into).flatten();
        result.map_err(|error| format!("{action} {}: {error}", self.path.display()).into())
    }
}

impl TokenStore for FileTokenStore {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, StoreError>> {
        Box::pin(self.blocking("reading", |path| match std::fs::read_to_string(path) {
            Ok(json) => Ok(Some(TokenSet::parse(&json)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }))
    }

    fn save<'a>(&'a self, tokens: &'a TokenSet) -> BoxFuture<'a, Result<(), StoreError>> {
        let json = tokens.to_json();
        Box::pin(self.blocking("writing", move |path| Ok(replace(path, json.expose_secret().as_bytes())?)))
    }
}

impl fmt::Debug for FileTokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileTokenStore").field(&self.path).finish()
    }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it is not the name of a file"))?;
    let mut beside = name.to_owned();
    // A name that nobody else uses: two processes may share the store.
    beside.push(format!(".{}.tmp", uuid::Uuid::new_v4().simple()));
    let beside = path.with_file_name(beside);
    let result = write_new(&beside, content).and_then(|()| std::fs::rename(&beside, path));
    if result.is_err() {
        // What there is of the new tokens must not stay behind, and the first failure is the one to tell.
        let _ = std::fs::remove_file(&beside);
    }
    result?;
    #[cfg(unix)]
    {
        // Only this makes the new name last through a power cut. Not every file system can do it for a folder.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let _ = std::fs::File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
