"""An API that takes Writ's access tokens with PyJWT: one public route, one for
everybody who has signed in, one for administrators.

Needs Python 3.9 with PyJWT 2.6 or newer and cryptography: on Debian
`apt install python3-jwt python3-cryptography`.
"""

import json
import os
import re
import socket
import time
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

import jwt
from jwt.api_jwt import decode_complete

COOL_DOWN = 10  # seconds between two requests for a key that isn't known


class Refused(Exception):
    def __init__(self, status, challenge=None):
        super().__init__(status)
        self.headers = [("WWW-Authenticate", f'Bearer realm="api"{challenge}')] if challenge is not None else []
        self.status = status


NO_TOKEN = ("401 Unauthorized", "")
INVALID_TOKEN = ("401 Unauthorized", ', error="invalid_token"')
FORBIDDEN = ("403 Forbidden", ', error="insufficient_scope"')


class Keys(jwt.PyJWKClient):
    """Writ's key set, kept for 5 minutes.

    PyJWKClient asks for the set again whenever a token names a key that it
    doesn't know. Anybody can make up such names, so that is limited here. And
    keys that can't be had are no fault of the token: the answer is 503.
    """

    refresh_after = 0.0

    def get_jwk_set(self, refresh=False):
        now = time.monotonic()
        if refresh and now < self.refresh_after:
            refresh = False
        if refresh:
            self.refresh_after = now + COOL_DOWN
        try:
            return super().get_jwk_set(refresh)
        except (jwt.PyJWTError, OSError, ValueError) as error:
            raise Refused("503 Service Unavailable") from error


class Verifier:
    """Answers the claims of a request's token, or raises Refused."""

    def __init__(self, issuer, audience, algorithm):
        self.keys = Keys(f"{issuer}/.well-known/jwks.json")
        self.expected = {
            "issuer": issuer,
            "audience": audience,
            "algorithms": [algorithm],  # never the token's own word
            "leeway": 5,  # seconds: a token of this moment is refused by a clock that is slow
            "options": {"require": ["iss", "aud", "exp", "iat", "sub"]},
        }

    def claims(self, environ):
        scheme, _, raw = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer" or not raw:
            raise Refused(*NO_TOKEN)
        try:
            key = self.keys.get_signing_key_from_jwt(raw).key
            token = decode_complete(raw, key, **self.expected)
        except (jwt.PyJWTError, TypeError, ValueError, RecursionError) as error:
            # TypeError: the key that kid names is of another type. RecursionError: a bottomless header.
            raise Refused(*INVALID_TOKEN) from error
        if not is_access_token(token):
            raise Refused(*INVALID_TOKEN)
        return token["payload"]


def is_access_token(token):
    """What PyJWT can't be asked to check."""
    header, payload = token["header"], token["payload"]
    # Another kind of token under the same keys and for the same audience must
    # not pass for an access token (RFC 9068 section 4).
    typed = str(header.get("typ", "")).lower().removeprefix("application/") == "at+jwt"
    # What the issuer calls critical must be understood, and nothing is here
    # (RFC 7515 section 4.1.11). A token that is bound to its holder's key is no
    # bearer token (RFC 7800, RFC 9449).
    return typed and "crit" not in header and "cnf" not in payload


class API:
    """The WSGI application."""

    def __init__(self, verifier):
        self.verifier = verifier

    def __call__(self, environ, start_response):
        try:
            status, headers, body = "200 OK", [], self.answer(environ)
        except Refused as refused:
            status, headers, body = refused.status, refused.headers, {"error": refused.status}
        start_response(status, [("Content-Type", "application/json"), *headers])
        return [json.dumps(body).encode() + b"\n"]

    def answer(self, environ):
        route = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if route == ("GET", "/healthz"):
            return {"ok": True}
        claims = self.verifier.claims(environ)  # whatever stands below needs a token
        if route == ("GET", "/orders"):
            return {"orders": [], "for": claims["sub"]}
        if route[0] == "DELETE" and (order := re.fullmatch("/orders/([^/]+)", route[1])):
            need_role(claims, "admin")
            return {"deleted": order[1], "by": claims["sub"]}
        raise Refused("404 Not Found")


def need_role(claims, role):
    roles = claims.get("roles")
    if not isinstance(roles, list) or role not in roles:
        raise Refused(*FORBIDDEN)


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def main():
    issuer = os.environ.get("ISSUER", "http://localhost:8080")
    audience = os.environ.get("AUDIENCE", "https://api.example.com")
    algorithm = os.environ.get("ALGORITHM", "ES256")
    if algorithm not in ("ES256", "RS256", "PS256"):  # never HS256: the keys are public
        raise SystemExit(f"ALGORITHM is {algorithm}, not ES256, RS256 or PS256")
    socket.setdefaulttimeout(5)  # for the key set, and for callers that never finish
    api = API(Verifier(issuer, audience, algorithm))
    with make_server("localhost", int(os.environ.get("PORT", "3000")), api, Server) as server:
        print(f"listening on http://localhost:{server.server_port} for tokens of {issuer}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
