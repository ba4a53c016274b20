#!/usr/bin/env python3
"""A worker that decides: decider_worker.py GENERATED ADDRESS FILE VERSION NAMESPACE WORKFLOW…

Writes what it has counted into FILE, from when it is connected. Connects anew when its stream breaks.
"""
import json
import os
import sys
import time

import grpc
from google.protobuf.duration_pb2 import Duration

import decider_api
from reference_decider import Canceled, ContinueAsNew, Decider, Failed, Fired

ROUNDS = 3


def effect(context, key):
    """An activity with an effect: a line in a file."""
    limit = Duration(seconds=60)
    line = f'printf "%s %s\\n" "{key}" "$EVERMILL_IDEMPOTENCY_KEY" >> "{os.path.join(os.path.dirname(sys.argv[3]), "effects")}"'
    return context.activity("shell", {"script": line}, start_to_close_timeout=limit)


def greet(context, name):
    yield context.timer(0)
    return f"hello, {name}"


def part(context, number):
    yield effect(context, f"{context.workflow_id}")
    return number * number


def order(context, state):
    """Everything at once: activities in parallel, a race of timer and signal, a child, a side effect, and another round."""
    state = state or {"round": 1, "sum": 0, "told": []}
    key = f'{context.workflow_id}.{state["round"]}'
    both = [effect(context, f"{key}.a"), effect(context, f"{key}.b")]
    found = yield context.side_effect("number", lambda: 7)
    child = context.child("part", state["round"], workflow_id=f"{key}.part")
    for each in both:
        yield each
    state["sum"] += (yield child) + found
    timer = context.timer(3600)
    told = yield context.any(context.signal("go"), timer)
    context.cancel_timer(timer)
    state["told"].append(told)
    yield context.timer(0.01)
    if state["round"] < ROUNDS:
        raise ContinueAsNew({**state, "round": state["round"] + 1})
    return {"sum": state["sum"], "told": state["told"]}


def waiting(context, _):
    heard = []
    context.queries["heard"] = lambda _: list(heard)
    context.updates["add"] = lambda value: heard.append(value) or len(heard)
    try:
        while True:
            value = yield context.signal("go")
            if value == "end":
                return heard
            heard.append(value)
    except Canceled as why:
        yield context.timer(0)
        raise why


def parent(context, _):
    """A child and a signal by their ids: of its own namespace."""
    child = context.child("waiting", None, workflow_id="child")
    context.tell("sibling", "go", "from " + context.workflow_id)
    return (yield child)


def changed(context, _):
    """Another code in every process."""
    yield context.child("part", 1) if os.path.exists(sys.argv[3] + ".other") else context.timer(0)
    yield context.signal("go")
    return "done"


def wild(context, how):
    yield context.timer(0)
    if how == "unknown":
        context.commands.append(context.api.Command())
    elif how == "closed":
        context.ask("cancel_timer", started_seq=2)
    elif how == "name":
        context.activity("")
    yield context.signal("go")


def hanging(context, _):
    """Where there is a file, whoever comes first does not come back."""
    yield context.timer(0)
    try:
        os.remove(os.path.join(os.path.dirname(sys.argv[3]), "hang"))
    except FileNotFoundError:
        return "done"
    time.sleep(3600)


def broken(context, _):
    yield context.timer(0)
    try:
        yield context.activity("shell", {"script": "exit 3"}, retry=context.api.ActivityRetry(max_attempts=1))
    except Failed as failed:
        return failed.kind
    return Fired.__name__


WORKFLOWS = {each.__name__: each for each in (greet, part, order, waiting, parent, changed, wild, hanging, broken)}


class Counting(Decider):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.turns = 0

    def take(self, task):
        answer = super().take(task)
        self.turns += answer is not None
        self.say()
        return answer

    def on_welcome(self):
        self.say()

    def say(self):
        fresh = sys.argv[3] + ".new"
        with open(fresh, "w", encoding="utf-8") as file:
            json.dump({"replays": self.replays, "turns": self.turns, "live": len(self.runs), "turn_timeout": self.turn_timeout}, file)
        os.rename(fresh, sys.argv[3])


def main():
    generated, address, _, version, namespace, *names = sys.argv[1:]
    api = decider_api.load(generated)
    decider = Counting(api, address, {name: WORKFLOWS[name] for name in names}, version, namespace=namespace)
    while True:
        try:
            decider.run()
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN):
                raise
        time.sleep(0.05)


if __name__ == "__main__":
    main()
