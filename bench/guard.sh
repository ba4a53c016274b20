#!/usr/bin/env bash
# Is this revision slower than another one? Builds both and runs them in turn on the same machine.
#
#   bench/guard.sh BASE [--rounds N] [--limit PERCENT] [--workload NAME:INSTANCES]…
#
#   BASE                  the revision to compare with, for example main~20; this one is the last commit (HEAD)
#   --rounds N            how often each pair runs (default 7)
#   --limit PERCENT       how much slower the median round may be (default 10)
#   --workload NAME:N     instead of steps10:20000 start:40000 fan100:1000 chain40:100
#
# Each round runs both builds, in alternating order, and gives one ratio: what else the machine does at the time hits both.
# Ends with 1 when a workload's median ratio is below the limit and most of its rounds agree.
set -euo pipefail
cd "$(dirname "$0")/.."

base=
rounds=7
limit=10
workloads=()
while (($#)); do
  case $1 in
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; exit 0 ;;
    --rounds) rounds=${2:?--rounds needs a number}; shift 2 ;;
    --limit) limit=${2:?--limit needs a percentage}; shift 2 ;;
    --workload) workloads+=("${2:?--workload needs NAME:INSTANCES}"); shift 2 ;;
    -*) echo "$0: what is '$1'? See $0 --help" >&2; exit 2 ;;
    *) [[ -z $base ]] || { echo "$0: one BASE only" >&2; exit 2; }; base=$1; shift ;;
  esac
done
[[ -n $base ]] || { echo "$0: which revision to compare with? See $0 --help" >&2; exit 2; }
((${#workloads[@]})) || workloads=(steps10:20000 start:40000 fan100:1000 chain40:100)
base=$(git rev-parse --verify --quiet "$base^{commit}") || { echo "$0: no such revision" >&2; exit 2; }
head=$(git rev-parse HEAD)

work=$PWD/build/guard
mkdir -p "$work"
build() {  # NAME REVISION: an optimised build of evermill
  local tree=$work/$1
  if [[ -e $tree/.git ]]; then git -C "$tree" checkout --quiet --detach "$2"; else git worktree add --quiet --detach "$tree" "$2"; fi
  cmake -S "$tree" -B "$tree/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DEVERMILL_BUILD_TESTS=OFF \
    -DEVERMILL_BUILD_EXAMPLES=OFF >"$work/$1.log"
  cmake --build "$tree/build" --target evermill_program >>"$work/$1.log" || { tail -20 "$work/$1.log" >&2; exit 1; }
}
echo "building $(git log -1 --format='%h %s' "$base")"
build base "$base"
echo "building $(git log -1 --format='%h %s' "$head")"
build head "$head"

data=$(mktemp -d "$work/data.XXXXXX")
trap 'rm -rf "$data"' EXIT
run() {  # NAME WORKLOAD INSTANCES: prints one JSON line
  rm -rf "${data:?}/x"
  "$work/$1/build/cli/evermill" bench --workload "$2" --instances "$3" --data "$data/x" --json
}

figures=$data/figures
for each in "${workloads[@]}"; do
  for ((round = 0; round < rounds; ++round)); do
    order=(base head)
    if ((round % 2)); then order=(head base); fi
    for name in "${order[@]}"; do echo "$each $round $name $(run "$name" "${each%%:*}" "${each##*:}")" >>"$figures"; done
  done
done

python3 - "$figures" "$limit" <<'PYTHON'
import collections
import json
import statistics
import sys

seconds = collections.defaultdict(lambda: collections.defaultdict(dict))
for line in open(sys.argv[1]):
    workload, turn, name, figures = line.split(" ", 3)
    seconds[workload][turn][name] = json.loads(figures)["seconds"]
allowed = 1 - float(sys.argv[2]) / 100
slower = []
print(f"{'workload':16} {'base s':>9} {'head s':>9} {'speed':>7}   rounds")
for workload, turns in seconds.items():
    ratios = sorted(t["base"] / t["head"] for t in turns.values())
    middle = statistics.median(ratios)
    median = {name: statistics.median(t[name] for t in turns.values()) for name in ("base", "head")}
    verdict = ""
    if middle < allowed and sum(r < 1 for r in ratios) * 4 >= len(ratios) * 3:
        slower.append(workload)
        verdict = "  SLOWER"
    print(f"{workload:16} {median['base']:9.3f} {median['head']:9.3f} {middle:6.2f}x   "
          + " ".join(f"{r:.2f}" for r in ratios) + verdict)
sys.exit(1 if slower else 0)
PYTHON
