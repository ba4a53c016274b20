"""A small decider for evermill: workflows as Python generators. It shows how little one takes; messages/evermill/v1/deciders.proto says
all that it may rely on.

    def order(context, item):
        receipt = yield context.activity("charge", item)
        first = yield context.any(context.signal("approved"), context.timer(60))
        if isinstance(first, Fired):
            return "expired"
        yield context.child("ship", {"item": item, "receipt": receipt})
        return "shipped"

    Decider(api, "127.0.0.1:7466", {"order": order}).run()

What a context is asked for begins at once; `yield` waits for it. What failed is thrown into the generator as Failed. `api` has what
protoc makes of deciders.proto, and of common.proto as `common`; of gRPC only the channel is used. Values are JSON.
"""
import collections
import json
import os
import queue
import uuid

import grpc
from google.protobuf.duration_pb2 import Duration

MAX_MESSAGE_BYTES = 256 << 20

# How each command is journaled.
JOURNALED = {
    "schedule_activity": "ActivityTaskScheduled", "cancel_activity": "ActivityTaskCancelRequested", "start_timer": "TimerStarted",
    "cancel_timer": "TimerCanceled", "start_child": "StartChildWorkflowExecutionInitiated",
    "cancel_child": "RequestCancelChildWorkflowExecutionInitiated", "signal": "SignalExternalWorkflowExecutionInitiated",
    "record_side_effect": "StepScheduled", "record_patch": "PatchRecorded", "complete_update": "WorkflowExecutionUpdateCompleted",
    "complete_workflow": "WorkflowExecutionCompleted", "fail_workflow": "WorkflowExecutionFailed",
    "cancel_workflow": "WorkflowExecutionCanceled", "continue_as_new": "WorkflowExecutionContinuedAsNew"}


class Failed(Exception):
    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class Canceled(Failed):
    """The execution was asked to cancel."""


class ContinueAsNew(Exception):
    def __init__(self, value):
        super().__init__()
        self.value = value


class Differs(Exception):
    """The code asks for something else than the journal says."""


class Fired:
    """What a timer gives."""


class Future:
    def __init__(self, seq=0):
        self.seq = seq
        self.done = False
        self.value = None
        self.error = None

    def settle(self, value=None, error=None):
        self.done, self.value, self.error = True, value, error


class Any:
    def __init__(self, futures):
        self.futures = futures


def encode(api, value):
    return api.common.Payload() if value is None else api.common.Payload(data=json.dumps(value).encode())


def decode(payload):
    return json.loads(payload.data) if payload.data else None


