"""Logins: bearer, basic, digest, OAuth2 and OpenID Connect, given in the file, by name, and in secrets.

    authentication_test.py PROGRAM
"""
import base64
import hashlib
import re

from specification_case import ERRORS, SpecificationCase, main

REALM = "/realms/pilotage"
CLIENT = {"id": "dispatcher", "secret": "lead and line"}


def with_token(token, body):
    """Answers who shows the token."""
    shown = f"Bearer {token}"
    return lambda asked: (200, body) if asked.headers.get("authorization") == shown else (401, {"error": "who is that?"})


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def digest_login(user, password, body):
    """A server that wants a digest (RFC 7616, SHA-256), and believes in one nonce."""

    def hashed(*parts):
        return hashlib.sha256(":".join(parts).encode()).hexdigest()

    def answer(asked):
        said = dict(re.findall(r'(\w+)="?([^",]*)"?', asked.headers.get("authorization", "")))
        if said:
            right = hashed(hashed(user, "office", password), said["nonce"], said["nc"], said["cnonce"], "auth",
                           hashed(asked.method, asked.path))
            if said["response"] == right and said["username"] == user and said["nonce"] == "a1b2":
                return 200, body
        return 401, None, {"WWW-Authenticate": 'Digest realm="office", qop="auth", algorithm=SHA-256, nonce="a1b2"'}

    return answer


class Authentication(SpecificationCase):
    manifest = {"ship": "Aurora", "cargo": ["tea", "rope"]}

    def test_a_bearer_token_is_shown(self):
        self.peer.on("GET", "/manifests/latest", with_token("pass-7", self.manifest))
        self.gives("bearer.yaml", {"pass": "pass-7"}, self.manifest)
        self.assertEqual(self.peer.seen[0].headers["authorization"], "Bearer pass-7")

    def test_one_that_is_refused_is_an_error(self):
        self.peer.on("GET", "/manifests/latest", with_token("pass-7", self.manifest))
        self.fails("bearer.yaml", {"pass": "pass-8"},
                   {"type": ERRORS + "communication", "status": 401, "title": "Unauthorized", "instance": "/do/0/manifest",
                    "detail": re.compile(r"/manifests/latest: status 401: .*who is that\?")})

    def test_an_address_may_be_a_template_beside_it(self):
        self.peer.on("GET", "/manifests/Aurora", with_token("pass-7", self.manifest))
        self.gives("bearer-in-a-template.yaml", {"ship": "Aurora", "pass": "pass-7"},
                   {"cargo": ["tea", "rope"], "shown": "Bearer"})

    def test_one_policy_serves_several_calls(self):
        self.peer.on("GET", "/manifests/Aurora", with_token("pass-7", self.manifest))
        self.peer.on("POST", "/manifests/Aurora/clearance", with_token("pass-7", {"cleared": True}))
        self.gives("reusable-authentication.yaml", {"ship": "Aurora", "pass": "pass-7"}, {"cleared": True})
        self.assert_asked(("GET", "/manifests/Aurora"), ("POST", "/manifests/Aurora/clearance"))
        self.assertEqual(self.peer.seen[1].body, {"cargo": ["tea", "rope"]})

    def test_a_user_and_a_password_may_lie_in_a_secret(self):
        self.peer.on("GET", "/log", (200, ["calm"]))
        self.secrets(harbourMaster={"username": "ada", "password": "fair: winds"})
        self.gives("basic-of-a-secret.yaml", {}, ["calm"])
        self.assertEqual(self.peer.seen[0].headers["authorization"], basic("ada", "fair: winds"))

    def test_a_secret_that_is_not_there_is_an_error_of_authorization(self):
        self.secrets(other="x")
        self.fails("basic-of-a-secret.yaml", {}, {"type": ERRORS + "authorization", "status": 403, "title": "No such secret",
                                                  "instance": "/do/0/log", "detail": re.compile("harbourMaster")})
        self.assert_asked()

    def test_a_digest_answers_a_challenge(self):
        self.peer.on("GET", "/log", digest_login("mate", "ship's biscuit", ["calm"]))
        self.gives("digest.yaml", {}, ["calm"])
        self.assertNotIn("biscuit", str(self.peer.seen))


