//! Turns each OpenAPI document in `specs/` into Rust: the operation table, the open enums, the typed
//! operations, and, through progenitor, the request encoder and the answer types. Without the feature `generate` it does
//! nothing: the crate compiles what it made before, from `src/generated`.

#[cfg(feature = "generate")]
#[path = "src/codegen/mod.rs"]
mod codegen;

const SERVICES: [&str; 3] = ["chatwork", "tascha", "lancers"];

fn is_wanted(service: &str) -> bool {
    std::env::var_os(format!("CARGO_FEATURE_{}", service.to_uppercase())).is_some()
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Without some of the services, parts of the common ground are not used.
    println!("cargo::rustc-check-cfg=cfg(partial)");
    if !SERVICES.into_iter().all(is_wanted) {
        println!("cargo::rustc-cfg=partial");
    }
    #[cfg(feature = "generate")]
    generate();
}

#[cfg(feature = "generate")]
fn generate() {
    use std::{env, fs, path::PathBuf};

    println!("cargo::rerun-if-changed=src/codegen");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for build scripts"));
    for service in SERVICES.into_iter().filter(|service| is_wanted(service)) {
        let spec = format!("specs/{service}.yaml");
        println!("cargo::rerun-if-changed={spec}");
        let generated = fs::read_to_string(&spec)
            .map_err(|error| codegen::SpecError::unreadable(&spec, &error))
            .and_then(|yaml| codegen::generate(&spec, &yaml));
        let written = generated.map(|code| fs::write(out.join(format!("{service}.rs")), code));
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => stop(&format!("cannot write the code made from {spec}: {error}")),
            Err(error) => stop(&error.to_string()),
        }
    }
}

/// Stops the build with one message, without the noise of a panic.
#[cfg(feature = "generate")]
fn stop(message: &str) -> ! {
    println!("cargo::error={}", message.replace('\n', " "));
    std::process::exit(1)
}
