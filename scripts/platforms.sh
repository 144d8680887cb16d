#!/usr/bin/env bash
# Runs plugins on platforms that this machine is not: Linux on arm64 under qemu, Windows on amd64 under Wine; reads those of all
# platforms; and has valgrind count what calls leave behind. ./scripts/tools.sh installs what this needs; a test without
# it skips and says so, or with CI=true fails. docs/platforms.md says what follows. Arguments go to go test: -run Wine
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.cache/bin:$PATH"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! go test -count=1 -timeout 20m -v "$@" ./internal/platforms/... >"$log" 2>&1; then
    cat "$log"
    exit 1
fi
grep -E '^ *--- |^ok|\.go:[0-9]+: ' "$log"
if [ "${CI:-}" = true ] && grep -q -- '--- SKIP' "$log"; then
    echo "platforms: a test was skipped" >&2
    exit 1
fi
