#!/usr/bin/env bash
# How many events a second are published to Kafka, beside what a producer alone reaches; and whether all are there, in order.
#
#   bench/publishing.sh [--events N] [--brokers 1|3] [--program EVERMILL]
#
#   --events N        about so many (default 1,000,000): instances of the workload steps10, whose steps all are journaled
#   --brokers 1|3     of a Kafka that is started for it (default 1)
#   --program FILE    the evermill to measure (default build/release/cli/evermill)
#
# The engine runs the instances and publishes at the same time. Then kcat reads the topic from its beginning, and each event
# must be there, each execution's in the order of its journal. Then kcat produces the same records, keys and headers of that size
# again, to another topic with as many partitions and the same guarantees (acks=all, idempotence): the raw rate.
#
# Needs Java, Maven (scripts/services/kafka.sh) and kcat. Ends with 1 where an event is missing or out of order.
set -euo pipefail
cd "$(dirname "$0")/.."

events=1000000
brokers=1
program=build/release/cli/evermill
while (($#)); do
  case $1 in
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; exit 0 ;;
    --events) events=${2:?--events needs a number}; shift 2 ;;
    --brokers) brokers=${2:?--brokers needs 1 or 3}; shift 2 ;;
    --program) program=${2:?--program needs a file}; shift 2 ;;
    *) echo "$0: what is '$1'? See $0 --help" >&2; exit 2 ;;
  esac
done
[[ -x $program ]] || { echo "$0: there is no $program: build it, or give --program" >&2; exit 2; }
command -v kcat >/dev/null || { echo "$0: there is no kcat: apt-get install kcat" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/evermill-publishing.XXXXXX")
leave() {
  scripts/services/kafka.sh stop "$work/kafka" || true
  rm -rf "$work"
}
trap leave EXIT
EVERMILL_KAFKA_HEAP=${EVERMILL_KAFKA_HEAP:-1024} scripts/services/kafka.sh start "$work/kafka" --brokers "$brokers"
hosts=$(<"$work/kafka/address")

# Of steps10 an instance has 22 events: its start and end, and of each step that it is scheduled and completed.
instances=$(((events + 21) / 22))
echo "publishing: $instances instances of steps10, $brokers broker(s)" >&2
"$program" bench --workload steps10 --instances "$instances" --data "$work/data" \
  --publish "kafka://$hosts?prefix=bench" --json >"$work/figures"

echo "reading back" >&2
consume() { kcat -C -q -e -o beginning -b "$hosts" -t bench.events -f "$1"; }
consume '%p %o %k %S %h\n' | python3 bench/check_published.py "$work/figures" "$instances" >"$work/read"

echo "producing the same records without evermill" >&2
consume '%k\t%s\n' >"$work/records"
headers=()
while read -r header; do headers+=(-H "$header"); done < <(consume '%h\n' | tail -1 | tr , '\n')
partitions=$(kcat -L -b "$hosts" -t bench.events | grep -c '^    partition ')
"$program" bench --workload one --instances 1 --data "$work/data-raw" --partitions "$partitions" \
  --publish "kafka://$hosts?prefix=raw" --json >"$work/raw-figures"  # makes the topic as evermill does
from=$(date +%s.%N)
kcat -P -b "$hosts" -t raw.events -K '\t' "${headers[@]}" -X acks=all -X enable.idempotence=true -l "$work/records"
to=$(date +%s.%N)

python3 - "$work/figures" "$work/read" "$(wc -l <"$work/records")" "$from" "$to" <<'PYTHON'
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    figures = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    read = json.load(file)
raw = int(sys.argv[3]) / (float(sys.argv[5]) - float(sys.argv[4]))
rate = figures["published_per_second"]
print(f"events                    {read['events']:>12,}   all there, each execution's in order; {read['repeats']:,} repeats")
bytes_each, header_bytes_each = read["bytes"] / read["events"], read["header_bytes"] / read["events"]
print(f"bytes of data each        {bytes_each:>12.0f}   and {header_bytes_each:.0f} of headers")
print(f"published, per second     {rate:>12,.0f}   while {figures['steps_per_second']:,.0f} steps a second run")
print(f"raw producer, per second  {raw:>12,.0f}   kcat with the same records: evermill reaches {rate / raw:.0%} of it")
PYTHON
