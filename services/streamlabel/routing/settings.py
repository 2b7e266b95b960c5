"""What an operator may set for routing."""

from __future__ import annotations

from pydantic import Field

from streamlabel.runtime.settings import MIB
from streamlabel.wire.coin_keys import CoinKeySettings


class RoutingSettings(CoinKeySettings):
    """The keys of the routing service."""

    routing_batch_max_rows: int = Field(500, ge=1, le=10_000, description="Predictions routed at once per partition")
    routing_batch_max_bytes: int = Field(
        4 * MIB, ge=1024, le=256 * MIB, description="Bytes of predictions routed at once per partition"
    )
    routing_batch_max_wait_s: float = Field(
        0.005, ge=0, le=5, description="Longest wait for more predictions while a batch is under way"
    )
