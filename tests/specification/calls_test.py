"""Calls of HTTP and OpenAPI, of functions, and those that can't be made.

    calls_test.py PROGRAM
"""
import re

from specification_case import DOCUMENTS, ERRORS, SpecificationCase, main

BERTHS = [{"berth": 3, "depth": 9}]


class Http(SpecificationCase):
    def test_an_address_is_a_template_over_the_input(self):
        self.peer.on("GET", "/berths/12", (200, {"berth": 12}))
        self.gives("http-template.yaml", {"berth": 12}, {"berth": 12})

    def test_a_variable_without_a_value_is_empty(self):
        self.peer.on("GET", "/berths/", (200, BERTHS))
        self.gives("http-template.yaml", {}, BERTHS)

    def test_an_address_may_be_computed(self):
        self.peer.on("GET", "/berths/B7", (200, {"berth": "B7"}))
        self.gives("http-expression.yaml", {"berth": "b7"}, {"berth": "B7"})
        headers = self.peer.seen[0].headers
        self.assertEqual((headers["accept"], headers["x-berth"]), ("application/json", "b7"))

    def test_a_query_has_expressions(self):
        self.peer.on("GET", "/ships", (200, ["Aurora"]))
        self.gives("http-query.yaml", {"flag": "pt"}, ["Aurora"])
        self.assertEqual(self.peer.seen[0].query, {"flag": ["pt"], "moored": ["true"]})

    def test_an_input_that_does_not_fit_is_refused_before(self):
        self.fails("http-query.yaml", {"flag": "p"}, {"type": ERRORS + "validation", "status": 400, "instance": "/",
                                                     "title": "Invalid input", "detail": re.compile("flag")})
        self.assert_asked()

    def test_a_query_and_headers_may_be_computed_as_a_whole(self):
        self.peer.on("GET", "/ships", (200, ["Aurora"]))
        self.gives("http-query-and-headers.yaml", {"flag": "pt"}, ["Aurora"])
        [asked] = self.peer.seen
        self.assertEqual(asked.query, {"flag": ["pt"], "sort": ["name"]})
        self.assertEqual((asked.headers["accept-language"], asked.headers["x-office"]), ("pt", "north"))

    def test_a_redirection_may_be_an_answer(self):
        self.peer.on("GET", "/berths/12", (302, None, {"Location": "/berths/13"}))
        self.gives("http-redirect.yaml", {"berth": 12}, {"status": 302, "now": "/berths/13"})
        self.assert_asked(("GET", "/berths/12"))

    def test_or_is_an_error(self):
        self.peer.on("GET", "/berths/12", (302, None, {"Location": "/berths/13"}))
        self.fails("http-no-redirect.yaml", {"berth": 12},
                   {"type": ERRORS + "communication", "status": 302, "title": "Found", "instance": "/do/0/moved",
                    "detail": re.compile("/berths/12: status 302")})

    def test_a_server_that_is_not_there_is_an_error(self):
        self.peer.stop()
        self.peer.stop = lambda: None
        self.fails("do-one.yaml", {"station": "mole"},
                   {"type": ERRORS + "communication", "status": 503, "title": "Service Unavailable",
                    "instance": "/do/0/weather", "detail": re.compile(r"GET http://127\.0\.0\.1:\d+/stations/mole: ")})

    def test_what_came_may_be_given_as_it_is(self):
        self.peer.on("GET", "/charts/7", (200, {"depth": 9}))
        self.gives("http-raw.yaml", {"chart": 7}, "eyJkZXB0aCI6IDl9")

    def test_in_loose_mode_every_text_may_be_an_expression(self):
        self.peer.on("POST", "/quotes", lambda asked: (200, asked.body))
        self.gives("loose.yaml", {"ship": "Aurora", "crates": 40},
                   {"ship": "Aurora", "price": 120, "half": 20, "text": "a word, and another"})

    def test_a_schema_may_lie_elsewhere(self):
        self.peer.on("GET", "/schemas/arrival.json", (200, {"type": "object", "required": ["ship"]}))
        self.gives("schema-elsewhere.yaml", {"ship": "Aurora"}, {"admitted": "Aurora"})
        self.fails("schema-elsewhere.yaml", {"boat": "Aurora"},
                   {"type": ERRORS + "validation", "status": 400, "instance": "/", "title": "Invalid input",
                    "detail": re.compile("ship")})
        self.assert_asked(*[("GET", "/schemas/arrival.json")] * 2)

    def test_one_task(self):
        self.peer.on("GET", "/stations/mole", (200, {"wind": 4}))
        self.gives("do-one.yaml", {"station": "mole"}, {"wind": 4})

    def test_two_tasks_hand_on_what_they_give(self):
        self.peer.on("GET", "/ships/Aurora", (200, {"imo": 9000001, "name": "Aurora", "state": "waiting"}))
        self.peer.on("PUT", "/ships/9000001", lambda asked: (200, asked.body))
        moored = {"imo": 9000001, "name": "Aurora", "state": "moored"}
        self.gives("do-two.yaml", {"ship": "Aurora"}, moored)
        self.assert_asked(("GET", "/ships/Aurora"), ("PUT", "/ships/9000001"))
        self.assertEqual(self.peer.seen[1].headers["content-type"], "application/json")

    def test_the_context_keeps_what_a_response_said(self):
        self.peer.on("GET", "/ships/9000001", lambda _: (200, {"name": "Aurora", "home": self.url("/ports/faro")}))
        self.peer.on("GET", "/ports/faro", (200, {"port": "Faro"}))
        self.gives("home-port.yaml", {"imo": 9000001}, {"port": "Faro"})
        self.fails("home-port.yaml", {"imo": 5}, {"type": ERRORS + "validation", "status": 400, "instance": "/",
                                                 "title": "Invalid input", "detail": re.compile("imo")})


