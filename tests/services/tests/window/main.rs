//! The window on the sandbox, in a real browser: `bash .ci/run system` installs Chromium.
//!
//! `KAIWA_GENERATE=1 cargo test --test window` writes the pictures of the READMEs.

mod browser;
mod origins;
mod people;
mod programs;
mod texts;
