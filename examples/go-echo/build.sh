#!/bin/sh
# Builds go-echo into build/<target>/, or $OUT/<target>/. Without an argument: for this machine, with its C compiler. With
# Rust target triples of Linux and Windows: with $ZIG (default: zig, or python3 -m ziglang). Libraries for macOS are built on
# a Mac: Go links them against Apple's frameworks.
set -eu
cd "$(dirname "$0")"
out=${OUT:-build}

# Go's names of a Rust target.
goos() {
    case $1 in
    *-apple-*) echo darwin ;;
    *-windows-*) echo windows ;;
    *) echo linux ;;
    esac
}

goarch() {
    case $1 in
    aarch64-*) echo arm64 ;;
    *) echo amd64 ;;
    esac
}

library() {
    case $1 in
    *-apple-*) echo libgo_echo.dylib ;;
    *-windows-*) echo go_echo.dll ;;
    *) echo libgo_echo.so ;;
    esac
}

host_target() {
    case $(go env GOARCH) in
    arm64) machine=aarch64 ;;
    *) machine=x86_64 ;;
    esac
    case $(go env GOOS) in
    darwin) echo "$machine-apple-darwin" ;;
    windows) echo "$machine-pc-windows-gnu" ;;
    *) echo "$machine-unknown-linux-gnu" ;;
    esac
}

# build TARGET: the library appears whole or not at all. The version control's state stays out of it, so that the same
# sources give the same bytes.
build() {
    file=$out/$1/$(library "$1")
    mkdir -p "$out/$1"
    CGO_ENABLED=1 GOOS=$(goos "$1") GOARCH=$(goarch "$1") \
        go build -buildmode=c-shared -buildvcs=false -trimpath -ldflags='-s -w' -o "$file.new" .
    mv "$file.new" "$file"
    rm -f "$out/$1"/*.h # the C header that cgo writes beside it; hosts have their own
    echo "$file"
}

# The glibc floor is the oldest that the current Rust toolchains support.
cross() {
    if [ -n "${ZIG:-}" ]; then :
    elif command -v zig >/dev/null; then ZIG=zig
    else ZIG="python3 -m ziglang"
    fi
    case $1 in
    *-pc-windows-gnu) CC="$ZIG cc -target ${1%%-*}-windows-gnu" ;;
    *-unknown-linux-gnu) CC="$ZIG cc -target ${1%%-*}-linux-gnu.2.17" ;;
    *) echo "build.sh: can't build for $1 here" >&2 && exit 1 ;;
    esac
    export CC
    build "$1"
}

if [ $# = 0 ]; then
    build "$(host_target)"
else
    for target in "$@"; do cross "$target"; done
fi