class Openapi(SpecificationCase):
    """A description in JSON (version 3) and one in YAML (version 2), by the same server."""

    def setUp(self):
        super().setUp()
        paths = {"/berths": {"get": {"operationId": "findBerths", "parameters": [
            {"name": "basin", "in": "query", "required": True, "schema": {"type": "string"}},
            {"name": "depth", "in": "query", "schema": {"type": "integer"}}]}}}
        self.peer.on("GET", "/openapi.json", (200, {"openapi": "3.0.3", "info": {"title": "Quays", "version": "1"},
                                                    "servers": [{"url": "/v1"}], "paths": paths}))

    def test_parameters_go_where_the_description_says(self):
        self.peer.on("GET", "/v1/berths", (200, BERTHS))
        self.gives("openapi.yaml", {"draught": 8}, BERTHS)
        self.assert_asked(("GET", "/openapi.json"), ("GET", "/v1/berths"))
        self.assertEqual(self.peer.seen[1].query, {"basin": ["north"], "depth": ["9"]})

    def test_a_redirection_may_be_an_answer(self):
        self.peer.on("GET", "/v1/berths", (307, None, {"Location": "/v2/berths"}))
        self.gives("openapi-redirect.yaml", {}, {"status": 307, "now": "/v2/berths"})

    def test_an_operation_that_is_not_described_is_an_error_of_configuration(self):
        self.peer.on("GET", "/openapi.json", (200, {"openapi": "3.0.3", "paths": {}}))
        self.fails("openapi.yaml", {"draught": 8},
                   {"type": ERRORS + "configuration", "status": 400, "title": "The description does not fit",
                    "instance": "/do/0/find", "detail": re.compile('no operation has the operationId "findBerths"')})

    def test_version_two_with_a_body_a_path_a_header_and_a_login(self):
        with open(f"{DOCUMENTS}/berths.openapi.yaml", encoding="utf-8") as file:
            self.peer.on("GET", "/openapi.yaml", (200, file.read()))
        self.peer.on("POST", "/office/berths/12/bookings", lambda asked: (201, {"booked": asked.body}))
        self.gives("openapi-with-a-body.yaml", {"berth": 12, "ship": "Aurora", "pass": "pass-7"},
                   {"booked": {"ship": "Aurora", "nights": 3}})
        asked = self.peer.seen[-1]
        self.assertEqual((asked.headers["authorization"], asked.headers["request-id"]), ("Bearer pass-7", "Aurora"))


class Functions(SpecificationCase):
    said = {"said": "Aurora, Aurora, please answer on channel "}
    path = "/functions/announce/2.1.0/function.yaml"

    def setUp(self):
        super().setUp()
        with open(f"{DOCUMENTS}/announce.function.yaml", encoding="utf-8") as file:
            self.peer.on("GET", self.path, (200, file.read()))

    def test_of_the_file(self):
        self.peer.on("GET", "/berths/12", (200, {"berth": 12}))
        self.gives("function-of-the-file.yaml", {"berth": "not this one"}, {"berth": 12})

    def test_behind_an_address(self):
        self.gives("function-elsewhere.yaml", {"ship": "Aurora"}, {"said": self.said["said"] + "16"})
        self.assert_asked(("GET", self.path))

    def test_of_a_catalog_that_asks_for_a_login(self):
        self.secrets(librarian={"username": "eve", "password": "index"})
        self.gives("function-of-a-catalog.yaml", {"ship": "Aurora"}, {"said": self.said["said"] + "9"})
        self.assert_asked(("GET", self.path))
        self.assertEqual(self.peer.seen[0].headers["authorization"], "Basic ZXZlOmluZGV4")

    def test_what_they_are_given_must_fit(self):
        code, _, error = self.ended("function-elsewhere.yaml", {"ship": 7})
        self.assertEqual((code, error["type"], error["status"]), (1, ERRORS + "validation", 400))

    def test_one_that_is_not_there_is_an_error(self):
        self.peer.on("GET", self.path, (404, "no such function"))
        self.fails("function-elsewhere.yaml", {"ship": "Aurora"},
                   {"type": ERRORS + "communication", "status": 404, "title": "Not Found", "instance": "/do/0/announce",
                    "detail": re.compile("function.yaml: status 404: no such function")})


class Agents(SpecificationCase):
    """What evermill does not do is said, where it would be done."""

    def test_mcp(self):
        self.fails("mcp.yaml", {"notice": "Fog."},
                   {"type": ERRORS + "configuration", "status": 400, "title": "Not available", "instance": "/do/0/post",
                    "detail": re.compile("evermill can't call MCP servers")})

    def test_a2a(self):
        self.fails("a2a.yaml", {},
                   {"type": ERRORS + "configuration", "status": 400, "title": "Not available", "instance": "/do/0/plan",
                    "detail": re.compile("evermill can't call A2A agents")})
        self.assert_asked()


if __name__ == "__main__":
    main()
