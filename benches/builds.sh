#!/usr/bin/env bash
# What a cold build costs: CPU seconds of programs with kaiwa, and of one with what a client by hand needs.
# `bash benches/builds.sh 3` builds each of them three times, in turn, and needs a machine that does nothing else.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rounds=${1:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_INCREMENTAL=0

tokio='tokio = { version = "1", features = ["macros", "rt-multi-thread", "signal"] }'
# The features of reqwest are those that the library asks for.
by_hand='reqwest = { version = "0.13.4", default-features = false, features = ["form", "http2", "json", "multipart", "query", "rustls", "stream", "system-proxy"] }
serde = { version = "1", features = ["derive"] }
serde_json = "1"'
declare -A dependencies=(
    [by-hand]="$by_hand"
    [lean]="kaiwa = { path = \"$root\", default-features = false, features = [\"chatwork\", \"rustls\"] }"
    [default]="kaiwa = { path = \"$root\" }"
)

for name in "${!dependencies[@]}"; do
    mkdir -p "$work/$name/src"
    printf '[package]\nname = "%s"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[dependencies]\n%s\n%s\n' \
        "$name" "$tokio" "${dependencies[$name]}" >"$work/$name/Cargo.toml"
    echo 'fn main() {}' >"$work/$name/src/main.rs"
    # The versions are those of the library's own lock file, as far as it has them.
    cp "$root/Cargo.lock" "$work/$name/Cargo.lock"
    (cd "$work/$name" && cargo fetch --quiet)
done

TIMEFORMAT='%U %S %R'
for ((round = 1; round <= rounds; round++)); do
    for name in by-hand lean default; do
        rm -rf "$work/target"
        figures=$({ time CARGO_TARGET_DIR=$work/target cargo build --quiet --manifest-path "$work/$name/Cargo.toml"; } 2>&1)
        printf '%s %s: user, system and elapsed seconds %s; load %s\n' "$round" "$name" "$figures" "$(cut -d' ' -f1 /proc/loadavg 2>/dev/null || true)"
    done
done
