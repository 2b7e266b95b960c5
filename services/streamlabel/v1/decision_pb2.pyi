from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Route(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUTE_UNSPECIFIED: _ClassVar[Route]
    ROUTE_AUTO_LABEL: _ClassVar[Route]
    ROUTE_REVIEW: _ClassVar[Route]

class Purpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PURPOSE_UNSPECIFIED: _ClassVar[Purpose]
    PURPOSE_CALIBRATE: _ClassVar[Purpose]
    PURPOSE_TRAIN: _ClassVar[Purpose]
    PURPOSE_AUDIT: _ClassVar[Purpose]
    PURPOSE_RULE: _ClassVar[Purpose]

class DecisionReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_REASON_UNSPECIFIED: _ClassVar[DecisionReason]
    DECISION_REASON_SCORE_REACHED_THRESHOLD: _ClassVar[DecisionReason]
    DECISION_REASON_SCORE_BELOW_THRESHOLD: _ClassVar[DecisionReason]
    DECISION_REASON_REVIEW_ALL: _ClassVar[DecisionReason]
    DECISION_REASON_NO_PREDICTION: _ClassVar[DecisionReason]
    DECISION_REASON_NO_GATE: _ClassVar[DecisionReason]
    DECISION_REASON_CLASS_NOT_IN_TAXONOMY: _ClassVar[DecisionReason]
    DECISION_REASON_GATE_PASSED: _ClassVar[DecisionReason]
    DECISION_REASON_BELOW_GATE: _ClassVar[DecisionReason]
    DECISION_REASON_GATE_CLOSED: _ClassVar[DecisionReason]
    DECISION_REASON_CALIBRATION_LANE: _ClassVar[DecisionReason]
    DECISION_REASON_NO_COIN_KEY: _ClassVar[DecisionReason]
ROUTE_UNSPECIFIED: Route
ROUTE_AUTO_LABEL: Route
ROUTE_REVIEW: Route
PURPOSE_UNSPECIFIED: Purpose
PURPOSE_CALIBRATE: Purpose
PURPOSE_TRAIN: Purpose
PURPOSE_AUDIT: Purpose
PURPOSE_RULE: Purpose
DECISION_REASON_UNSPECIFIED: DecisionReason
DECISION_REASON_SCORE_REACHED_THRESHOLD: DecisionReason
DECISION_REASON_SCORE_BELOW_THRESHOLD: DecisionReason
DECISION_REASON_REVIEW_ALL: DecisionReason
DECISION_REASON_NO_PREDICTION: DecisionReason
DECISION_REASON_NO_GATE: DecisionReason
DECISION_REASON_CLASS_NOT_IN_TAXONOMY: DecisionReason
DECISION_REASON_GATE_PASSED: DecisionReason
DECISION_REASON_BELOW_GATE: DecisionReason
DECISION_REASON_GATE_CLOSED: DecisionReason
DECISION_REASON_CALIBRATION_LANE: DecisionReason
DECISION_REASON_NO_COIN_KEY: DecisionReason

class Decision(_message.Message):
    __slots__ = ("route", "purpose", "reason", "threshold", "score", "gate_id", "needed_votes")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    GATE_ID_FIELD_NUMBER: _ClassVar[int]
    NEEDED_VOTES_FIELD_NUMBER: _ClassVar[int]
    route: Route
    purpose: Purpose
    reason: DecisionReason
    threshold: float
    score: float
    gate_id: str
    needed_votes: int
    def __init__(self, route: _Optional[_Union[Route, str]] = ..., purpose: _Optional[_Union[Purpose, str]] = ..., reason: _Optional[_Union[DecisionReason, str]] = ..., threshold: _Optional[float] = ..., score: _Optional[float] = ..., gate_id: _Optional[str] = ..., needed_votes: _Optional[int] = ...) -> None: ...
