import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GateState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GATE_STATE_UNSPECIFIED: _ClassVar[GateState]
    GATE_STATE_COLD: _ClassVar[GateState]
    GATE_STATE_CERTIFIED: _ClassVar[GateState]
    GATE_STATE_SUSPENDED: _ClassVar[GateState]
    GATE_STATE_REVOKED: _ClassVar[GateState]

class ReleaseState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RELEASE_STATE_UNSPECIFIED: _ClassVar[ReleaseState]
    RELEASE_STATE_LIVE: _ClassVar[ReleaseState]
    RELEASE_STATE_SHADOW: _ClassVar[ReleaseState]
    RELEASE_STATE_RETIRED: _ClassVar[ReleaseState]
GATE_STATE_UNSPECIFIED: GateState
GATE_STATE_COLD: GateState
GATE_STATE_CERTIFIED: GateState
GATE_STATE_SUSPENDED: GateState
GATE_STATE_REVOKED: GateState
RELEASE_STATE_UNSPECIFIED: ReleaseState
RELEASE_STATE_LIVE: ReleaseState
RELEASE_STATE_SHADOW: ReleaseState
RELEASE_STATE_RETIRED: ReleaseState

class Gate(_message.Message):
    __slots__ = ("gate_id", "project", "model_name", "model_version", "state", "threshold", "alpha", "delta", "lane_rate", "evidence_count", "evidence_errors", "certified_at", "expires_at", "scorer", "taxonomy_version", "class_count", "coin_key_id", "guard_threshold", "epoch", "reason", "suspect_from", "confirmed_until", "suspects", "double_blind_share", "first_gate", "earlier", "embedding_length", "binding", "lifetime_s")
    GATE_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    LANE_RATE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_ERRORS_FIELD_NUMBER: _ClassVar[int]
    CERTIFIED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    SCORER_FIELD_NUMBER: _ClassVar[int]
    TAXONOMY_VERSION_FIELD_NUMBER: _ClassVar[int]
    CLASS_COUNT_FIELD_NUMBER: _ClassVar[int]
    COIN_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    GUARD_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SUSPECT_FROM_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    SUSPECTS_FIELD_NUMBER: _ClassVar[int]
    DOUBLE_BLIND_SHARE_FIELD_NUMBER: _ClassVar[int]
    FIRST_GATE_FIELD_NUMBER: _ClassVar[int]
    EARLIER_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_LENGTH_FIELD_NUMBER: _ClassVar[int]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_S_FIELD_NUMBER: _ClassVar[int]
    gate_id: str
    project: str
    model_name: str
    model_version: int
    state: GateState
    threshold: float
    alpha: float
    delta: float
    lane_rate: float
    evidence_count: int
    evidence_errors: int
    certified_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    scorer: Scorer
    taxonomy_version: int
    class_count: int
    coin_key_id: str
    guard_threshold: float
    epoch: int
    reason: str
    suspect_from: _timestamp_pb2.Timestamp
    confirmed_until: _timestamp_pb2.Timestamp
    suspects: _containers.RepeatedCompositeFieldContainer[Suspects]
    double_blind_share: float
    first_gate: int
    earlier: _containers.RepeatedCompositeFieldContainer[Confirmed]
    embedding_length: int
    binding: str
    lifetime_s: float
    def __init__(self, gate_id: _Optional[str] = ..., project: _Optional[str] = ..., model_name: _Optional[str] = ..., model_version: _Optional[int] = ..., state: _Optional[_Union[GateState, str]] = ..., threshold: _Optional[float] = ..., alpha: _Optional[float] = ..., delta: _Optional[float] = ..., lane_rate: _Optional[float] = ..., evidence_count: _Optional[int] = ..., evidence_errors: _Optional[int] = ..., certified_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., scorer: _Optional[_Union[Scorer, _Mapping]] = ..., taxonomy_version: _Optional[int] = ..., class_count: _Optional[int] = ..., coin_key_id: _Optional[str] = ..., guard_threshold: _Optional[float] = ..., epoch: _Optional[int] = ..., reason: _Optional[str] = ..., suspect_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., confirmed_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., suspects: _Optional[_Iterable[_Union[Suspects, _Mapping]]] = ..., double_blind_share: _Optional[float] = ..., first_gate: _Optional[int] = ..., earlier: _Optional[_Iterable[_Union[Confirmed, _Mapping]]] = ..., embedding_length: _Optional[int] = ..., binding: _Optional[str] = ..., lifetime_s: _Optional[float] = ...) -> None: ...

class Confirmed(_message.Message):
    __slots__ = ("first_gate", "until_at")
    FIRST_GATE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_AT_FIELD_NUMBER: _ClassVar[int]
    first_gate: int
    until_at: _timestamp_pb2.Timestamp
    def __init__(self, first_gate: _Optional[int] = ..., until_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Suspects(_message.Message):
    __slots__ = ("begin_at", "end_at")
    BEGIN_AT_FIELD_NUMBER: _ClassVar[int]
    END_AT_FIELD_NUMBER: _ClassVar[int]
    begin_at: _timestamp_pb2.Timestamp
    end_at: _timestamp_pb2.Timestamp
    def __init__(self, begin_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Scorer(_message.Message):
    __slots__ = ("temperature", "weights", "intercept", "centre", "spread", "neighbours")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    INTERCEPT_FIELD_NUMBER: _ClassVar[int]
    CENTRE_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    NEIGHBOURS_FIELD_NUMBER: _ClassVar[int]
    temperature: float
    weights: _containers.RepeatedScalarFieldContainer[float]
    intercept: float
    centre: _containers.RepeatedScalarFieldContainer[float]
    spread: _containers.RepeatedScalarFieldContainer[float]
    neighbours: Neighbours
    def __init__(self, temperature: _Optional[float] = ..., weights: _Optional[_Iterable[float]] = ..., intercept: _Optional[float] = ..., centre: _Optional[_Iterable[float]] = ..., spread: _Optional[_Iterable[float]] = ..., neighbours: _Optional[_Union[Neighbours, _Mapping]] = ...) -> None: ...

class Neighbours(_message.Message):
    __slots__ = ("dimensions", "projection", "points", "classes", "embedding_scale")
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_SCALE_FIELD_NUMBER: _ClassVar[int]
    dimensions: int
    projection: _containers.RepeatedScalarFieldContainer[int]
    points: _containers.RepeatedScalarFieldContainer[int]
    classes: _containers.RepeatedScalarFieldContainer[int]
    embedding_scale: float
    def __init__(self, dimensions: _Optional[int] = ..., projection: _Optional[_Iterable[int]] = ..., points: _Optional[_Iterable[int]] = ..., classes: _Optional[_Iterable[int]] = ..., embedding_scale: _Optional[float] = ...) -> None: ...

class Release(_message.Message):
    __slots__ = ("project", "model_name", "model_version", "state", "released_at")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RELEASED_AT_FIELD_NUMBER: _ClassVar[int]
    project: str
    model_name: str
    model_version: int
    state: ReleaseState
    released_at: _timestamp_pb2.Timestamp
    def __init__(self, project: _Optional[str] = ..., model_name: _Optional[str] = ..., model_version: _Optional[int] = ..., state: _Optional[_Union[ReleaseState, str]] = ..., released_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
