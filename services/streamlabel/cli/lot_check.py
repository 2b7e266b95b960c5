"""`streamlabel certify check`: is a lot's certificate what was written, and does its bound follow from its counts?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from streamlabel.cli.lot_certificate import digest_of
from streamlabel.errors import ConfigurationError
from streamlabel.gate.lot import Stratum, certify_strata

_DIGEST_DIGITS = 64


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `certify lot --json` wrote.", show_default=False)],
    sha256: Annotated[
        str,
        typer.Option(
            "--sha256", metavar="DIGEST", help="The one on the printed page: the file must have it.", show_default=False
        ),
    ] = "",
) -> None:
    """Check a lot's certificate without a stack: no word of it was changed, and the bound follows from its counts.

    Computed anew are the SHA-256 of its text, and the bound from what was audited. Who changes a word and writes a digest to match
    is found by the digest on the page only (--sha256). That the gate's history is still the one it rests on says
    `streamlabel gate verify --contains DIGEST`, with the digest of the transition that is named here. Exits 1 where
    something does not hold.

    Examples:

      streamlabel certify check lot.json

      streamlabel certify check lot.json --sha256 8c1f…
    """
    wanted = _digest(sha256)
    content = _read(file)
    if fault := fault_of(content, wanted):
        typer.echo(f"BROKEN: {fault}")
        raise typer.Exit(1)
    typer.echo(f"whole: as it was written, and its bound follows from its counts; its SHA-256 is {content['sha256']}")
    typer.echo(content["statement"])
    if transition := content["evidence"]["transition"]:
        typer.echo(f"the history of its gate: streamlabel gate verify --contains {transition['digest']}")


def fault_of(content: Mapping[str, Any], wanted: str = "") -> str | None:
    """What of the certificate does not hold; None where all does. `wanted` is the digest that it must have."""
    made = digest_of(content)
    if made != content["sha256"]:
        return f"its text has the SHA-256 {made}, but it was written with {content['sha256']}"
    if wanted and made != wanted:
        return f"its SHA-256 is {made}, not {wanted}: it is another certificate"
    try:
        strata = [_stratum(each) for each in content["strata"]]
        bound = min(content["labels"], sum(each.wrong_at_most for each in certify_strata(strata, content["delta"])))
    except (KeyError, TypeError, ValueError) as error:
        return f"its counts are none: {error}"
    if bound != content["wrong_at_most"]:
        return f"by its counts at most {bound:,} are wrong, but it says {content['wrong_at_most']:,}"
    named = len(content["evidence"]["audited_records"])
    if named != sum(each.audited for each in strata):
        return f"it names {named:,} audited records, but counts {sum(each.audited for each in strata):,}"
    return None


def _stratum(told: Mapping[str, Any]) -> Stratum:
    return Stratum(
        lane_rate=told["lane_rate"],
        labels=told["labels"],
        audited=told["audited"],
        found=told["found_wrong"],
        unanswered=told["unanswered"],
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        content = orjson.loads(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(
            f"{file} is no JSON: {error}; `streamlabel certify lot --json` writes certificates"
        ) from error
    needed = {"sha256", "statement", "labels", "wrong_at_most", "delta", "strata", "evidence"}
    if not isinstance(content, dict) or needed - content.keys():
        raise ConfigurationError(f"{file} is no certificate of a lot; `streamlabel certify lot --json` writes them")
    return content


def _digest(text: str) -> str:
    digest = text.strip().lower()
    if digest and (len(digest) != _DIGEST_DIGITS or set(digest) - set("0123456789abcdef")):
        raise ConfigurationError(f"--sha256 {text[:80]!r}: a digest has {_DIGEST_DIGITS} hexadecimal digits")
    return digest
