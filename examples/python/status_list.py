"""Asks a Token Status List (draft-ietf-oauth-status-list) whether the session of
an access token is over, for an API that Writ knows with `status_list: true`.

Needs PyJWT as api.py does. Give `revoked` the claims of a token that was verified
before; what it can't know it raises, and then refuse (503).
"""

import json
import time
import urllib.request
import zlib
from base64 import urlsafe_b64decode

import jwt

LARGEST = 1 << 20  # bytes of a list, packed and unpacked: Writ's have at most 16 KiB
TTL = 10, 300  # seconds: how short and how long a list may say that it is to be kept


class StatusLists:
    def __init__(self, issuer, algorithm):
        self.issuer, self.algorithms = issuer, [algorithm]
        self.keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json")
        self.kept = {}  # uri: (when to fetch it again, exp, bits)

    def revoked(self, claims):
        """Whether the status of a verified token is another than valid."""
        reference = claims["status"]["status_list"]
        place, uri = reference["idx"], reference["uri"]
        if not uri.startswith(self.issuer + "/"):
            raise ValueError("a status list of somebody else")
        again, exp, bits = self.kept.get(uri, (0, 0, b""))
        if time.time() >= min(again, exp):
            try:
                again, exp, bits = self.kept[uri] = self.verified(uri, self.fetch(uri))
            except OSError:
                if time.time() >= exp:  # until then what was fetched before counts
                    raise
        return bool(bits[place // 8] >> place % 8 & 1)  # the lowest bit comes first; IndexError: no such place

    def fetch(self, uri):
        request = urllib.request.Request(uri, headers={"Accept": "application/statuslist+jwt"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read(LARGEST).decode("ascii")

    def verified(self, uri, token):
        if jwt.get_unverified_header(token).get("typ") != "statuslist+jwt":
            raise ValueError("no status list")
        key = self.keys.get_signing_key_from_jwt(token).key
        required = {"require": ["iss", "sub", "iat", "exp", "ttl", "status_list"]}
        claims = jwt.decode(token, key, algorithms=self.algorithms, issuer=self.issuer, leeway=5, options=required)
        if claims["sub"] != uri or claims["status_list"]["bits"] != 1:
            raise ValueError("another list, or one with more than a bit a token")
        packed = claims["status_list"]["lst"]
        bits = zlib.decompressobj().decompress(urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), LARGEST)
        return time.time() + min(max(claims["ttl"], TTL[0]), TTL[1]), claims["exp"], bits


if __name__ == "__main__":  # python3 status_list.py http://localhost:8080 ES256 < claims.json
    import sys

    print("revoked" if StatusLists(sys.argv[1], sys.argv[2]).revoked(json.load(sys.stdin)) else "valid")
