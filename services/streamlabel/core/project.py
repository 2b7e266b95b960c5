"""One labelling job: what comes in, which model answers, and when its answer may stand alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from streamlabel.core.decision import Purpose
from streamlabel.core.identity import check_project_name
from streamlabel.core.record import PayloadKind
from streamlabel.core.taxonomy import Taxonomy

# However many people are asked about a record, a task must end; and everybody's time is dear.
MOST_VOTES = 15
DEFAULT_MAX_VOTES = 5


class OutputKind(Enum):
    """What the model's output tensor holds."""

    PROBABILITIES = "probabilities"
    LOGITS = "logits"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEncoder:
    """A picture as float32 tensor `value * scale + offset`, of shape (height, width, channels) or channels first."""

    width: int
    height: int
    channels: int
    scale: float = 1 / 255
    offset: float = 0.0
    channels_first: bool = False
    resize: bool = False

    def __post_init__(self) -> None:
        if not (1 <= self.width <= 8192 and 1 <= self.height <= 8192):
            raise ValueError(f"image encoder takes 1-8192 pixels a side, not {self.width}x{self.height}")
        if self.channels not in (1, 3):
            raise ValueError(f"image encoder takes 1 (grey) or 3 (RGB) channels, not {self.channels}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEncoder:
    """Text as one raw UTF-8 string, or as `length` int32 values: byte + 1, zero-padded, cut at the end."""

    raw: bool = False
    length: int = 0

    def __post_init__(self) -> None:
        if self.raw == (self.length > 0):
            raise ValueError("text encoder is either raw or has a length of at least 1")
        if not 0 <= self.length <= 1_048_576:
            raise ValueError(f"text encoder length must be 1-1048576, not {self.length}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesEncoder:
    """A vector of `length` float32 values."""

    length: int

    def __post_init__(self) -> None:
        if not 1 <= self.length <= 1_048_576:
            raise ValueError(f"features encoder length must be 1-1048576, not {self.length}")


Encoder = ImageEncoder | TextEncoder | FeaturesEncoder

ENCODER_OF_PAYLOAD: Mapping[PayloadKind, type] = {
    PayloadKind.IMAGE: ImageEncoder,
    PayloadKind.TEXT: TextEncoder,
    PayloadKind.FEATURES: FeaturesEncoder,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBinding:
    """How records become tensors of a Triton model, and its tensors a prediction; `version` serves until a Release says otherwise."""

    name: str
    version: int
    input_name: str
    encoder: Encoder
    output_name: str
    output_kind: OutputKind
    embedding_name: str = ""

    def __post_init__(self) -> None:
        if not (self.name and self.input_name and self.output_name):
            raise ValueError("a model has a name, an input name and an output name")
        if self.version < 1:
            raise ValueError(f"model version must be at least 1, not {self.version}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdPolicy:
    """The model labels alone from this score on. Uncertified: nothing is promised about the error."""

    threshold: float

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must lie in 0-1, not {self.threshold}")


@dataclass(frozen=True, slots=True)
class ReviewAllPolicy:
    """People label everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedPolicy:
    """The model labels alone only where a gate certifies an error of at most alpha with probability 1 - delta.

    Two people are asked, blindly, about `double_blind_share` of the calibration records: what the first overlooks counts too then.
    """

    alpha: float
    delta: float
    double_blind_share: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("alpha", self.alpha), ("delta", self.delta)):
            if not 0 < value < 1:
                raise ValueError(f"{name} must lie strictly between 0 and 1, not {value}")
        if not 0 <= self.double_blind_share <= 1:
            raise ValueError(f"double_blind_share must lie in 0-1, not {self.double_blind_share}")


Policy = ThresholdPolicy | ReviewAllPolicy | CertifiedPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPolicy:
    """How many people answer a task, and when their answers are a label.

    At least `votes` people are asked, by purpose, at most `max_votes`. Without `sure` the class with most votes wins, another person
    being asked while two tie; with it another person is asked until a class has that posterior, given who said what, and a task that
    `max_votes` people leave open goes to one who adjudicates.
    """

    votes: Mapping[Purpose, int] = field(default_factory=dict)
    max_votes: int = DEFAULT_MAX_VOTES
    sure: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.max_votes <= MOST_VOTES:
            raise ValueError(f"max_votes must be 1-{MOST_VOTES}, not {self.max_votes}")
        for purpose, votes in self.votes.items():
            if not 1 <= votes <= self.max_votes:
                raise ValueError(f"votes for {purpose.value} must be 1-{self.max_votes} (max_votes), not {votes}")
        if self.sure is not None and not 0.5 < self.sure < 1:
            raise ValueError(f"sure must lie strictly between 0.5 and 1, not {self.sure}")

    def votes_for(self, purpose: Purpose) -> int:
        """How many people are asked at least."""
        return self.votes.get(purpose, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMapping:
    """Dotted paths to the parts of a record in the JSON values of a foreign topic; an empty path means there is none."""

    payload: str
    record_id: str = ""
    event_at: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.payload:
            raise ValueError("source mapping needs the path of the payload")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One labelling job, versioned as a whole."""

    name: str
    version: int
    taxonomy: Taxonomy
    payload_kind: PayloadKind
    policy: Policy
    model: ModelBinding | None = None
    source: SourceMapping | None = None
    review: ReviewPolicy = field(default_factory=ReviewPolicy)
    instructions: str = ""
    description: str = ""
    # Since which version the model is bound as it is; 0: nobody knows.
    bound_since: int = 0

    def __post_init__(self) -> None:
        check_project_name(self.name)
        if self.version < 1:
            raise ValueError("project version must be at least 1")
        if not 0 <= self.bound_since <= self.version:
            raise ValueError(f"bound_since must be 0-{self.version} (version), not {self.bound_since}")
        if self.model is None:
            if not isinstance(self.policy, ReviewAllPolicy):
                raise ValueError("without a model only the policy review_all makes sense")
            return
        wanted = ENCODER_OF_PAYLOAD.get(self.payload_kind)
        if wanted is None:
            raise ValueError(
                f"no encoder takes payload {self.payload_kind.value}; leave the model out or change the payload"
            )
        if not isinstance(self.model.encoder, wanted):
            raise ValueError(f"payload {self.payload_kind.value} needs encoder {self.payload_kind.value}")

    @property
    def binds_since(self) -> int:
        """From which version of the project on the model is bound as it is now."""
        return self.bound_since or self.version
