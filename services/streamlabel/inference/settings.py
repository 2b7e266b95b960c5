"""What an operator may set for inference."""

from __future__ import annotations

from pydantic import Field

from streamlabel.runtime.settings import MIB, ServiceSettings


class InferenceSettings(ServiceSettings):
    """The keys of the inference service."""

    inference_triton_url: str = Field(
        "127.0.0.1:8001",
        min_length=1,
        description="Triton's gRPC address, host:port; a name that stands for several servers spreads the requests",
    )
    inference_triton_timeout_s: float = Field(
        30.0, ge=0.1, le=600, description="A request to a model that takes longer is given up and tried again"
    )
    inference_model_max_rows: int = Field(
        256, ge=1, le=65_536, description="Rows in one request to a model; the model's own limit counts if lower"
    )
    inference_model_max_in_flight: int = Field(
        4, ge=1, le=256, description="Requests to one model that wait for an answer at once"
    )
    inference_model_check_interval_s: float = Field(
        2.0, ge=0.1, le=300, description="How often Triton is asked whether the models in use are ready"
    )
    inference_model_patience_s: float = Field(
        600.0,
        ge=0,
        le=86_400,
        description="Records wait so long for a model that a healthy Triton does not serve, or that fails on every row; "
        "then they are dead letters. Records of other projects wait behind them",
    )
    inference_batch_max_rows: int = Field(
        500, ge=1, le=10_000, description="Records taken in hand at once per partition"
    )
    inference_batch_max_bytes: int = Field(
        4 * MIB, ge=1024, le=256 * MIB, description="Bytes of records taken in hand at once per partition"
    )
    inference_batch_max_wait_s: float = Field(
        0.005, ge=0, le=5, description="Longest wait for more records while a batch is under way"
    )
    inference_batch_max_in_flight: int = Field(
        4, ge=1, le=64, description="Batches of one partition that are under way at once"
    )
    inference_image_max_pixels: int = Field(
        25_000_000, ge=1, le=500_000_000, description="Pictures of more pixels (width × height) are never decoded"
    )
    inference_image_threads: int = Field(
        2, ge=1, le=64, description="Threads that decode pictures too large to be decoded in passing"
    )
    inference_duplicate_window_records: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description="Latest records per partition among which a repeated one is known; 0: repeats pass",
    )
