#!/usr/bin/env bash
# Gets what the tests use besides Go: a linter, peers to compare with, compilers for other platforms and what runs their
# programs here. What this machine has is left alone. Programs go to .cache/bin, which ./scripts/test.sh puts on the path and
# Go tests look into; compilers, pip, LLVM's tools, emulators and valgrind are system packages (Debian, as root or with sudo);
# rustup adds the standard libraries of the Rust targets. Whatever can't be had is named at the end with the way to get it,
# and the exit code is 1; tests that need it skip and say so.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.cache/bin
mkdir -p "$bin"
export PATH="$bin:$PATH"
missing=()

have() { command -v "$1" >/dev/null 2>&1; }
note() { printf 'tools: %s\n' "$*"; }
lack() { missing+=("$1"); }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        have sudo && sudo -n "$@"
    fi
}

# update refreshes Debian's package lists, once.
updated=
update() {
    [ -n "$updated" ] && return "$updated"
    note "refreshing the lists of packages"
    as_root apt-get update -qq
    updated=$?
    return "$updated"
}

# package PROGRAM DEBIAN-PACKAGE... installs system packages unless PROGRAM is there.
package() {
    local program=$1
    shift
    have "$program" && return
    note "installing $*"
    { have apt-get && update && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" &&
        have "$program"; } >&2 || lack "$program: apt-get install $* (Debian), or your system's package of it"
}

# gotool PROGRAM PACKAGE VERSION builds a Go program unless .cache/bin has that version.
gotool() {
    local program=$1 path=$2 version=$3
    [ -x "$bin/$program" ] && [ "$(go version -m "$bin/$program" | awk '$1 == "mod" {print $3}')" = "$version" ] && return
    note "building $program $version"
    GOBIN=$bin GOFLAGS= go install "$path@$version" || lack "$program: GOBIN=$bin go install $path@$version"
}

# download FOLDER DEBIAN-PACKAGE fetches a package without installing it; no need to be root for that.
download() { (cd "$1" && apt-get download -qq -o APT::Sandbox::User="$(id -un)" "$2"); }

# docker_registry takes the one program out of Debian's package: installing that would start a service on a port.
docker_registry() {
    have docker-registry && return
    note "fetching docker-registry"
    local dir=.cache/docker-registry
    rm -rf "$dir" && mkdir -p "$dir"
    have apt-get && { download "$dir" docker-registry || { update && download "$dir" docker-registry; }; } &&
        dpkg-deb -x "$dir"/docker-registry_*.deb "$dir" && cp "$dir/usr/bin/docker-registry" "$bin/" ||
        lack "docker-registry: apt-get install docker-registry (Debian 12; it starts a service, which the tests don't need)"
}

# apple_linker: LLVM's linker behaves as Apple's when it is called ld64.lld, a name that Debian's package leaves out.
apple_linker() {
    have ld64.lld && return
    package lld lld
    have lld && ln -sf "$(command -v lld)" "$bin/ld64.lld"
}

# zig comes as a Python package. It is unpacked here rather than installed, which Debian's Python would refuse.
zig_version=0.16.0
get_zig() {
    local found
    for found in "zig" "python3 -m ziglang"; do
        [ "$($found version 2>/dev/null)" = "$zig_version" ] && return
    done
    package pip3 python3 python3-pip
    note "fetching zig $zig_version"
    rm -rf .cache/zig
    PIP_ROOT_USER_ACTION=ignore pip3 install --quiet --disable-pip-version-check --no-deps --target .cache/zig "ziglang==$zig_version" &&
        ln -sf ../zig/ziglang/zig "$bin/zig" && "$bin/zig" version >/dev/null ||
        lack "zig: pip install ziglang==$zig_version (with --break-system-packages where pip asks for it)"
}

# zigbuild has cargo link by zig, for targets whose own linker can't be had. As with zig, only the package's program is used.
zigbuild_version=0.24.0
get_zigbuild() {
    [ "$(cargo-zigbuild --version 2>/dev/null)" = "cargo-zigbuild $zigbuild_version" ] && return
    package pip3 python3 python3-pip
    note "fetching cargo-zigbuild $zigbuild_version"
    rm -rf .cache/zigbuild
    PIP_ROOT_USER_ACTION=ignore pip3 install --quiet --disable-pip-version-check --no-deps --target .cache/zigbuild \
        "cargo-zigbuild==$zigbuild_version" && ln -sf ../zigbuild/bin/cargo-zigbuild "$bin/cargo-zigbuild" &&
        "$bin/cargo-zigbuild" --version >/dev/null ||
        lack "cargo-zigbuild: pip install cargo-zigbuild==$zigbuild_version, or cargo install cargo-zigbuild"
}

# rust_targets asks rustup for the standard libraries of the platforms that the tests build plugins for. A cargo from a
# distribution has the machine's own and knows no way to more.
rust_targets() {
    local target
    have cargo || {
        lack "cargo: install Rust 1.82 or newer by rustup, which also brings other platforms' standard libraries"
        return
    }
    for target in aarch64-unknown-linux-gnu x86_64-pc-windows-gnu x86_64-apple-darwin aarch64-apple-darwin; do
        [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] && continue
        have rustup || {
            lack "Rust's standard library for $target: this cargo is not rustup's; with that it is: rustup target add $target"
            continue
        }
        note "adding $target to Rust"
        rustup --quiet target add "$target" || lack "Rust's standard library for $target: rustup target add $target"
    done
}

have go || {
    echo "tools: go is needed: install Go 1.26 or newer from the Go project's downloads" >&2
    exit 1
}
package "${CC:-cc}" gcc libc6-dev
package llvm-readobj llvm
apple_linker
gotool staticcheck honnef.co/go/tools/cmd/staticcheck v0.8.2
gotool oras oras.land/oras/cmd/oras v1.3.6
gotool crane github.com/google/go-containerregistry/cmd/crane v0.22.1
docker_registry
get_zig
get_zigbuild
rust_targets
package aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross
package x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64-posix
package qemu-aarch64-static qemu-user-static
package wine wine wine64
package valgrind valgrind

if [ "${#missing[@]}" -gt 0 ]; then
    printf 'tools: could not be had: %s\n' "${missing[@]}" >&2
    exit 1
fi
