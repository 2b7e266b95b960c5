"""Tokens of an issuer: whose they are, and every reason why they are nobody's."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from streamlabel.core.access import Appointment
from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.review.access_ports import ForeignTokenError
from streamlabel.review.adapters.oidc import IssuerKeys, OidcIssuer
from streamlabel.review.rules.claims import ClaimMap
from streamlabel.review.settings import ReviewSettings
from streamlabel.runtime.settings import load_settings
from support.issuer import AUDIENCE, LocalIssuer, ec_key, local_issuer, rsa_key

ONE, TWO, CURVE = rsa_key(), rsa_key(), ec_key()
CLAIMS = ClaimMap.of(
    name_claim="sub", roles_claim="roles", entries=["labellers=annotator@mail", "leads=reviewer", "leads=admin"]
)


class Clock:
    """A stopwatch that is put forward."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuer() -> AsyncIterator[LocalIssuer]:
    async with local_issuer(one=ONE, curve=CURVE) as made:
        yield made


@pytest.fixture
def oidc(issuer: LocalIssuer, clock: Clock) -> OidcIssuer:
    keys = IssuerKeys(issuer.url, "", clock)
    return OidcIssuer(issuer=issuer.url, audience=AUDIENCE, keys=keys, claim_map=CLAIMS, skew_s=30.0)


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


async def test_a_good_token_names_somebody_with_the_roles_that_its_words_mean(
    oidc: OidcIssuer, issuer: LocalIssuer
) -> None:
    found = await oidc.identify(issuer.token(sub="ann", roles=["labellers", "cooks", 7]))
    assert found.annotator.name == "ann"
    assert found.annotator.appointments == (Appointment.parse("annotator@mail"),)
    assert 60 < found.lasts_s <= 91
    lead = await oidc.identify(issuer.token("curve", sub="rita", roles="leads labellers"))
    assert list(map(str, lead.annotator.appointments)) == ["reviewer", "admin", "annotator@mail"]
    nobody_special = await oidc.identify(issuer.token(aud=["other", AUDIENCE], roles=None))
    assert nobody_special.annotator.appointments == ()
    assert issuer.fetches == 1


async def test_clocks_may_differ_a_little_and_not_more(oidc: OidcIssuer, issuer: LocalIssuer) -> None:
    now = time.time()
    await oidc.identify(issuer.token(exp=now - 10))
    await oidc.identify(issuer.token(nbf=now + 20))
    for claims, why in (({"exp": now - 45}, "has expired"), ({"nbf": now + 60}, "not valid yet")):
        with pytest.raises(ForeignTokenError, match=why):
            await oidc.identify(issuer.token(**claims))


async def test_every_other_token_is_nobodys(oidc: OidcIssuer, issuer: LocalIssuer) -> None:
    now = time.time()
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ann", "exp": now + 60}
    public = ONE.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    # The public key, which everybody has, as the secret of an HMAC.
    head = unsigned({"alg": "HS256", "kid": "one"}, claims).rpartition(".")[0]
    seal = hmac.digest(public, head.encode(), "sha256")
    confused = f"{head}.{base64.urlsafe_b64encode(seal).rstrip(b'=').decode()}"
    good = issuer.token()
    header, body, signature = good.split(".")
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "boss"}).encode()).rstrip(b"=").decode()
    for token, why in (
        (unsigned({"alg": "none", "kid": "one"}, claims), "not signed by one of RS256, ES256"),
        (unsigned({"alg": "None", "kid": "one"}, claims), "not signed by one of"),
        (confused, "not signed by one of"),
        (jwt.encode(claims, "s" * 32, algorithm="HS256", headers={"kid": "one"}), "not signed by one of"),
        (jwt.encode(claims, ONE, algorithm="PS256", headers={"kid": "one"}), "not signed by one of"),
        (jwt.encode(claims, CURVE, algorithm="ES256", headers={"kid": "one"}), "a key that the issuer does not have"),
        (issuer.token(key=TWO), "its signature is not that of the issuer's key"),
        (f"{header}.{forged}.{signature}", "its signature is not that of the issuer's key"),
        (f"{header}.{body}.", "its signature is not that"),
        (issuer.token("nix", key=TWO), "a key that the issuer does not have"),
        (jwt.encode(claims, ONE, algorithm="RS256"), "a key that the issuer does not have"),
        (issuer.token(iss="https://evil.example"), "another issuer"),
        (issuer.token(iss=issuer.url + "/"), "another issuer"),
        (issuer.token(aud="other"), "another audience"),
        (issuer.token(aud=None), "lacks a claim"),
        (issuer.token(exp=None), "lacks a claim"),
        (issuer.token(exp="soon"), "malformed"),
        (issuer.token(sub=None), "names nobody"),
        (issuer.token(sub=""), "is no name"),
        (issuer.token(sub="a\nb"), "is no name"),
        (issuer.token(sub="x" * 200), "is no name"),
        ("a.b.c", "malformed"),
        (good + "x" * 10_000, "too long"),
    ):
        with pytest.raises(ForeignTokenError, match=why) as refused:
            await oidc.identify(token)
        assert token not in str(refused.value)


