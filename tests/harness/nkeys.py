"""NKeys and the JWTs of an operator, an account and a user, made anew for each test; Ed25519 by openssl."""

from __future__ import annotations

import base64
import binascii
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

_KINDS = {"O": 14 << 3, "A": 0, "U": 20 << 3}
_SEED = 18 << 3
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")  # before the 32 bytes of an Ed25519 key


def _text(raw: bytes) -> str:
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


def _url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class NKey:
    """`kind`: O, A or U."""

    def __init__(self, kind: str, folder: Path) -> None:
        secret, number = os.urandom(32), _KINDS[kind]
        self.seed = _text(bytes([_SEED | number >> 5, (number & 31) << 3]) + secret)
        self.file = folder / f"{self.seed[:8]}.der"
        self.file.write_bytes(_PKCS8 + secret)
        self.public = _text(bytes([number]) + self._openssl("pkey", "-pubout", "-outform", "DER")[-32:])

    def _openssl(self, command: str, *words: str) -> bytes:
        key = ["-in", str(self.file)] if command == "pkey" else ["-inkey", str(self.file), "-keyform", "DER"]
        form = ["-inform", "DER"] if command == "pkey" else []
        return subprocess.run(["openssl", command, *key, *form, *words], check=True, capture_output=True).stdout

    def sign(self, text: str) -> str:
        message = self.file.with_suffix(".txt")
        message.write_text(text)
        return _url(self._openssl("pkeyutl", "-sign", "-rawin", "-in", str(message)))

    def issue(self, to: "NKey", kind: str, **what: Any) -> str:
        """A JWT of the second version."""
        claims = {"jti": os.urandom(8).hex(), "iat": int(time.time()), "iss": self.public, "name": kind,
                  "sub": to.public, "nats": {**what, "type": kind, "version": 2}}
        body = ".".join(_url(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, claims))
        return f"{body}.{self.sign(body)}"


class Operator:
    """A server's configuration with one account that may do everything, and its users."""

    _ALL = {"limits": {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True, "conn": -1,
                       "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        key, system, self.account = NKey("O", folder), NKey("A", folder), NKey("A", folder)
        self.options = (f"operator: {key.issue(key, 'operator')}\nsystem_account: {system.public}\nresolver: MEMORY\n"
                        f"resolver_preload: {{ {system.public}: {key.issue(system, 'account')}\n"
                        f"{self.account.public}: {key.issue(self.account, 'account', **self._ALL)} }}\n")

    def user(self, issuer: NKey | None = None) -> tuple[NKey, str]:
        """Its key, and its JWT."""
        key = NKey("U", self.folder)
        return key, (issuer or self.account).issue(key, "user", subs=-1, data=-1, payload=-1)


def credentials(key: NKey, jwt: str) -> str:
    """The text of a .creds file."""
    return (f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            "************************* IMPORTANT *************************\n"
            "NKEY Seed printed below can be used to sign and prove identity.\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{key.seed}\n------END USER NKEY SEED------\n")
