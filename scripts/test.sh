#!/usr/bin/env bash
# Everything that must hold before a change lands, quick checks first. Without arguments all steps; else the named ones:
#   ./scripts/test.sh lint test
# FUZZTIME (default 5s) is the time for each fuzz target. With CI=true a tool that can't be had is an error; otherwise the
# tests that need it skip.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.cache/bin:$PATH"

step_tools() { ./scripts/tools.sh || [ "${CI:-}" != true ]; }

step_format() {
    local bad
    bad=$(gofmt -l ./*/)
    [ -z "$bad" ] || { printf 'gofmt -w these:\n%s\n' "$bad" && return 1; }
}

step_vet() {
    go mod tidy -diff
    go vet ./...
    local os
    for os in darwin windows; do # also type-checks the tests of other systems
        CGO_ENABLED=0 GOOS=$os GOARCH=arm64 go vet ./...
    done
}

step_lint() {
    if ! command -v staticcheck >/dev/null; then
        [ "${CI:-}" != true ] && echo "no staticcheck: not linted" && return
        return 1
    fi
    staticcheck ./...
}

# The released programs are built without cgo and open libraries by purego, the race detector needs cgo: what opens
# libraries is tested both ways, the second time with checks of pointers (-race has its own).
# Several tests build the programs or ask the go command, which the cache of test results does not see: -count=1.
# The packages of $apart are left to steps of their own: what takes their time are compilers, emulators and other programs,
# where the race detector sees nothing.
apart='/internal/(oracle|platforms)(/|$)'
step_test() { go list ./... | grep -Ev "$apart" | xargs go test -race -count=1 -timeout 20m; }
step_nocgo() { CGO_ENABLED=0 go test -count=1 -timeout 10m -gcflags=all=-d=checkptr ./loader/native/... ./loader/worker/...; }

# The Rust side by Rust's own tools; then this project's reading of type layouts held against abi_stable's own, and plugins
# on other platforms, also under valgrind.
step_rust() { ./scripts/rust.sh; }
step_oracle() { go test -count=1 -timeout 20m ./internal/oracle/...; }
step_platforms() { ./scripts/platforms.sh; }

# Every program for every system it is released for.
step_cross() {
    local os arch
    for os in linux darwin windows; do
        for arch in amd64 arm64; do
            echo "$os/$arch"
            CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -o /dev/null ./cmd/...
        done
    done
}

step_demo() { ./scripts/demo.sh; }

# Every fuzz target for a short time. go test takes one target of one package at a time.
step_fuzz() {
    local package target
    go test -list '^Fuzz' ./... | awk '/^Fuzz/ {names[n++] = $1} $1 == "ok" {for (i = 0; i < n; i++) print $2, names[i]; n = 0}' |
        while read -r package target; do
            fuzz "$package" "$target"
        done
}

# fuzz tries again when the only complaint is that time ran out: go test sometimes takes the end of its own time for a
# failure.
fuzz() {
    local log=.cache/fuzz.log
    printf '%s %s\n' "$1" "$2"
    for _ in 1 2; do
        go test -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZTIME:-5s}" -fuzzminimizetime 20x "$1" </dev/null >"$log" 2>&1 && return
        grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log" || break
    done
    cat "$log"
    return 1
}

steps=("$@")
[ $# -gt 0 ] || steps=(tools format vet lint cross test nocgo rust oracle platforms demo fuzz)
mkdir -p .cache
step=
trap '[ $? = 0 ] || echo "== failed: $step" >&2' EXIT
for step in "${steps[@]}"; do
    declare -F "step_$step" >/dev/null || {
        echo "no step \"$step\"; there are: $(declare -F | sed -n 's/declare -f step_//p' | tr '\n' ' ')" >&2
        exit 2
    }
    printf '\n== %s\n' "$step"
    began=$SECONDS
    "step_$step" # not in a condition: that would switch off set -e inside
    printf '== %s: %d s\n' "$step" $((SECONDS - began))
done
