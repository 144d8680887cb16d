#!/bin/sh
# Builds snapshot-output into target/<target>/release/. Without an argument: for this machine. With Rust target triples, or --all for
# every target of plugin.toml: with cargo-zigbuild, which links for other systems.
set -eu
cd "$(dirname "$0")"

host=$(rustc -vV | sed -n 's/^host: //p')
case ${1:-} in
"") set -- "$host" ;;
--all) set -- $(sed -n 's/^"\([^"]*\)" = "target.*/\1/p' plugin.toml) ;;
esac
for target in "$@"; do
    verb=zigbuild
    [ "$target" != "$host" ] || verb=build
    cargo "$verb" --release --locked --target "$target" --target-dir target
    ls "$(sed -n "s/^\"$target\" = \"\(.*\)\"/\1/p" plugin.toml)"
done
