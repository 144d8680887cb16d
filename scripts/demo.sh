#!/usr/bin/env bash
# The main job from nothing: builds the programs and the C echo plugin, publishes it to a directory registry,
# installs it by name into a fresh project, locks, verifies and calls it. Prints each step as the command a person would
# type. Everything but bin/ happens in a temporary folder, so that a user's own registry, cache and plugins stay as they
# are; KEEP=1 keeps that folder.
set -euo pipefail
cd "$(dirname "$0")/.."

need() { command -v "$1" >/dev/null || { echo "demo: $1 is needed: $2" >&2; exit 1; }; }
need go "install Go 1.26 or newer (Debian: apt-get install golang; else the archive from the Go project)"
need "${CC:-cc}" "install a C compiler (Debian: apt-get install gcc libc6-dev; macOS: xcode-select --install)"

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n$ %s\n' "$*"; }
run() {
    say "$@"
    "$@"
}

export CGO_ENABLED=0
run go build -trimpath -o bin/ ./cmd/...

work=$(mktemp -d)
[ -n "${KEEP:-}" ] || trap 'rm -rf "$work"' EXIT
export PATH="$PWD/bin:$PATH" LOADR_REGISTRY_DIR="$work/registry" LOADR_CACHE_DIR="$work/cache" LOADR_CONFIG="$work/config.toml"
unset LOADR_REGISTRY LOADR_PLUGINS_DIR
: >"$LOADR_CONFIG"
cp -R examples sdk "$work/"
cd "$work"

say examples/c-echo/build.sh
library=$(examples/c-echo/build.sh)
echo "$library"
target=$(basename "$(dirname "$library")")
run loadr plugin info "examples/c-echo/$library"
run loadr plugin pack examples/c-echo --target "$target" --output c-echo.oci
run loadr plugin publish c-echo.oci

say mkdir load-test '&&' cd load-test
mkdir load-test && cd load-test
run loadr plugin init
run loadr plugin install c-echo
run cat loadr.toml loadr.lock
run loadr plugin list
run loadr plugin info c-echo
run loadr plugin verify
run loadr plugin sync --locked
run loadr plugin call c-echo --url echo://host/greeting --method SEND --header 'x-trace: 7' --body 'hello, plugin'