async def test_a_new_key_is_fetched_and_one_that_was_taken_back_goes(
    oidc: OidcIssuer, issuer: LocalIssuer, clock: Clock
) -> None:
    old = issuer.token()
    await oidc.identify(old)
    issuer.keys = {"two": TWO}
    new = issuer.token("two")
    # Not at once: whoever sends ids that nobody knows must not make this service ask the issuer each time.
    for _ in range(5):
        with pytest.raises(ForeignTokenError):
            await oidc.identify(new)
    assert issuer.fetches == 1
    clock.now_s += 11
    await oidc.identify(new)
    assert issuer.fetches == 2
    with pytest.raises(ForeignTokenError, match="a key that the issuer does not have"):
        await oidc.identify(old)


async def test_a_key_that_was_taken_back_goes_though_nobody_asks_for_another(
    oidc: OidcIssuer, issuer: LocalIssuer, clock: Clock
) -> None:
    token = issuer.token("curve")
    await oidc.identify(token)
    del issuer.keys["curve"]
    await oidc.identify(token)
    clock.now_s += 3601
    with pytest.raises(ForeignTokenError, match="a key that the issuer does not have"):
        await oidc.identify(token)


async def test_while_the_issuer_is_away_its_known_keys_count(
    oidc: OidcIssuer, issuer: LocalIssuer, clock: Clock
) -> None:
    issuer.is_away = True
    with pytest.raises(TransientError, match="answers with status 503") as away:
        await oidc.identify(issuer.token())
    assert away.value.retry_after_s == 10
    issuer.is_away = False
    clock.now_s += 10
    await oidc.identify(issuer.token())
    issuer.is_away = True
    clock.now_s += 4000
    await oidc.identify(issuer.token())
    with pytest.raises(TransientError):
        await oidc.identify(issuer.token("two", key=TWO))


async def test_what_else_an_issuer_publishes_is_passed_over(issuer: LocalIssuer, oidc: OidcIssuer) -> None:
    issuer.more_keys = [
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0", "alg": "HS256"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "EC", "kid": "strange", "crv": "P-512", "x": "AA", "y": "AA"},
        {"kty": "RSA", "kid": "for-encryption", "use": "enc", "n": "AQAB", "e": "AQAB"},
    ]
    await oidc.identify(issuer.token())


async def test_an_issuer_that_speaks_for_another_is_not_believed(issuer: LocalIssuer) -> None:
    keys = IssuerKeys(f"http://localhost:{issuer.port}", "")
    with pytest.raises(TransientError, match="names another issuer"):
        await keys.key("one")
    assert await IssuerKeys("https://issuer.example", f"{issuer.url}/keys").key("one") is not None


def test_a_claim_may_lie_in_another() -> None:
    nested = ClaimMap.of(name_claim="https://x.example/name", roles_claim="realm.roles", entries=["a=b=admin"])
    annotator = nested.annotator({"https://x.example/name": "ann", "realm": {"roles": ["a=b"]}})
    assert list(map(str, annotator.appointments)) == ["admin"]
    for entries in (["labellers"], ["labellers=boss"], ["=admin"]):
        with pytest.raises(ValueError, match=r"WORD=ROLE|no role"):
            ClaimMap.of(name_claim="sub", roles_claim="roles", entries=entries)


def test_settings_of_half_an_issuer_are_refused() -> None:
    def load(**more: str) -> ReviewSettings:
        keys = {f"STREAMLABEL_REVIEW_OIDC_{name}": value for name, value in more.items()}
        return load_settings(ReviewSettings, {"STREAMLABEL_REVIEW_POSTGRES_DSN": "postgresql://x", **keys})

    assert load(ISSUER="https://id.example", AUDIENCE="a", ROLES="x=admin,y=annotator@mail").review_oidc_skew_s == 30
    assert load(ISSUER="http://127.0.0.1:1", AUDIENCE="a").review_oidc_issuer
    for more, why in (
        ({"ISSUER": "https://id.example"}, "needs STREAMLABEL_REVIEW_OIDC_AUDIENCE"),
        ({"ISSUER": "http://id.example", "AUDIENCE": "a"}, "https://"),
        ({"JWKS_URL": "ftp://id.example"}, "https://"),
        ({"ROLES": "x=boss"}, "is no role"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            load(**more)
