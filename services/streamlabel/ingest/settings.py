"""What an operator may set about the door: `STREAMLABEL_INGEST_…`, beside the keys that all services share."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from streamlabel.core.identity import PROJECT_NAME
from streamlabel.runtime.settings import MIB, GrpcSettings, Lowercase, env_key


class IngestSettings(GrpcSettings):
    """The keys of ingest."""

    ingest_record_max_bytes: int = Field(MIB, ge=64, le=16 * MIB, description="Largest record, encoded")
    ingest_batch_max_records: int = Field(1_000, ge=1, le=100_000, description="Most records in one request")
    ingest_batch_max_bytes: int = Field(16 * MIB, ge=64, le=128 * MIB, description="Largest request over gRPC")
    ingest_in_flight_max_bytes: int = Field(
        64 * MIB, ge=64, le=4096 * MIB, description="Bytes taken and not yet acknowledged, of all callers together"
    )
    ingest_image_max_pixels: int = Field(
        25_000_000,
        ge=1,
        le=500_000_000,
        description="Pictures of more pixels (width × height, by their header) are refused",
    )
    ingest_stream_window_records: int = Field(
        8_000, ge=1, le=1_000_000, description="Unanswered records of one stream; it is not read from beyond them"
    )
    ingest_recent_records: int = Field(
        100_000, ge=2, le=10_000_000, description="Acknowledged records remembered, to know a retry at the door"
    )
    ingest_delivery_timeout_s: float = Field(
        20.0, gt=0, le=600, description="A record not acknowledged for so long is answered with UNAVAILABLE"
    )
    ingest_linger_s: float = Field(0.002, ge=0, le=1, description="Wait for company before a batch goes to the brokers")
    ingest_compression: Annotated[Literal["none", "gzip", "lz4", "zstd", "snappy"], Lowercase] = Field(
        "none",
        description="Compression of what is written to Kafka; all but none and gzip need the extra 'compression'",
    )
    ingest_source_topic: str | None = Field(
        None, pattern=r"^[a-zA-Z0-9._-]{1,249}$", description="Topic to take records from, JSON values; unset: none"
    )
    ingest_source_project: str | None = Field(
        None, pattern=rf"^{PROJECT_NAME.pattern}$", description="Project of the source topic; its file maps the fields"
    )
    ingest_source_start: Annotated[Literal["earliest", "latest"], Lowercase] = Field(
        "earliest", description="Where a source topic is begun that was never read before"
    )

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        sizes = (self.ingest_record_max_bytes, self.ingest_batch_max_bytes, self.ingest_in_flight_max_bytes)
        if list(sizes) != sorted(sizes):
            raise ValueError(
                f"{env_key('ingest_record_max_bytes')} <= {env_key('ingest_batch_max_bytes')} <= "
                f"{env_key('ingest_in_flight_max_bytes')} must hold, but they are {sizes}"
            )
        if self.ingest_batch_max_bytes > self.grpc_max_message_bytes:
            raise ValueError(
                f"{env_key('ingest_batch_max_bytes')}={self.ingest_batch_max_bytes} does not fit into "
                f"{env_key('grpc_max_message_bytes')}={self.grpc_max_message_bytes}"
            )
        if (self.ingest_source_topic is None) != (self.ingest_source_project is None):
            raise ValueError(f"{env_key('ingest_source_topic')} and {env_key('ingest_source_project')} come as a pair")
        return self
