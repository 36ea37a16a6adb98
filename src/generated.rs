//! What is made of the specifications, and nothing else: by `build.rs` for the build at hand with the feature
//! `generate`, and otherwise as it lies in `src/generated`, which holds the same text.

#[cfg(feature = "chatwork")]
#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used)]
pub(crate) mod chatwork {
    #[cfg(feature = "generate")]
    include!(concat!(env!("OUT_DIR"), "/chatwork.rs"));
    #[cfg(not(feature = "generate"))]
    include!("generated/chatwork.rs");
}
#[cfg(feature = "lancers")]
#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used)]
pub(crate) mod lancers {
    #[cfg(feature = "generate")]
    include!(concat!(env!("OUT_DIR"), "/lancers.rs"));
    #[cfg(not(feature = "generate"))]
    include!("generated/lancers.rs");
}
#[cfg(feature = "tascha")]
#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used)]
pub(crate) mod tascha {
    #[cfg(feature = "generate")]
    include!(concat!(env!("OUT_DIR"), "/tascha.rs"));
    #[cfg(not(feature = "generate"))]
    include!("generated/tascha.rs");
}
