#!/usr/bin/env bash
# Compares what a call of a plugin costs here with what it costs in a host written in Rust and in one that uses cgo, in one
# run. Needs cargo and a C compiler. Arguments go to the benchmark: ./scripts/bench.sh -rounds 5
# Not part of the tests: what a shared machine measures is no reason to fail. docs/performance.md has results.
set -euo pipefail
cd "$(dirname "$0")/.."
parts=$PWD/.cache/bench
mkdir -p "$parts"

need() { command -v "$1" >/dev/null || { echo "bench: $1 is needed: $2" >&2; exit 1; }; }
need cargo "install Rust (https://rustup.rs)"
need "${CC:-cc}" "install a C compiler (Debian: apt-get install gcc libc6-dev)"

cargo build --quiet --release --manifest-path internal/bench/rust/Cargo.toml --target-dir "$parts/cargo"
cargo build --quiet --release --manifest-path examples/echo-proto/Cargo.toml --target-dir "$parts/cargo"
cp "$parts"/cargo/release/bench-host "$parts/"
for library in libbench_echo libecho_proto; do # under one name everywhere
    cp "$parts/cargo/release/$library.dylib" "$parts/$library.so" 2>/dev/null || cp "$parts/cargo/release/$library.so" "$parts/"
done
"${CC:-cc}" -std=c99 -O2 -shared -fPIC -s -Isdk/c -o "$parts/libc_echo.so" internal/bench/c/echo.c
# As released: without cgo. Only the peer that stands for cgo has it.
CGO_ENABLED=0 go build -trimpath -o "$parts/" ./internal/bench ./cmd/loadr-worker
CGO_ENABLED=1 go build -trimpath -o "$parts/" ./internal/bench/cgohost

echo "$(go version), $(rustc --version), load $(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo unknown)"
exec "$parts/bench" -dir "$parts" "$@"