class Run:
    """One run: its generator, what it waits for, and the commands of the turn that is being decided. Also the context of its code."""

    def __init__(self, api, task, definition):
        self.api, self.definition = api, definition
        self.workflow_id, self.run_id, self.token = task.workflow_id, task.run_id, ""
        self.seq = 0
        self.now = None
        self.open = {}
        self.unread = collections.deque()
        self.readers = collections.defaultdict(collections.deque)
        self.queries = {}
        self.updates = {}
        self.code = None
        self.waits = None
        self.cancel_requested = False
        self.ended = False
        self.commands = []

    # --- what the code asks for

    def ask(self, kind, **fields):
        self.seq += 1
        command = self.api.Command()
        getattr(command, kind).SetInParent()
        for name, value in fields.items():
            field = getattr(getattr(command, kind), name)
            if isinstance(value, (str, int, float, bool)):
                setattr(getattr(command, kind), name, value)
            else:
                field.CopyFrom(value)
        self.commands.append(command)
        return self.seq

    def waiting(self, seq):
        return self.open.setdefault(seq, Future(seq))

    def activity(self, name, value=None, **options):
        return self.waiting(self.ask("schedule_activity", activity_type=name, input=encode(self.api, value), **options))

    def timer(self, seconds):
        delay = Duration()
        delay.FromNanoseconds(int(seconds * 1e9))
        return self.waiting(self.ask("start_timer", delay=delay))

    def cancel_timer(self, timer):
        if self.open.pop(timer.seq, None):
            self.ask("cancel_timer", started_seq=timer.seq)

    def child(self, name, value=None, **options):
        return self.waiting(self.ask("start_child", workflow_type=name, input=encode(self.api, value), **options))

    def side_effect(self, name, find):
        """The value of `find()`: it may be called again until the value is journaled."""
        future = self.waiting(self.ask("record_side_effect", name=name, value=encode(self.api, None if self.replays else find())))
        future.again = lambda: self.side_effect(name, find)
        return future

    def signal(self, name):
        future = Future()
        for known, value in self.unread:
            if known == name:
                self.unread.remove((known, value))
                future.settle(value)
                return future
        self.readers[name].append(future)
        return future

    def tell(self, workflow_id, name, value=None):
        self.ask("signal", workflow_id=workflow_id, signal_name=name, input=encode(self.api, value))

    @staticmethod
    def any(*futures):
        """The value of the one that is done first; the others stay open."""
        return Any(futures)

    # --- what has happened

    def decide(self, event, time, replays=False):
        """The commands that the event leads to."""
        self.seq, self.now, self.commands, self.replays = event.seq, time.ToDatetime(), [], replays
        self.happened(event)
        self.go_on()
        if event.started.cancel_requested:  # of the run before, which had not ended because of it
            self.interrupt("of the run before")
            self.go_on()
        return self.commands

    def happened(self, event):
        if event.type == "WorkflowExecutionStarted":
            self.cancel_requested = event.started.cancel_requested
            for signal in event.started.signals:
                self.unread.append((signal.name, decode(signal.input)))
            self.code = self.definition(self, decode(event.value))
        elif event.type == "WorkflowExecutionSignaled":
            readers = self.readers[event.name]
            if readers:
                readers.popleft().settle(decode(event.value))
            else:
                self.unread.append((event.name, decode(event.value)))
        elif event.type == "WorkflowExecutionCancelRequested":
            if not self.cancel_requested:
                self.interrupt(event.reason)
            self.cancel_requested = True
        elif event.type == "WorkflowExecutionUpdateAccepted":
            self.ask("complete_update", update_id=event.id,
                     result=encode(self.api, self.updates[event.name](decode(event.value))))
        else:
            self.closed(event)

    def interrupt(self, reason):
        for reader in self.readers.values():  # what is interrupted reads no signal
            for future in [each for each in reader if self.waits is each or each in getattr(self.waits, "futures", ())]:
                reader.remove(future)
        self.waits = Future()
        self.waits.settle(error=Canceled("canceled", reason))

    def closed(self, event):
        future = self.open.pop(event.of, None)
        if future is None:
            return
        if event.type == "TimerFired":
            future.settle(Fired())
        elif event.type.endswith("Completed") or (event.type == "MarkerRecorded" and not event.HasField("failure")):
            future.settle(decode(event.value))
        elif event.type == "MarkerRecorded":
            self.open[future.again().seq] = future
        else:
            future.settle(error=Failed(event.type, event.failure.message or event.reason))

    def go_on(self):
        """Runs the code until it waits for what is not done."""
        while not self.ended:
            send, value = self.code.send, None
            if self.waits is not None:
                done = [each for each in (self.waits.futures if isinstance(self.waits, Any) else [self.waits]) if each.done]
                if not done:
                    return
                send, value = (self.code.throw, done[0].error) if done[0].error else (self.code.send, done[0].value)
            try:
                self.waits = send(value)
            except StopIteration as end:
                self.end("complete_workflow", result=encode(self.api, end.value))
            except ContinueAsNew as again:
                self.end("continue_as_new", input=encode(self.api, again.value))
                for name, unread in self.unread:
                    self.commands[-1].continue_as_new.unread_signals.add(name=name, input=encode(self.api, unread))
            except Canceled:
                self.end("cancel_workflow")
            except Exception as error:
                self.end("fail_workflow", failure=self.api.common.Failure(type=type(error).__name__, message=str(error)))

    def end(self, kind, **fields):
        self.ended = True
        self.ask(kind, **fields)

    # --- replay

    def replay(self, turn):
        """Throws Differs."""
        asked = self.decide(turn.events[0], turn.time, replays=True)
        journaled = turn.events[1:]
        for seq in range(max(len(asked), len(journaled))):
            says = identity(journaled[seq]) if seq < len(journaled) else "nothing more"
            wants = identity_of(asked[seq]) if seq < len(asked) else "nothing more"
            if says != wants:
                raise Differs(f"event {turn.events[0].seq + seq + 1}: the journal has {says}, the code asked for {wants}")


