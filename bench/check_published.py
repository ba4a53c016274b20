"""Checks events that a plain consumer has read: `PARTITION OFFSET KEY BYTES HEADERS` on each line, of instances of steps10.

    check_published.py FIGURES INSTANCES <LINES

Every event must be there, each execution's in the order of its journal, repeats aside; a partition's offsets without a gap.
Prints what was counted as JSON, or what is wrong, and ends with 1.
"""
import json
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        published = json.load(file)["published_events"]
    instances = int(sys.argv[2])
    next_offset, next_event, homes, seen = {}, {}, {}, set()
    ends = repeats = size = header_size = 0
    for line in sys.stdin:
        partition, offset, key, length, headers = line.rstrip("\n").split(" ", 4)
        if int(offset) != next_offset.get(partition, 0):
            return f"partition {partition}: offset {offset} follows {next_offset.get(partition, 0) - 1}"
        next_offset[partition] = int(offset) + 1
        attributes = dict(each.split("=", 1) for each in headers.split(","))
        if attributes["ce_subject"] != key:
            return f"an event of {attributes['ce_subject']} has the key {key}"
        if homes.setdefault(key, partition) != partition:
            return f"{key} is in two partitions"
        if attributes["ce_id"] in seen:
            repeats += 1
            continue
        seen.add(attributes["ce_id"])
        if int(attributes["ce_eventnumber"]) != next_event.get(key, 1):
            return f"{key}: event {attributes['ce_eventnumber']} follows {next_event.get(key, 1) - 1}"
        next_event[key] = int(attributes["ce_eventnumber"]) + 1
        ends += attributes["ce_type"] == "evermill.WorkflowExecutionCompleted"
        size += int(length)
        header_size += len(headers)
    if len(next_event) != instances or ends != instances:
        return f"{len(next_event)} executions and {ends} ends, not {instances}"
    if len(seen) > published:
        return f"{len(seen)} events were read, {published} published"
    if len(set(next_event.values())) != 1:
        return "not all executions have as many events"
    print(json.dumps({"events": len(seen), "repeats": repeats, "bytes": size, "header_bytes": header_size}))
    return None


if __name__ == "__main__":
    wrong = main()
    if wrong:
        print(wrong, file=sys.stderr)
    sys.exit(1 if wrong else 0)
