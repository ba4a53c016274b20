#!/usr/bin/env bash
# Hooks of planted bugs are in the test that is made for them, and in no library.
#
#   no_trace.sh NM TEST LIBRARY...
set -euo pipefail

nm=$1 planted=$2
shift 2
symbol=present_bug

if ! "$nm" "$planted" | grep "$symbol" >/dev/null; then
  echo "$planted has no symbol $symbol: this check would find nothing" >&2
  exit 1
fi
for library in "$@"; do
  if "$nm" "$library" 2>/dev/null | grep "$symbol" >/dev/null; then
    echo "$library holds hooks of planted bugs: it was compiled with EVERMILL_PLANTED_BUGS" >&2
    exit 1
  fi
done
