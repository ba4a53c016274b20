#!/usr/bin/env bash
# Installs what the tests need, builds, and runs them: a release build and one with ASan and UBSan.
#   ./test.sh          the above
#   ./test.sh --all    also clang's release build
# Ends non-zero when a build or a test fails; with CI=true also when a test was skipped that tests/allowed-skips.txt
# does not name.
set -euo pipefail
cd "$(dirname "$0")"

presets=(release debug)
case "${1:-}" in
  "") scripts/install-dependencies.sh test ;;
  --all) scripts/install-dependencies.sh all; presets+=(clang-release) ;;
  *) echo "usage: $0 [--all]" >&2; exit 2 ;;
esac

failed=()
for preset in "${presets[@]}"; do
  echo "==> $preset: building"
  cmake --preset "$preset" -DEVERMILL_BUILD_TESTS=ON >/dev/null
  cmake --build --preset "$preset"
  echo "==> $preset: testing"
  report="$PWD/build/$preset/tests.xml"
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)" --output-junit "$report" ||
    failed+=("$preset")
  python3 scripts/check-skips.py "$report" tests/allowed-skips.txt || failed+=("$preset (skipped tests)")
done

if [ ${#failed[@]} -gt 0 ]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
echo "All tests passed: ${presets[*]}"
