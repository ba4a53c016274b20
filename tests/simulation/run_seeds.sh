#!/usr/bin/env bash
# Runs many simulated lives, in several processes on seeds of their own.
#
#   run_seeds.sh FIRST COUNT [JOBS]
#
#   FIRST  the first seed
#   COUNT  how many seeds
#   JOBS   processes at once (one per core)
#
# EVERMILL_SIM_BINARY names the simulation; otherwise it is build/release/tests/simulation/simulation. Prints how often each
# fault and feature was met, each seed that failed with the command that shows it again, and ends with 1 when one failed.
# Add such a seed to regression_seeds.txt.
set -euo pipefail

if (($# < 2 || $# > 3)); then
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2
  exit 2
fi
first=$1 count=$2 jobs=${3:-$(nproc)}
here=$(cd "$(dirname "$0")" && pwd)
export EVERMILL_SIM_BINARY=${EVERMILL_SIM_BINARY:-$here/../../build/release/tests/simulation/simulation}
if [[ ! -x $EVERMILL_SIM_BINARY ]]; then
  echo "$0: there is no $EVERMILL_SIM_BINARY; build it with: cmake --build --preset release --target simulation" >&2
  exit 2
fi

# Small enough to share the work evenly, large enough for every rare fault but these, which so many lives must meet.
share=2000
rarest=("fault: sector lost")
many=10000
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# One process; where it dies of a seed, another one goes on behind that seed.
run_share() {
  local from=$1 left=$2 out=$3 log=$3/$1.log status last
  : >"$log"
  while ((left > 0)); do
    status=0
    EVERMILL_SIM_FIRST=$from EVERMILL_SIM_SEEDS=$left EVERMILL_SIM_FAILURES=1000000 EVERMILL_SIM_COUNTS=1 \
      "$EVERMILL_SIM_BINARY" --gtest_filter=Simulation.ManySeededLives --gtest_brief=1 >"$log.part" 2>&1 || status=$?
    cat "$log.part" >>"$log"
    ((status == 0)) && break
    echo "failed" >"$out/$1.failed"
    last=$(sed -n 's/^the process ended in seed \([0-9]*\);.*/\1/p' "$log.part" | tail -1)
    [[ -n $last ]] || break
    left=$((from + left - last - 1)) from=$((last + 1))
  done
  rm -f "$log.part"
}
export -f run_share

started=$SECONDS
for ((seed = first; seed < first + count; seed += share)); do
  left=$((first + count - seed))
  echo "$seed $((left < share ? left : share))"
done | xargs -P "$jobs" -L 1 bash -c 'run_share "$0" "$1" "'"$out"'"'
took=$((SECONDS - started))

logs=("$out"/*.log)
cat "${logs[@]}" | awk '/^ *[0-9]+ [a-z]/ { n = $1; $1 = ""; sum[$0] += n } END { for (what in sum) printf "%12d%s\n", sum[what], what }' |
  sort -k2 | tee "$out/sums"
for what in "${rarest[@]}"; do
  if ((count >= many)) && ! grep -q " $what\$" "$out/sums"; then
    echo "never met: $what" >>"${logs[0]}"
    echo "failed" >"$out/rarest.failed"
  fi
done
echo "$count seeds from $first on, $jobs at once: $took s"
if compgen -G "$out/*.failed" >/dev/null; then
  echo "FAILED:"
  cat "${logs[@]}" | grep -E '^(the process ended in )?seed [0-9]+; see it with' | sed 's/^the process ended in //' | sort -u -t' ' -k2,2n || true
  cat "${logs[@]}" | grep -E '^never met' | sort -u || true
  exit 1
fi
echo "all of them passed"
