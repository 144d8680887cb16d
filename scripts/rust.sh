#!/usr/bin/env bash
# What must hold of the Rust side: format, lint, documentation and tests of sdk/rust and of the examples in Rust. What cargo
# builds lies in .cache/rust. With CI=true a missing cargo is an error; otherwise nothing is checked without it.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo >/dev/null; then
    echo "no cargo: Rust is not checked"
    [ "${CI:-}" != true ]
    exit
fi
export CARGO_TARGET_DIR="$PWD/.cache/rust" RUST_BACKTRACE=0 # several tests panic on purpose

check() { # CRATE CARGO_FLAGS...
    local crate=$1
    shift
    echo "$crate"
    (
        cd "$crate"
        cargo fmt --check
        cargo clippy --quiet "$@" --all-targets -- -D warnings
        RUSTDOCFLAGS="-D warnings" cargo doc --quiet "$@" --no-deps
        cargo test --quiet "$@"
    )
}

check sdk/rust # a library: its users' locks count, so it has none
for lock in examples/*/Cargo.lock; do
    check "$(dirname "$lock")" --locked
done
