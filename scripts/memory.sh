#!/usr/bin/env bash
# Shows that calls leave nothing behind, in numbers: an allocator in front of the C library's counts what is alive through a
# million calls of all kinds, from many goroutines; valgrind accounts for every block that the examples' libraries leave. Both are
# tests like the others; this runs them alone, shows what they count, and takes a minute or two.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.cache/bin:$PATH"

CGO_ENABLED=0 go test -count=1 -timeout 5m -v -run '^TestHeapStaysFlat$' ./loader/native
CGO_ENABLED=0 go test -count=1 -timeout 5m -v -run '^TestNothingIsLost$' ./internal/platforms
