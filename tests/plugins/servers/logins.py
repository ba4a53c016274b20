"""How clients of http_server.py show who they are: digest (RFC 7616) and an OAuth 2 authorization server (RFC 6749, 8693)."""
import base64
import hashlib
import json
import re
import threading
import urllib.parse

issuer = ""
lock = threading.Lock()
tokens = {}  # access token: uses left, or None
refresh_tokens = set()
CLIENTS = {"client": "client secret+1", "jwt-client": None}


def parse_digest(header):
    if not header.startswith("Digest "):
        return None
    return {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header)}


def digest_response(said, method, user, password, realm):
    def hashed(text):
        return hashlib.sha256(text.encode()).hexdigest()
    first = hashed(f"{user}:{realm}:{password}")
    second = hashed(f"{method}:{said['uri']}")
    return hashed(":".join((first, said["nonce"], said["nc"], said["cnonce"], said["qop"], second)))


def accepts(token):
    with lock:
        if token not in tokens:
            return False
        if tokens[token] is not None:
            tokens[token] -= 1
            if tokens[token] == 0:
                del tokens[token]
        return True


def revoke_all(also_refresh_tokens):
    with lock:
        tokens.clear()
        if also_refresh_tokens:
            refresh_tokens.clear()


def client_of(handler, form):
    header = handler.headers.get("Authorization", "")
    if header.startswith("Basic "):
        name, _, password = base64.b64decode(header[6:]).decode().partition(":")
        return urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(password)
    if "client_assertion" in form:
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        return "jwt-client", (None if form["client_assertion"] == "an.assertion" else "wrong")
    return form.get("client_id"), form.get("client_secret")


def token_endpoint(handler, kind, body, counts):
    """At /oauth2/token, /oauth2/short (tokens that end at once), /oauth2/error, /oauth2/down, /oauth2/garbage."""
    if kind == "down":
        return handler.answer(503, {"error": "temporarily_unavailable"})
    if kind == "garbage":
        return handler.answer(200, b"<html>", content_type="text/html")
    if handler.headers.get("Content-Type", "").startswith("application/json"):
        form = json.loads(body)
    else:
        form = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
    client, password = client_of(handler, form)
    if client not in CLIENTS or CLIENTS[client] != password:
        return handler.answer(401, {"error": "invalid_client", "error_description": f"no client {client!r} with {password!r}"})
    grant = form.get("grant_type")
    if grant == "password" and (form.get("username"), form.get("password")) != ("ada", "ada's word"):
        return handler.answer(400, {"error": "invalid_grant", "error_description": "who is that?"})
    if grant == "refresh_token" and form.get("refresh_token") not in refresh_tokens:
        return handler.answer(400, {"error": "invalid_grant", "error_description": "no such refresh token"})
    if grant.endswith("token-exchange") and form.get("subject_token") != "a subject's token":
        return handler.answer(400, {"error": "invalid_request", "error_description": "no such subject"})
    number = counts[f"/oauth2/{kind}"]
    token = f"token-{number}-of-{client}-by-{grant.rpartition(':')[2]}-for-{form.get('scope', '')}-{form.get('audience', '')}".replace(" ", "+")
    refresh = f"refresh-token-{number}"
    with lock:
        tokens[token] = None
        refresh_tokens.add(refresh)
    handler.answer(200, {"access_token": token, "token_type": "Bearer", "refresh_token": refresh,
                         "expires_in": 1 if kind == "short" else 3600})


def discovery(handler):
    handler.answer(200, {"issuer": issuer, "token_endpoint": issuer + "/oauth2/token"})
