#!/usr/bin/env bash
# Compares what fetching plugins from a distant registry costs loadr, oras and crane, in one run: time, requests, memory. The
# registry is on loopback and answers 50 ms late. Needs a C compiler; oras and crane as scripts/tools.sh fetches them, or on PATH.
# Arguments go to the benchmark: ./scripts/bench-network.sh -rounds 1 -big 0
# Not part of the tests: what a shared machine measures is no reason to fail. docs/network.md has results.
set -euo pipefail
cd "$(dirname "$0")/.."
parts=$PWD/.cache/bench
mkdir -p "$parts"
export PATH=$PWD/.cache/bin:$PATH

command -v "${CC:-cc}" >/dev/null || { echo "bench-network: a C compiler is needed (Debian: apt-get install gcc libc6-dev)" >&2; exit 1; }
for peer in oras crane; do
    command -v "$peer" >/dev/null || echo "bench-network: no $peer: left out (scripts/tools.sh fetches it)" >&2
done

"${CC:-cc}" -std=c99 -O2 -shared -fPIC -s -Isdk/c -o "$parts/libc_echo.so" internal/bench/c/echo.c
CGO_ENABLED=0 go build -trimpath -o "$parts/" ./cmd/... ./internal/bench/network

echo "$(go version), load $(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo unknown), file system $(stat -f -c %T "${TMPDIR:-/tmp}" 2>/dev/null || echo unknown)"
exec "$parts/network" -dir "$parts" "$@"
