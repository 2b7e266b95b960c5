"""What an operator may set for routing."""

from __future__ import annotations

from pydantic import Field, FilePath, SecretStr, field_validator

from streamlabel.routing.rules.coins import CoinKeys
from streamlabel.runtime.settings import MIB, ServiceSettings


class RoutingSettings(ServiceSettings):
    """The keys of the routing service."""

    routing_batch_max_rows: int = Field(500, ge=1, le=10_000, description="Predictions routed at once per partition")
    routing_batch_max_bytes: int = Field(
        4 * MIB, ge=1024, le=256 * MIB, description="Bytes of predictions routed at once per partition"
    )
    routing_batch_max_wait_s: float = Field(
        0.005, ge=0, le=5, description="Longest wait for more predictions while a batch is under way"
    )
    routing_coin_keys: SecretStr = Field(
        SecretStr(""),
        description="Secret keys of the calibration coin, 64 hexadecimal digits each, several with commas while one takes over "
        "from the other; the same for all replicas. Policy certified opens nothing without",
    )
    routing_coin_keys_file: FilePath | None = Field(
        None, description="File of more such keys, one a line; it is read once, at the start"
    )

    @field_validator("routing_coin_keys")
    @classmethod
    def _are_coin_keys(cls, keys: SecretStr) -> SecretStr:
        CoinKeys.of(keys.get_secret_value())
        return keys
