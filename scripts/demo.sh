#!/usr/bin/env bash
# The main job from nothing: builds the programs and an echo plugin, publishes it to a directory registry, installs it by name
# into a fresh project, locks, verifies and calls it. The plugin is examples/echo-proto, in Rust, where cargo is present, else
# examples/c-echo. Prints each step as the command a person would type. Everything but bin/ happens in a temporary folder, so
# that a user's own registry, cache and plugins stay as they are (cargo keeps what it downloads); KEEP=1 keeps that folder.
set -euo pipefail
cd "$(dirname "$0")/.."

need() { command -v "$1" >/dev/null || { echo "demo: $1 is needed: $2" >&2; exit 1; }; }
need go "install Go 1.26 or newer (Debian: apt-get install golang; else the archive from the Go project)"

# choose says which plugin can be built here. What cargo has to download it gets here, so that no network is no failure.
choose() {
    if ! command -v cargo >/dev/null; then
        echo "no cargo on this machine: the plugin is examples/c-echo, in C (with Rust it is examples/echo-proto)" >&2
        echo c-echo
    elif ! (cd examples/echo-proto && cargo fetch --quiet --locked >&2); then
        echo "cargo can't get what examples/echo-proto depends on: the plugin is examples/c-echo, in C" >&2
        echo c-echo
    else
        echo "cargo is there: the plugin is examples/echo-proto, in Rust" >&2
        echo echo-proto
    fi
}
name=$(choose)
need "${CC:-cc}" "install a C compiler (Debian: apt-get install gcc libc6-dev; macOS: xcode-select --install)" # also Rust's linker

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
unset LOADR_REGISTRY LOADR_PLUGINS_DIR CARGO_TARGET_DIR
: >"$LOADR_CONFIG"
mkdir -p "$work/examples"
cp -R sdk "$work/"
(cd examples && tar cf - --exclude=target --exclude=build "$name") | tar xf - -C "$work/examples"
cd "$work"

say "examples/$name/build.sh"
library=$("examples/$name/build.sh")
echo "$library"
target=$(printf '%s' "$library" | sed 's|^[^/]*/\([^/]*\)/.*|\1|')
run loadr plugin info "examples/$name/$library"
run loadr plugin pack "examples/$name" --target "$target" --output "$name.oci"
run loadr plugin publish "$name.oci"

say mkdir load-test '&&' cd load-test
mkdir load-test && cd load-test
run loadr plugin init
run loadr plugin install "$name"
run cat loadr.toml loadr.lock
run loadr plugin list
run loadr plugin info "$name"
run loadr plugin verify
run loadr plugin sync --locked
run loadr plugin call "$name" --url echo://host/greeting --method SEND --header 'x-trace: 7' --body 'hello, plugin'
