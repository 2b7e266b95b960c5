"""Why inference gives a record up: stable codes, beside those that the door shares (`core.submission.Reason`)."""

from __future__ import annotations

from enum import StrEnum


class ModelReason(StrEnum):
    """Codes on dead letters of inference that concern the model."""

    IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"
    IMAGE_SIZE_MISMATCH = "IMAGE_SIZE_MISMATCH"
    FEATURES_LENGTH_MISMATCH = "FEATURES_LENGTH_MISMATCH"
    MODEL_INPUT_MISMATCH = "MODEL_INPUT_MISMATCH"
    MODEL_OUTPUT_MISMATCH = "MODEL_OUTPUT_MISMATCH"
    MODEL_REJECTED_RECORD = "MODEL_REJECTED_RECORD"
    MODEL_OUTPUT_INVALID = "MODEL_OUTPUT_INVALID"
    MODEL_NOT_SERVED = "MODEL_NOT_SERVED"
    MODEL_FAILED = "MODEL_FAILED"
