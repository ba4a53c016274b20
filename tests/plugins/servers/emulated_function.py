"""The function that lambda_emulator.py runs: does what it is told."""
import os
import signal
import time


def handle(event, context):
    wanted = event.get("do")
    if wanted == "exit":
        os._exit(3)
    if wanted == "be killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if wanted == "sleep":
        time.sleep(3600)
    return {"given": event, "request_id": context.aws_request_id}
