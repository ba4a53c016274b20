#!/usr/bin/env python3
"""/openapi.json: checked by a public validator, and each of its example requests made.

Usage: openapi_test.py PROGRAM, the one that docs/http.md shows.
"""
import json
import os
import subprocess
import unittest

from api_case import LIMIT, ROOT, ApiTest, quote

TOOLS = os.path.join(ROOT, "scripts", "python-tools.sh")
CANNOT_INSTALL = 77
VALIDATE = "import json, sys; from openapi_spec_validator import validate; validate(json.load(sys.stdin))"
NOT_THERE_YET = set()


class OpenApi(ApiTest):
    def document(self):
        answer = self.request("GET", "/openapi.json")
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/json"))
        return answer.json

    def operations(self):
        for path, methods in self.document()["paths"].items():
            for method, about in methods.items():
                yield method.upper(), path, about

    def test_a_validator_takes_it(self):
        tools = subprocess.run([TOOLS], capture_output=True, text=True, check=False, timeout=LIMIT * 5)
        if tools.returncode == CANNOT_INSTALL:
            self.skipTest("the validator can't be installed here: " + tools.stderr)
        self.assertEqual(tools.returncode, 0, tools.stderr)
        done = subprocess.run([tools.stdout.strip(), "-c", VALIDATE], input=json.dumps(self.document()), capture_output=True, text=True,
                              check=False, timeout=LIMIT)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_each_operation_is_described(self):
        identifiers = set()
        for method, path, about in self.operations():
            self.assertTrue(about["summary"], path)
            self.assertNotIn(about["operationId"], identifiers)
            identifiers.add(about["operationId"])
            self.assertIn("default", about["responses"])
            named = {p["name"] for p in about.get("parameters", []) if p["in"] == "path"}
            self.assertEqual(named, {part.split("}")[0] for part in path.split("{")[1:]}, f"{method} {path}")
        self.assertGreater(len(identifiers), 30)

    def test_references_lead_somewhere(self):
        document = self.document()

        def look(value):
            if isinstance(value, dict):
                if "$ref" in value:
                    target = document
                    for part in value["$ref"].lstrip("#/").split("/"):
                        target = target[part]
                for each in value.values():
                    look(each)
            elif isinstance(value, list):
                for each in value:
                    look(each)

        look(document)

    def task(self):
        self.post("/workflows", {"workflow_id": "asked", "workflow_type": "check_address", "input": "x", "reuse": "terminate_existing"})
        return self.wait_until(lambda: [t for t in self.get("/human-tasks").json["human_tasks"] if t["workflow_id"] == "asked"])[0]["task_id"]

    def value_of(self, parameter, operation):
        """The example; of what must be there already, one that is."""
        name = parameter["name"]
        if name == "workflow_id":
            self.post("/workflows", {"workflow_id": "order-1", "workflow_type": "fulfil_order", "input": ["x"], "reuse": "terminate_existing"})
            if operation == "followHistory":
                self.post("/workflows/order-1:terminate")
        if name == "task_id":
            task = self.task()
            if operation in ("releaseHumanTask", "delegateHumanTask", "completeHumanTask"):
                self.post(f"/human-tasks/{quote(task)}:claim", {"by": "alice"})
            return task
        if name == "token":
            self.post("/workflows", {"workflow_id": "packs", "workflow_type": "fulfil_order", "input": ["x"], "reuse": "terminate_existing",
                                     "with_signal": {"name": "approval", "input": "x"}})
            return self.wait_until(lambda: (self.get("/workflows/packs").json["activities"] or [{}])[0].get("token"))
        if name == "name":
            return "overloaded"
        if name == "query_name":
            return "items"
        return parameter["example"]

    def test_each_example_runs(self):
        tried = 0
        for method, path, about in self.operations():
            if about["operationId"] in ("watchEvents", "getCluster") or about["operationId"].startswith("hook_"):
                continue  # one has no end, one needs a cluster, and these are of the configuration
            with self.subTest(about["operationId"]):
                target, query = path, []
                for parameter in about.get("parameters", []):
                    if parameter["in"] == "path":
                        value = self.value_of(parameter, about["operationId"])
                        target = target.replace("{" + parameter["name"] + "}", quote(str(value)).replace(".", "%2E"))
                    elif parameter["in"] == "query" and "example" in parameter:
                        query.append(f"{parameter['name']}={quote(str(parameter['example']))}")
                body = about.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
                sent = None if "requestBody" not in about else json.dumps(body).encode()
                answer = self.request(method, target + ("?" + "&".join(query) if query else ""), sent,
                                      {"Content-Type": "application/json"} if sent else {})
                if about["operationId"] in NOT_THERE_YET:
                    self.assert_problem(answer, 501, "not-implemented")
                else:
                    self.assertIn(str(answer.status), about["responses"], answer.text)
                    self.assertLess(answer.status, 300)
                    self.check_type(answer, about["responses"][str(answer.status)])
                tried += 1
        self.assertGreater(tried, 25)

    def check_type(self, answer, described):
        if "content" not in described:
            return self.assertEqual(answer.text, "")
        kind = answer.headers["Content-Type"].split(";")[0]
        schema = described["content"][kind]["schema"]["$ref"].split("/")[-1]
        if kind == "application/json":
            required = self.document()["components"]["schemas"][schema].get("required", [])
            self.assertLessEqual(set(required), set(answer.json), schema)
        return None


if __name__ == "__main__":
    unittest.main()
