#!/usr/bin/env bash
# Installs what is missing, builds evermill, and runs its main example: a durable analysis of this machine's own files.
# Arguments are passed on to the example's `run` command. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")"

scripts/install-dependencies.sh build
echo "==> Building (build/release)"
cmake --preset release -DEVERMILL_BUILD_TESTS=OFF >/dev/null
cmake --build --preset release --target log_analysis evermill_program
data="${EVERMILL_DATA:-build/log-analysis-data}"
workflow=analyse_this_machine # its defaults; with --input, the workflow that takes one
case " $* " in *" --input"*) workflow=analyse_logs ;; esac
echo "==> Running the log analysis, its data in $data"
exec build/release/examples/log_analysis/log_analysis run "$workflow" --data "$data" "$@"