def identity(event):
    return " ".join(filter(None, [event.type, event.name, str(event.of or "")]))


def identity_of(command):
    kind = command.WhichOneof("command")
    what = getattr(command, kind)
    get = lambda *names: next((str(getattr(what, name)) for name in names if hasattr(what, name) and getattr(what, name)), "")
    return " ".join(filter(None, [JOURNALED[kind], get("activity_type", "workflow_type", "signal_name", "name", "patch_id"),
                                  get("scheduled_seq", "started_seq", "initiated_seq")]))


class Decider:
    """One stream of a worker, which has all of its runs in memory."""

    def __init__(self, api, address, workflows, version="", room=100, namespace=""):
        self.api, self.address, self.workflows, self.version, self.room = api, address, workflows, version, room
        self.namespace = namespace
        self.turn_timeout = None  # of the server, in milliseconds, once it is known
        self.worker_id = str(uuid.uuid4())
        self.runs = {}
        self.replays = 0
        self.to_send = queue.SimpleQueue()

    def hello(self):
        hello = self.api.DeciderHello(namespace=self.namespace, worker_id=self.worker_id, identity=f"reference decider, process {os.getpid()}")
        for name in self.workflows:
            hello.workflows.add(workflow_type=name, version=self.version)
        for run in self.runs.values():
            hello.live.add(run_id=run.run_id, token=run.token)
        return hello

    def run(self):
        """Until the stream ends: throws grpc.RpcError then. Call it again to connect anew."""
        with grpc.insecure_channel(self.address, [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]) as channel:
            decide = channel.stream_stream("/evermill.v1.Deciders/Decide", self.api.DecideRequest.SerializeToString,
                                           self.api.DecideResponse.FromString)
            self.to_send = queue.SimpleQueue()
            self.to_send.put(self.api.DecideRequest(hello=self.hello(), credit=self.room))
            try:
                for response in decide(iter(self.to_send.get, None)):
                    self.handle(response)
            finally:
                self.to_send.put(None)

    def handle(self, response):
        if response.HasField("welcome"):
            self.turn_timeout = response.welcome.turn_timeout.ToMilliseconds()
            self.on_welcome()
        for run_id in response.dropped:
            self.runs.pop(run_id, None)
        for task in response.tasks:
            answer = self.take(task)
            if answer is not None:
                self.to_send.put(self.api.DecideRequest(decided=[answer], credit=1))

    def on_welcome(self):
        """The server takes it."""

    def take(self, task):
        """The answer; None while more of the journal follows."""
        if task.from_start:
            self.runs[task.run_id] = Run(self.api, task, self.workflows[task.workflow_type])
            self.replays += len(task.history) > 0
        run = self.runs.get(task.run_id)
        if run is None:
            return None if task.more_history else self.api.Decision(token=task.token, run_evicted=self.api.RunEvicted())
        answer = self.api.Decision(token=task.token)
        try:
            for turn in task.history:
                run.replay(turn)
            if task.more_history:
                return None
            answer.commands.SetInParent()
            if task.HasField("event"):
                update = task.event.type == "WorkflowExecutionUpdateAccepted"
                if update and task.event.name not in run.updates:
                    answer.rejected.message = f"there is no update {task.event.name}"
                else:
                    answer.commands.commands.extend(run.decide(task.event, task.time))
            for query in task.queries:
                self.answer_query(run, query, answer.answers.add(id=query.id))
        except Differs as difference:
            answer.failed = str(difference)
        run.token = task.token
        if run.ended or answer.WhichOneof("how") == "failed":
            self.runs.pop(task.run_id, None)
        return answer

    def answer_query(self, run, query, answer):
        if query.name in run.queries:
            answer.value.CopyFrom(encode(self.api, run.queries[query.name](decode(query.input))))
        else:
            answer.failure.message = f"there is no query {query.name}"
