#!/usr/bin/env bash
# Tries a release without publishing: checks goreleaser.yaml, builds everything twice and looks at what came out. Not part
# of the tests: building goreleaser, where .cache/bin and the path have none, takes some minutes. Run it when goreleaser.yaml
# changes. The result stays in dist/.
set -euo pipefail
cd "$(dirname "$0")/.."
version=v2.15.1
export PATH="$PWD/.cache/bin:$PATH"

fail() {
    echo "release-check: $*" >&2
    exit 1
}

command -v goreleaser >/dev/null || {
    echo "release-check: building goreleaser $version, some minutes"
    GOBIN=$PWD/.cache/bin GOFLAGS= go install github.com/goreleaser/goreleaser/v2@$version
}

# holds WHAT WANT compares a list of files on standard input with the one wanted.
holds() {
    local what=$1 want=$2 got
    got=$(sort | tr '\n' ' ')
    [ "$got" = "$want " ] || fail "$what: expected $want, found $got"
    echo "$what: $want"
}

# snapshot prints the checksums of one build from nothing.
snapshot() {
    goreleaser release --snapshot --clean --skip=publish >.cache/goreleaser.log 2>&1 || {
        cat .cache/goreleaser.log >&2
        fail "the snapshot was not built"
    }
    sort dist/checksums.txt
}

archives() {
    local os arch file
    for os in linux darwin windows; do
        for arch in amd64 arm64; do
            if [ $os = windows ]; then
                file=$(echo dist/*_${os}_$arch.zip)
                python3 -m zipfile -l "$file" | awk 'NR > 1 {print $1}' |
                    holds "$os/$arch" "LICENSE README.md loadr-plugin.exe loadr-registry.exe loadr-worker.exe loadr.exe"
            else
                file=$(echo dist/*_${os}_$arch.tar.gz)
                tar -tzf "$file" | holds "$os/$arch" "LICENSE README.md loadr loadr-plugin loadr-registry loadr-worker"
            fi
        done
    done
}

# packages looks into the deb ones, which tell about the rpm ones: both are made from the same list.
packages() {
    local file
    for file in dist/*.deb; do
        dpkg-deb --fsys-tarfile "$file" | tar -t | grep -v '/$' | sed 's|^\./*||; s|^/||' |
            holds "${file##*/}" "usr/bin/loadr-plugin usr/bin/loadr-registry usr/bin/loadr-worker usr/share/doc/loadr-plugin/copyright"
    done
    [ "$(ls dist/*.rpm | wc -l)" = 2 ] || fail "expected rpm packages for two architectures"
}

# cask looks at what Homebrew would link.
cask() {
    grep -o 'binary "[a-z-]*"' dist/homebrew/Casks/loadr-plugin.rb | sort -u | awk '{gsub(/"/, ""); print $2}' |
        holds "cask" "loadr-plugin loadr-registry loadr-worker"
}

# started checks that the linker set the version of the program for this machine.
started() {
    local dir want
    dir=$(mktemp -d)
    tar -xzf dist/*_"$(go env GOOS)_$(go env GOARCH)".tar.gz -C "$dir"
    want=$(sed -n 's/.*"version":"\([^"]*\)".*/\1/p' dist/metadata.json)
    "$dir/loadr" version | grep -qF "$want" || fail "loadr version does not say $want: $("$dir/loadr" version)"
    rm -rf "$dir"
    echo "version: $want"
}

goreleaser check
first=$(snapshot)
archives
packages
cask
started
second=$(snapshot)
[ "$first" = "$second" ] || fail "two builds of one commit differ:
$(diff <(echo "$first") <(echo "$second"))"
echo "two builds are the same, byte for byte"
