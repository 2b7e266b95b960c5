"""The secret keys of the calibration coin, each under the id by which gates name it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from streamlabel.gate.coin import key_id, toss

KEY_BYTES = 32
_SEPARATOR = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class CoinKeys:
    """Keys by id, in the order given. More than one, so that gates of the last key stay in force while those of the next come in."""

    keys: dict[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, text: str) -> CoinKeys:
        """The keys in `text`, 64 hexadecimal digits each, with commas, spaces or line ends between.

        Raises ValueError that tells which one is wrong, and nothing of what it is.
        """
        found: dict[str, bytes] = {}
        for number, word in enumerate(filter(None, _SEPARATOR.split(text)), start=1):
            if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * KEY_BYTES}}}", word):
                raise ValueError(f"coin key {number} has not {2 * KEY_BYTES} hexadecimal digits")
            key = bytes.fromhex(word)
            if len(set(key)) < KEY_BYTES // 4:
                raise ValueError(f"coin key {number} is too regular to be drawn at random")
            found[key_id(key)] = key
        return cls(found)

    def __or__(self, other: CoinKeys) -> CoinKeys:
        """All keys of both."""
        return CoinKeys(self.keys | other.keys)

    @property
    def first_id(self) -> str:
        """The id of the first key, which new gates name; raises LookupError where there is none."""
        if not self.keys:
            raise LookupError("there is no coin key")
        return next(iter(self.keys))

    def __bool__(self) -> bool:
        return bool(self.keys)

    def __contains__(self, coin_key_id: str) -> bool:
        return coin_key_id in self.keys

    def toss(self, coin_key_id: str, record_key: bytes) -> float:
        """The coin of a record, in [0, 1); raises KeyError for a key that is not here."""
        return toss(self.keys[coin_key_id], record_key)
