"""Tokens of an OpenID Connect issuer: JWTs, signed by a key that the issuer publishes, for this audience, and of this hour."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import jwt
import orjson

from streamlabel.errors import TransientError
from streamlabel.review.access_ports import ForeignIdentity, ForeignTokenError
from streamlabel.review.rules.claims import ClaimMap

log = logging.getLogger(__name__)

# Signed with a key that nobody but the issuer has. What a token says of its algorithm is never asked: its key's counts.
ALGORITHMS = ("RS256", "ES256")
MAX_TOKEN_CHARACTERS = 8 * 1024
_FETCH_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
_MAX_ANSWER_BYTES = 256 * 1024
# Keys are looked for anew at this age, so that one that was taken back goes; and for a key that nobody knows, but not more often.
_KEYS_AGE_S = 3600.0
_PAUSE_S = 10.0
_WORDS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "it has expired: sign in with the issuer again"),
    (jwt.ImmatureSignatureError, "it is not valid yet: compare the clocks of the issuer and of this service"),
    (jwt.InvalidAudienceError, "it was made for another audience"),
    (jwt.InvalidIssuerError, "another issuer made it"),
    (jwt.InvalidSignatureError, "its signature is not that of the issuer's key"),
    (jwt.MissingRequiredClaimError, "it lacks a claim that is needed"),
)


class IssuerKeys:
    """The public keys of an issuer, by id: fetched when first needed, at a certain age, and when one is asked for that is not there.

    While the issuer is away, the keys that are known go on counting.
    """

    def __init__(self, issuer: str, jwks_url: str, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._monotonic_s = monotonic_s
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_s: float | None = None
        self._tried_s: float | None = None
        self._trouble = ""
        self._turn = asyncio.Lock()

    async def key(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key, or with no id the only one there is; None where the issuer has none such. TransientError: it cannot be asked."""
        if self._is_old() or self._pick(key_id) is None:
            async with self._turn:
                if (self._is_old() or self._pick(key_id) is None) and self._may_try():
                    await self._fetch()
        found = self._pick(key_id)
        if found is None and self._trouble:
            raise TransientError(f"the keys of the issuer cannot be had: {self._trouble}", retry_after_s=_PAUSE_S)
        return found

    def _pick(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    def _is_old(self) -> bool:
        return self._fetched_s is None or self._monotonic_s() - self._fetched_s > _KEYS_AGE_S

    def _may_try(self) -> bool:
        return self._tried_s is None or self._monotonic_s() - self._tried_s >= _PAUSE_S

    async def _fetch(self) -> None:
        self._tried_s = self._monotonic_s()
        try:
            async with aiohttp.ClientSession(timeout=_FETCH_TIMEOUT) as session:
                url = self._jwks_url or await self._discover(session)
                keys = _usable((await _json(session, url)).get("keys"))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self._trouble = f"{type(error).__name__}: {error}"[:200]
            log.warning("the keys of the issuer cannot be had: %s", self._trouble, extra={"issuer": self._issuer})
            return
        self._keys, self._fetched_s, self._trouble = keys, self._tried_s, ""
        log.info("keys of the issuer fetched", extra={"issuer": self._issuer, "keys": sorted(keys)})

    async def _discover(self, session: aiohttp.ClientSession) -> str:
        answer = await _json(session, self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        if answer.get("issuer") != self._issuer:
            raise ValueError("its configuration names another issuer")
        url = answer.get("jwks_uri")
        if not isinstance(url, str):
            raise ValueError("its configuration has no jwks_uri")
        return url


class OidcIssuer:
    """Keeps `access_ports.Issuer`."""

    def __init__(self, *, issuer: str, audience: str, keys: IssuerKeys, claim_map: ClaimMap, skew_s: float) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._claim_map = claim_map
        self._skew_s = skew_s

    def may_know(self, token: str) -> bool:
        """Whether it has the form of an issuer's token."""
        return token.count(".") == 2

    async def identify(self, token: str) -> ForeignIdentity:
        """Whose it is; raises ForeignTokenError with the reason why it is nobody's, or TransientError."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise ForeignTokenError("it is too long")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise ForeignTokenError("it is malformed") from error
        if header.get("alg") not in ALGORITHMS:
            raise ForeignTokenError(f"it is not signed by one of {', '.join(ALGORITHMS)}")
        key = await self._keys.key(header.get("kid"))
        if key is None or key.algorithm_name != header["alg"]:
            raise ForeignTokenError("its signature is of a key that the issuer does not have")
        claims = self._verified(token, key)
        try:
            annotator = self._claim_map.annotator(claims)
        except ValueError as error:
            raise ForeignTokenError(str(error)) from error
        return ForeignIdentity(annotator=annotator, lasts_s=claims["exp"] + self._skew_s - time.time())

    def _verified(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[str(key.algorithm_name)],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._skew_s,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise ForeignTokenError(
                next((words for kind, words in _WORDS if isinstance(error, kind)), "it is malformed")
            ) from error


async def _json(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise ValueError(f"{url} answers with status {response.status}")
        body = await response.content.read(_MAX_ANSWER_BYTES)
        if not response.content.at_eof():
            raise ValueError(f"{url} answers at too great length")
    answer = orjson.loads(body)
    if not isinstance(answer, dict):
        raise ValueError(f"{url} answers with no JSON object")
    return answer


def _usable(keys: object) -> dict[str, jwt.PyJWK]:
    """The keys for signatures of our kinds; whatever else an issuer publishes is passed over."""
    found: dict[str, jwt.PyJWK] = {}
    for each in keys if isinstance(keys, list) else []:
        if not isinstance(each, dict) or each.get("use", "sig") != "sig" or each.get("kty") not in ("RSA", "EC"):
            continue
        try:
            key = jwt.PyJWK(each)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        if key.algorithm_name in ALGORITHMS:
            found[str(each.get("kid", ""))] = key
    if not found:
        raise ValueError(f"it publishes no key for {' or '.join(ALGORITHMS)}")
    return found
