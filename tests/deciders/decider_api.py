"""The API's messages in Python."""
import importlib
import os
import subprocess
import sys
import types

PROTOS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "messages")


def generate(protoc, folder):
    subprocess.run([protoc, "--proto_path", PROTOS, "--python_out", folder,
                    *(f"evermill/v1/{name}.proto" for name in ("common", "workflows", "deciders"))], check=True)


def load(folder):
    """What was generated there: deciders.proto, with two others as `common` and `workflows`."""
    sys.path.insert(0, folder)

    def module(name):
        return importlib.import_module(f"evermill.v1.{name}_pb2")
    return types.SimpleNamespace(**vars(module("deciders")), common=module("common"), workflows=module("workflows"))
