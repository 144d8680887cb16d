#!/bin/sh
# Builds c-echo into build/<target>/. Without an argument: for this machine, with $CC (default cc). With Rust target
# triples, or --all for every target of plugin.toml: with $ZIG (default: zig, or python3 -m ziglang).
set -eu
cd "$(dirname "$0")"

flags="${CFLAGS:--O2} -std=c11 -Wall -Wextra -Werror -pedantic -fvisibility=hidden -I../../sdk/c"

host_target() {
    system=$(uname -s) machine=$(uname -m)
    [ "$machine" != arm64 ] || machine=aarch64
    [ "$machine" != amd64 ] || machine=x86_64
    case $system in
    Darwin) echo "$machine-apple-darwin" ;;
    Linux) case $("${CC:-cc}" -dumpmachine) in
        *musl*) echo "$machine-unknown-linux-musl" ;;
        *) echo "$machine-unknown-linux-gnu" ;;
        esac ;;
    *) echo "$machine-pc-windows-gnu" ;;
    esac
}

library() {
    case $1 in
    *-apple-*) echo libc_echo.dylib ;;
    *-windows-*) echo c_echo.dll ;;
    *) echo libc_echo.so ;;
    esac
}

# zig's name of a Rust target. The glibc floor is the oldest that the current Rust toolchains support.
zig_target() {
    case $1 in
    *-apple-darwin) echo "${1%%-*}-macos" ;;
    *-pc-windows-*) echo "${1%%-*}-windows-gnu" ;;
    *-linux-gnu) echo "${1%%-*}-linux-gnu.2.17" ;;
    *) echo "${1%%-*}-linux-${1##*-}" ;;
    esac
}

# build TARGET COMPILER...: the library appears whole or not at all.
build() {
    target=$1 name=$(library "$1")
    shift
    mkdir -p "build/$target"
    pic=-fPIC
    case $target in *-windows-*) pic= ;; esac
    # shellcheck disable=SC2086 # the flags are words
    "$@" $flags $pic -shared -o "build/$target/$name.new" c_echo.c
    mv "build/$target/$name.new" "build/$target/$name"
    echo "build/$target/$name"
}

cross() {
    if [ -n "${ZIG:-}" ]; then :
    elif command -v zig >/dev/null; then ZIG=zig
    else ZIG="python3 -m ziglang"
    fi
    # -s: otherwise a second file with debug information is written for Windows.
    # shellcheck disable=SC2086 # a command of several words
    build "$1" $ZIG cc -target "$(zig_target "$1")" -s
}

case ${1:-} in
"") build "$(host_target)" "${CC:-cc}" ;;
--all)
    sed -n 's/^"\([^"]*\)" = "build.*/\1/p' plugin.toml | while read -r target; do cross "$target"; done
    ;;
*) for target in "$@"; do cross "$target"; done ;;
esac
