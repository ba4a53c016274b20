"""Calls of gRPC, to a server whose code is generated from the same file.

    EVERMILL_GRPC_PEER=SERVER grpc_test.py PROGRAM      the server: specification_grpc_peer, where it was built
"""
import os
import re
import subprocess

from specification_case import DOCUMENTS, ERRORS, SpecificationCase, main

PROTO = os.path.join(DOCUMENTS, "pilotage.proto")


class Grpc(SpecificationCase):
    def setUp(self):
        super().setUp()
        server = subprocess.Popen([os.environ["EVERMILL_GRPC_PEER"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.wait)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.stdin.close)
        port = server.stdout.readline().strip()
        self.replaced = {"host: pilots.example": "host: 127.0.0.1", "port: 50051": f"port: {port}"}
        with open(PROTO, encoding="utf-8") as file:
            self.peer.on("GET", "/pilotage.proto", (200, file.read()))

    def test_a_method_is_called(self):
        self.gives("grpc.yaml", {"ship": {"name": "Aurora", "draught": 8.5}},
                   {"name": "Grace", "forShip": {"ship": "Aurora", "draught": 8.5}, "shown": ""})
        self.assert_asked(("GET", "/pilotage.proto"))

    def test_answers_that_are_a_stream_are_a_list(self):
        self.gives("grpc-stream.yaml", {"ship": {"name": "Aurora"}}, ["Grace of Aurora", "Ida of Aurora"])

    def test_a_status_is_an_error_of_communication(self):
        self.fails("grpc.yaml", {"ship": {"name": "", "draught": 1}},
                   {"type": ERRORS + "communication", "status": 400, "title": "Bad Request", "instance": "/do/0/assign",
                    "detail": re.compile("a ship needs a name")})

    def test_an_argument_that_does_not_fit_the_message_is_one_of_configuration(self):
        self.fails("grpc.yaml", {"ship": {"name": "Aurora", "draught": "deep"}},
                   {"type": ERRORS + "configuration", "status": 400, "title": "Invalid call", "instance": "/do/0/assign",
                    "detail": re.compile("draught")})

    def test_a_description_may_be_a_file(self):
        self.replaced["file:///protos/pilotage.proto"] = f"file://{PROTO}"
        self.gives("grpc-file.yaml", {"ship": {"name": "Aurora"}, "pass": "pass-7"},
                   {"name": "Grace", "forShip": {"ship": "Aurora", "draught": 0.0}, "shown": "Bearer pass-7"})


if __name__ == "__main__":
    main()
