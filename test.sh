#!/usr/bin/env bash
# Installs what the tests need, builds everything, and runs the tests in two builds. What runs evermill's programs, real services beside
# them, simulations and the engine itself: optimised, as it is delivered. What runs within a process, and the engine once more: with
# ASan and UBSan.
#
#   ./test.sh [--all]
#
#   --all   all tests in both builds; also clang 14, ThreadSanitizer, libFuzzer, all checks of UBSan, containers on three Kafka brokers, longer
#           simulations (EVERMILL_SIM_SEEDS says how many seeds) and more kills of real processes (EVERMILL_CHAOS_KILLS)
#
# With CI=true a skipped test is a failure, unless tests/allowed-skips.txt names it.
set -euo pipefail
cd "$(dirname "$0")"

presets=(release debug)
packages=test
long=OFF
case ${1:-} in
  "") ;;
  --all)
    presets=(release debug clang-release tsan fuzz)
    packages=all
    long=ON
    export EVERMILL_SIM_SEEDS=${EVERMILL_SIM_SEEDS:-2000} EVERMILL_CHAOS_KILLS=${EVERMILL_CHAOS_KILLS:-200}
    ;;
  -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; exit 0 ;;
  *) echo "$0: what is '$1'? See $0 --help" >&2; exit 2 ;;
esac

started=$SECONDS
jobs=${EVERMILL_JOBS:-$(nproc)}
failed=()
summary=()

run_preset() {
  local preset=$1 report="$PWD/build/$1/tests.xml" log="$PWD/build/$1/tests.log" from=$SECONDS built
  echo "== $preset: configuring and building"
  local tests=all examples=ON
  if [[ $long == OFF && $preset == release ]]; then tests=programs; fi
  if [[ $long == OFF && $preset == debug ]]; then tests=parts examples=OFF; fi
  cmake --preset "$preset" -DEVERMILL_BUILD_TESTS=ON "-DEVERMILL_TEST_SET=$tests" "-DEVERMILL_BUILD_EXAMPLES=$examples" \
    "-DEVERMILL_LONG_TESTS=$long" "-DEVERMILL_ALL_CHECKS=$long" || return 1
  cmake --build --preset "$preset" --parallel "$jobs" || return 1
  built=$((SECONDS - from))
  echo "== $preset: built in $built s; running the tests"
  rm -f "$report"
  local passed=true
  # One more than there are processors: some tests wait for servers of their own.
  ctest --preset "$preset" --parallel "$((jobs + 1))" --output-junit "$report" </dev/null 2>&1 | tee "$log" || passed=false
  summary+=("$(printf '%-14s %s; built in %s s, tested in %s s' "$preset" \
    "$(grep -E '[0-9]+ tests? failed out of|tests passed' "$log" | tail -1)" "$built" "$((SECONDS - from - built))")")
  if [[ $passed == false ]]; then
    summary+=("$(printf '%-14s failed: %s' "" "$(cut -d: -f2- "build/$preset/Testing/Temporary/LastTestsFailed.log" | paste -sd' ')")")
  fi
  if [[ ${CI:-} == true ]]; then
    python3 scripts/check-skips.py "$report" tests/allowed-skips.txt || passed=false
  fi
  $passed
}

echo "== packages"
scripts/install-dependencies.sh "$packages"
if [[ " ${presets[*]} " == *" tsan "* ]]; then
  echo "== CAF for ThreadSanitizer"
  scripts/build-instrumented-caf.sh || failed+=(build-instrumented-caf)
fi
for preset in "${presets[@]}"; do
  run_preset "$preset" || failed+=("$preset")
done

echo "== summary, after $((SECONDS - started)) s"
for line in "${summary[@]}"; do echo "$line"; done
if ((${#failed[@]})); then
  echo "test.sh: FAILED: ${failed[*]}"
  exit 1
fi
echo "test.sh: all passed: ${presets[*]}"
