//! What `build.rs` made of the specifications. Nothing else in the crate is generated.

#[cfg(feature = "chatwork")]
#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used)]
pub(crate) mod chatwork {
    include!(concat!(env!("OUT_DIR"), "/chatwork.rs"));
}
#[cfg(feature = "lancers")]
#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used)]
pub(crate) mod lancers {
    include!(concat!(env!("OUT_DIR"), "/lancers.rs"));
}
#[cfg(feature = "tascha")]
#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used)]
pub(crate) mod tascha {
    include!(concat!(env!("OUT_DIR"), "/tascha.rs"));
}
