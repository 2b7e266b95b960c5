"""The coin's secret keys, for the one command that checks what was drawn with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.local.coin_key import kept_coin_key
from streamlabel.local.places import DataDir
from streamlabel.runtime.settings import env_key, load_settings
from streamlabel.wire.coin_keys import CoinKeySettings, read_coin_keys

_KEYS = (env_key("coin_keys"), env_key("coin_keys_file"))


def known_coin_keys(data_dir: Path | None, environ: Mapping[str, str] = os.environ) -> CoinKeys:
    """Those of the environment, and that of the embedded stack; none where there are none.

    Raises ConfigurationError for what is no key. A gate names its key by an id, so that one too many does no harm.
    """
    given = {key: environ[key] for key in _KEYS if key in environ}
    settings = load_settings(CoinKeySettings, given)
    keys = read_coin_keys(settings.coin_keys.get_secret_value(), settings.coin_keys_file)
    kept = kept_coin_key(DataDir.at(data_dir, environ))
    return keys if kept is None else keys | read_coin_keys("", kept)