class Tokens(SpecificationCase):
    """From an authorization server, with the grant of client credentials."""

    pilots = [{"name": "Grace"}]

    def serve(self, token_path):
        self.peer.on("POST", token_path, (200, {"access_token": "token-1", "token_type": "Bearer", "expires_in": 60}))
        self.peer.on("GET", "/pilots/north", with_token("token-1", self.pilots))
        self.peer.on("GET", f"{REALM}/.well-known/openid-configuration",
                     lambda _: (200, {"issuer": self.url(REALM), "token_endpoint": self.url(f"{REALM}/connect/token")}))

    def form(self):
        [asked] = self.peer.asked("POST")
        self.assertEqual(asked.headers["content-type"], "application/x-www-form-urlencoded")
        return dict(pair.split("=") for pair in asked.body.split("&"))

    client = {"grant_type": "client_credentials", "client_id": "dispatcher", "client_secret": "lead%20and%20line"}

    def test_oauth2_asks_where_the_file_says(self):
        self.serve(f"{REALM}/tokens/new")
        self.gives("oauth2.yaml", {"area": "north"}, self.pilots)
        self.assert_asked(("POST", f"{REALM}/tokens/new"), ("GET", "/pilots/north"))
        self.assertEqual(self.form(), {**self.client, "scope": "pilots.read%20tides.read", "audience": "pilotage"})

    def test_a_client_that_is_refused_is_an_error_of_authentication(self):
        self.serve(f"{REALM}/tokens/new")
        refusal = {"error": "invalid_client", "error_description": "no such dispatcher"}
        self.peer.on("POST", f"{REALM}/tokens/new", (401, refusal))
        self.fails("oauth2.yaml", {"area": "north"},
                   {"type": ERRORS + "authentication", "status": 401, "title": "Unauthorized", "instance": "/do/0/pilot",
                    "detail": re.compile("status 401, invalid_client: no such dispatcher")})
        self.assert_asked(("POST", f"{REALM}/tokens/new"))

    def test_all_of_a_policy_may_lie_in_a_secret(self):
        self.serve(f"{REALM}/oauth2/token")
        self.secrets(dispatcher={"authority": self.url(REALM), "grant": "client_credentials", "client": CLIENT})
        self.gives("oauth2-of-a-secret.yaml", {"area": "north"}, self.pilots)
        self.assert_asked(("POST", f"{REALM}/oauth2/token"), ("GET", "/pilots/north"))
        self.assertEqual(self.form(), self.client)

    def test_openid_connect_discovers_where_to_ask(self):
        self.serve(f"{REALM}/connect/token")
        self.gives("oidc.yaml", {"area": "north"}, self.pilots)
        self.assert_asked(("GET", f"{REALM}/.well-known/openid-configuration"), ("POST", f"{REALM}/connect/token"),
                          ("GET", "/pilots/north"))
        self.assertEqual(self.form(), self.client)

    def test_an_authority_may_be_named_by_its_document(self):
        self.serve(f"{REALM}/connect/token")
        self.gives("oidc-by-its-document.yaml", {"area": "north"}, self.pilots)
        self.assert_asked(("GET", f"{REALM}/.well-known/openid-configuration"), ("POST", f"{REALM}/connect/token"),
                          ("GET", "/pilots/north"))
        self.assertEqual(self.form(), {"grant_type": "client_credentials", "scope": "openid"})
        self.assertEqual(self.peer.asked("POST")[0].headers["authorization"], basic("dispatcher", "lead%20and%20line"))

    def test_also_with_a_secret(self):
        self.serve(f"{REALM}/connect/token")
        self.secrets(dispatcher={"authority": self.url(REALM), "grant": "client_credentials", "client": CLIENT})
        self.gives("oidc-of-a-secret.yaml", {"area": "north"}, self.pilots)
        self.assertEqual(self.form(), self.client)


if __name__ == "__main__":
    main()
