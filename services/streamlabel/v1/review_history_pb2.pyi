import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from streamlabel.v1 import decision_pb2 as _decision_pb2
from streamlabel.v1 import review_pb2 as _review_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TaskState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_STATE_UNSPECIFIED: _ClassVar[TaskState]
    TASK_STATE_READY: _ClassVar[TaskState]
    TASK_STATE_LEASED: _ClassVar[TaskState]
    TASK_STATE_ANSWERED: _ClassVar[TaskState]
    TASK_STATE_BEGUN: _ClassVar[TaskState]
    TASK_STATE_ESCALATED: _ClassVar[TaskState]

class EscalationReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ESCALATION_REASON_UNSPECIFIED: _ClassVar[EscalationReason]
    ESCALATION_REASON_SKIPPED: _ClassVar[EscalationReason]
    ESCALATION_REASON_ATTEMPTS: _ClassVar[EscalationReason]
    ESCALATION_REASON_BY_PERSON: _ClassVar[EscalationReason]
    ESCALATION_REASON_CONTESTED: _ClassVar[EscalationReason]

class SkipReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SKIP_REASON_UNSPECIFIED: _ClassVar[SkipReason]
    SKIP_REASON_CANNOT_TELL: _ClassVar[SkipReason]
    SKIP_REASON_BROKEN_RECORD: _ClassVar[SkipReason]
    SKIP_REASON_NOT_MY_FIELD: _ClassVar[SkipReason]
    SKIP_REASON_OTHER: _ClassVar[SkipReason]

class TaskEventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_EVENT_KIND_UNSPECIFIED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_ARRIVED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_ANSWERED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_SECOND_OPINION: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_RETRACTED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_LABELLED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_SKIPPED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_EXPIRED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_ESCALATED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_REQUEUED: _ClassVar[TaskEventKind]
TASK_STATE_UNSPECIFIED: TaskState
TASK_STATE_READY: TaskState
TASK_STATE_LEASED: TaskState
TASK_STATE_ANSWERED: TaskState
TASK_STATE_BEGUN: TaskState
TASK_STATE_ESCALATED: TaskState
ESCALATION_REASON_UNSPECIFIED: EscalationReason
ESCALATION_REASON_SKIPPED: EscalationReason
ESCALATION_REASON_ATTEMPTS: EscalationReason
ESCALATION_REASON_BY_PERSON: EscalationReason
ESCALATION_REASON_CONTESTED: EscalationReason
SKIP_REASON_UNSPECIFIED: SkipReason
SKIP_REASON_CANNOT_TELL: SkipReason
SKIP_REASON_BROKEN_RECORD: SkipReason
SKIP_REASON_NOT_MY_FIELD: SkipReason
SKIP_REASON_OTHER: SkipReason
TASK_EVENT_KIND_UNSPECIFIED: TaskEventKind
TASK_EVENT_KIND_ARRIVED: TaskEventKind
TASK_EVENT_KIND_ANSWERED: TaskEventKind
TASK_EVENT_KIND_SECOND_OPINION: TaskEventKind
TASK_EVENT_KIND_RETRACTED: TaskEventKind
TASK_EVENT_KIND_LABELLED: TaskEventKind
TASK_EVENT_KIND_SKIPPED: TaskEventKind
TASK_EVENT_KIND_EXPIRED: TaskEventKind
TASK_EVENT_KIND_ESCALATED: TaskEventKind
TASK_EVENT_KIND_REQUEUED: TaskEventKind

class TaskSummary(_message.Message):
    __slots__ = ("project", "record_id", "ticket", "state", "purpose", "arrived_at", "needed_votes", "votes", "revision", "attempts", "escalation", "blind")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    TICKET_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    ARRIVED_AT_FIELD_NUMBER: _ClassVar[int]
    NEEDED_VOTES_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    ESCALATION_FIELD_NUMBER: _ClassVar[int]
    BLIND_FIELD_NUMBER: _ClassVar[int]
    project: str
    record_id: str
    ticket: int
    state: TaskState
    purpose: _decision_pb2.Purpose
    arrived_at: _timestamp_pb2.Timestamp
    needed_votes: int
    votes: int
    revision: int
    attempts: int
    escalation: EscalationReason
    blind: bool
    def __init__(self, project: _Optional[str] = ..., record_id: _Optional[str] = ..., ticket: _Optional[int] = ..., state: _Optional[_Union[TaskState, str]] = ..., purpose: _Optional[_Union[_decision_pb2.Purpose, str]] = ..., arrived_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., needed_votes: _Optional[int] = ..., votes: _Optional[int] = ..., revision: _Optional[int] = ..., attempts: _Optional[int] = ..., escalation: _Optional[_Union[EscalationReason, str]] = ..., blind: _Optional[bool] = ...) -> None: ...

class CurrentLease(_message.Message):
    __slots__ = ("annotator", "leased_at", "expires_at", "fencing_token")
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    LEASED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    FENCING_TOKEN_FIELD_NUMBER: _ClassVar[int]
    annotator: str
    leased_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    fencing_token: int
    def __init__(self, annotator: _Optional[str] = ..., leased_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., fencing_token: _Optional[int] = ...) -> None: ...

class TaskEvent(_message.Message):
    __slots__ = ("at", "kind", "annotator", "class_name", "fencing_token", "revision", "skip_reason", "escalation", "note", "think_time_ms")
    AT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    FENCING_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SKIP_REASON_FIELD_NUMBER: _ClassVar[int]
    ESCALATION_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    THINK_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    kind: TaskEventKind
    annotator: str
    class_name: str
    fencing_token: int
    revision: int
    skip_reason: SkipReason
    escalation: EscalationReason
    note: str
    think_time_ms: int
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[_Union[TaskEventKind, str]] = ..., annotator: _Optional[str] = ..., class_name: _Optional[str] = ..., fencing_token: _Optional[int] = ..., revision: _Optional[int] = ..., skip_reason: _Optional[_Union[SkipReason, str]] = ..., escalation: _Optional[_Union[EscalationReason, str]] = ..., note: _Optional[str] = ..., think_time_ms: _Optional[int] = ...) -> None: ...

class TaskHistory(_message.Message):
    __slots__ = ("task", "decision", "suggestion", "model_name", "model_version", "lease", "events")
    TASK_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    SUGGESTION_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    task: TaskSummary
    decision: _decision_pb2.Decision
    suggestion: _review_pb2.Suggestion
    model_name: str
    model_version: int
    lease: CurrentLease
    events: _containers.RepeatedCompositeFieldContainer[TaskEvent]
    def __init__(self, task: _Optional[_Union[TaskSummary, _Mapping]] = ..., decision: _Optional[_Union[_decision_pb2.Decision, _Mapping]] = ..., suggestion: _Optional[_Union[_review_pb2.Suggestion, _Mapping]] = ..., model_name: _Optional[str] = ..., model_version: _Optional[int] = ..., lease: _Optional[_Union[CurrentLease, _Mapping]] = ..., events: _Optional[_Iterable[_Union[TaskEvent, _Mapping]]] = ...) -> None: ...
