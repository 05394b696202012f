"""Asks the denylist that Writ keeps in Redis or Valkey (writ serve --redis …)
whether an access token is revoked: one HMGET a token."""

import json
import time
from base64 import urlsafe_b64encode
from hashlib import sha256


class CannotKnow(Exception):
    """The list can't tell: answer 503, never "accepted"."""


def name(kind, identifier):
    """The name of an identifier in the list: half of SHA-256(kind, 0, id)."""
    digest = sha256(bytes([kind, 0]) + identifier.encode()).digest()
    return urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def revoked(client, claims, kid, max_age=10):
    """Whether a token, which must have been verified before, is revoked.

    client is a redis.Redis; kid is of the token's header, "" for an API with a
    shared secret; max_age is the seconds since Writ last wrote, and between the
    two clocks.
    """
    names = [name(1, claims["jti"]), name(4, kid), *(name(3, epoch) for epoch in claims["epochs"])]
    if "sid" in claims:  # a service's token has none
        names.append(name(2, claims["sid"]))
    head, *found = client.hmget("writ:revoked:" + claims["iss"], ["head", *names])
    head = json.loads(head) if head else {}
    if head.get("version") != 1 or abs(time.time() - head["time"]) > max_age:
        raise CannotKnow("the denylist is not current")
    if len(found) != len(names):
        raise CannotKnow("not an answer to HMGET")
    return any(expiry is not None for expiry in found)
