"""The product: the value of a record, by whom, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from streamlabel.core.decision import Decision
from streamlabel.core.identity import RecordKey


class LabelSource(Enum):
    """Who set the value."""

    MODEL = "model"
    HUMAN = "human"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one of several people answered, who did not see what the others did."""

    annotator: str
    class_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The final value of a record until a higher revision supersedes it.

    `votes` are the answers that it rests on where several people were asked, or would have been, in the order in which they were
    given; empty where one person alone was asked. `posterior` is how likely the class is, given who voted for what; None where votes
    were only counted. `adjudicator` decided where the votes left it open; empty where nobody had to. `annotators` are those who
    voted, in the same order, and then whoever adjudicated.
    """

    key: RecordKey
    class_name: str
    source: LabelSource
    decision: Decision
    project_version: int
    taxonomy_version: int
    content_hash: bytes
    labelled_at: datetime
    revision: int = 1
    supersedes_revision: int = 0
    model_name: str = ""
    model_version: int = 0
    annotators: tuple[str, ...] = ()
    votes: tuple[Vote, ...] = ()
    posterior: float | None = None
    adjudicator: str = ""
    event_at: datetime | None = None
    ingested_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.revision < 1 or self.supersedes_revision != self.revision - 1:
            raise ValueError(
                f"revision {self.revision} must supersede {self.revision - 1}, not {self.supersedes_revision}"
            )
        if (self.source is LabelSource.HUMAN) != bool(self.annotators):
            raise ValueError("a human label names its annotators, and only a human label does")
        if self.votes or self.adjudicator:
            self._check_votes()
        elif self.posterior is not None:
            raise ValueError("only votes have a posterior")

    def _check_votes(self) -> None:
        decided_by = (self.adjudicator,) if self.adjudicator else ()
        if self.annotators != (*(vote.annotator for vote in self.votes), *decided_by):
            raise ValueError("the annotators of a label are its voters, in their order, and then whoever adjudicated")
        if len(set(self.annotators)) < len(self.annotators):
            raise ValueError("nobody votes twice on a record, nor adjudicates where they have voted")
        if self.posterior is not None and not 0 < self.posterior <= 1:
            raise ValueError(f"posterior {self.posterior} lies outside 0-1")
        if not self.adjudicator and all(vote.class_name != self.class_name for vote in self.votes):
            raise ValueError(f"nobody voted for {self.class_name!r}")
