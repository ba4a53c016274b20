#!/usr/bin/env bash
# Installs what is missing, builds evermill, and runs the example job: an analysis of this machine's package logs and
# documentation, with a live progress display.
#
#   ./run.sh [ARGUMENTS]
#
# ARGUMENTS go to `log_analysis run analyse_logs` (see --help there). The job's state lies in build/run-data: killed and
# started again, it goes on where it was. When the last job has ended, a new one starts. Set EVERMILL_DATA to keep the
# state elsewhere.
set -euo pipefail
cd "$(dirname "$0")"

case ${1:-} in
  -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; exit 0 ;;
esac

export EVERMILL_DATA=${EVERMILL_DATA:-$PWD/build/run-data}
program=build/release/examples/log_analysis/log_analysis

# Standard output is the job's alone, so that --json can be piped.
{
  echo "== packages"
  scripts/install-dependencies.sh build
  echo "== building (build/release)"
  cmake --preset release -DEVERMILL_BUILD_TESTS=OFF
  cmake --build --preset release --parallel "${EVERMILL_JOBS:-$(nproc)}" --target log_analysis evermill_program
} >&2

# The id of the job that has not ended; a new one where there is none.
id_file=$EVERMILL_DATA.job
mkdir -p "$(dirname "$id_file")"
[[ -s $id_file ]] || date +logs-%Y%m%d-%H%M%S >"$id_file"
id=$(<"$id_file")

echo "== running the job $id (Ctrl-C parks it; ./run.sh resumes it)" >&2
code=0
"$program" run analyse_logs --id "$id" "$@" || code=$?
case $code in
  0 | 1 | 3) rm -f "$id_file" ;;  # completed, failed, canceled: the next call starts anew
esac
case $code in
  0) echo "== done; see also: EVERMILL_DATA=$EVERMILL_DATA $program history $id" >&2 ;;
  *) echo "run.sh: the job ended with exit code $code" >&2 ;;
esac
exit "$code"
