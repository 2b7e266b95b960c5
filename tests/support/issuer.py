"""A small OpenID Connect issuer on this machine: its configuration, its keys, and the tokens that it signs."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
AUDIENCE = "streamlabel"


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class LocalIssuer:
    """Serves while its context lasts; `keys` are published by id, `fetches` counts how often they were asked for."""

    keys: dict[str, PrivateKey] = field(default_factory=dict)
    port: int = 0
    is_away: bool = False
    fetches: int = 0
    more_keys: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, key_id: str = "one", *, key: PrivateKey | None = None, **claims: Any) -> str:
        """Signed by that key; `claims` over the usual ones, None takes one away."""
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "exp": time.time() + 60, "roles": ["labellers"]}
        told = {name: value for name, value in (usual | claims).items() if value is not None}
        signer = key or self.keys[key_id]
        algorithm = "RS256" if isinstance(signer, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(told, signer, algorithm=algorithm, headers={"kid": key_id})

    async def _configuration(self, _request: web.Request) -> web.Response:
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys"})

    async def _keys(self, _request: web.Request) -> web.Response:
        self.fetches += 1
        if self.is_away:
            return web.Response(status=503)
        published = [{**_public(key), "kid": key_id, "use": "sig"} for key_id, key in self.keys.items()]
        return web.json_response({"keys": [*self.more_keys, *published]})


def _public(key: PrivateKey) -> dict[str, Any]:
    made = (
        RSAAlgorithm.to_jwk(key.public_key())
        if isinstance(key, rsa.RSAPrivateKey)
        else ECAlgorithm.to_jwk(key.public_key())
    )
    found: dict[str, Any] = json.loads(made)
    return found


@asynccontextmanager
async def local_issuer(**keys: PrivateKey) -> AsyncIterator[LocalIssuer]:
    """An issuer that publishes these keys."""
    issuer = LocalIssuer(keys=dict(keys))
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", issuer._configuration)
    app.router.add_get("/keys", issuer._keys)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        issuer.port = runner.addresses[0][1]
        yield issuer
    finally:
        await runner.cleanup()
