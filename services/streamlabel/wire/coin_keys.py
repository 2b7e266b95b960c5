"""Coin keys as an operator gives them: in the environment, or in a file that a secret is mounted as."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, FilePath, SecretStr, field_validator

from streamlabel.errors import ConfigurationError
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.runtime.settings import ServiceSettings


class CoinKeySettings(ServiceSettings):
    """The keys of services that toss the calibration coin: routing, and learning, which checks it."""

    coin_keys: SecretStr = Field(
        SecretStr(""),
        description="Secret keys of the calibration coin, 64 hexadecimal digits each, several with commas; new gates name the first, "
        "the others are for gates of before. The same for routing and learning. Policy certified opens nothing without",
    )
    coin_keys_file: FilePath | None = Field(
        None, description="File of more such keys, one a line; it is read once, at the start"
    )

    @field_validator("coin_keys")
    @classmethod
    def _are_coin_keys(cls, keys: SecretStr) -> SecretStr:
        CoinKeys.of(keys.get_secret_value())
        return keys


def read_coin_keys(text: str, file: Path | None) -> CoinKeys:
    """The keys in `text` and in `file`; raises ConfigurationError where the file cannot be read or holds something else."""
    keys = CoinKeys.of(text)
    if file is None:
        return keys
    try:
        return keys | CoinKeys.of(file.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        why = "it holds what is no key" if isinstance(error, UnicodeDecodeError) else error
        raise ConfigurationError(f"STREAMLABEL_COIN_KEYS_FILE={file}: {why}") from None
