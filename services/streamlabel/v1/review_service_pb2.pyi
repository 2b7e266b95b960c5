import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from streamlabel.v1 import decision_pb2 as _decision_pb2
from streamlabel.v1 import project_pb2 as _project_pb2
from streamlabel.v1 import review_pb2 as _review_pb2
from streamlabel.v1 import review_history_pb2 as _review_history_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LostReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOST_REASON_UNSPECIFIED: _ClassVar[LostReason]
    LOST_REASON_EXPIRED: _ClassVar[LostReason]
    LOST_REASON_TAKEN: _ClassVar[LostReason]
    LOST_REASON_ANSWERED: _ClassVar[LostReason]
    LOST_REASON_WITHDRAWN: _ClassVar[LostReason]
    LOST_REASON_UNKNOWN: _ClassVar[LostReason]

class AnnotationStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ANNOTATION_STATUS_UNSPECIFIED: _ClassVar[AnnotationStatus]
    ANNOTATION_STATUS_ACCEPTED: _ClassVar[AnnotationStatus]
    ANNOTATION_STATUS_DUPLICATE: _ClassVar[AnnotationStatus]
    ANNOTATION_STATUS_SUPERSEDED: _ClassVar[AnnotationStatus]
    ANNOTATION_STATUS_REJECTED: _ClassVar[AnnotationStatus]
LOST_REASON_UNSPECIFIED: LostReason
LOST_REASON_EXPIRED: LostReason
LOST_REASON_TAKEN: LostReason
LOST_REASON_ANSWERED: LostReason
LOST_REASON_WITHDRAWN: LostReason
LOST_REASON_UNKNOWN: LostReason
ANNOTATION_STATUS_UNSPECIFIED: AnnotationStatus
ANNOTATION_STATUS_ACCEPTED: AnnotationStatus
ANNOTATION_STATUS_DUPLICATE: AnnotationStatus
ANNOTATION_STATUS_SUPERSEDED: AnnotationStatus
ANNOTATION_STATUS_REJECTED: AnnotationStatus

class ListProjectsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListProjectsResponse(_message.Message):
    __slots__ = ("projects",)
    PROJECTS_FIELD_NUMBER: _ClassVar[int]
    projects: _containers.RepeatedCompositeFieldContainer[_project_pb2.Project]
    def __init__(self, projects: _Optional[_Iterable[_Union[_project_pb2.Project, _Mapping]]] = ...) -> None: ...

class LeaseTasksRequest(_message.Message):
    __slots__ = ("project", "annotator", "max_tasks", "wait_ms", "escalated")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    MAX_TASKS_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    ESCALATED_FIELD_NUMBER: _ClassVar[int]
    project: str
    annotator: str
    max_tasks: int
    wait_ms: int
    escalated: bool
    def __init__(self, project: _Optional[str] = ..., annotator: _Optional[str] = ..., max_tasks: _Optional[int] = ..., wait_ms: _Optional[int] = ..., escalated: _Optional[bool] = ...) -> None: ...

class LeaseTasksResponse(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[LeasedTask]
    def __init__(self, tasks: _Optional[_Iterable[_Union[LeasedTask, _Mapping]]] = ...) -> None: ...

class LeasedTask(_message.Message):
    __slots__ = ("lease", "task", "voted_classes")
    LEASE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    VOTED_CLASSES_FIELD_NUMBER: _ClassVar[int]
    lease: _review_pb2.Lease
    task: _review_pb2.ReviewTask
    voted_classes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, lease: _Optional[_Union[_review_pb2.Lease, _Mapping]] = ..., task: _Optional[_Union[_review_pb2.ReviewTask, _Mapping]] = ..., voted_classes: _Optional[_Iterable[str]] = ...) -> None: ...

class ExtendLeasesRequest(_message.Message):
    __slots__ = ("annotator", "lease_tokens")
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    annotator: str
    lease_tokens: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, annotator: _Optional[str] = ..., lease_tokens: _Optional[_Iterable[str]] = ...) -> None: ...

class ExtendLeasesResponse(_message.Message):
    __slots__ = ("leases", "lost_lease_tokens", "lost")
    LEASES_FIELD_NUMBER: _ClassVar[int]
    LOST_LEASE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    leases: _containers.RepeatedCompositeFieldContainer[_review_pb2.Lease]
    lost_lease_tokens: _containers.RepeatedScalarFieldContainer[str]
    lost: _containers.RepeatedCompositeFieldContainer[LostLease]
    def __init__(self, leases: _Optional[_Iterable[_Union[_review_pb2.Lease, _Mapping]]] = ..., lost_lease_tokens: _Optional[_Iterable[str]] = ..., lost: _Optional[_Iterable[_Union[LostLease, _Mapping]]] = ...) -> None: ...

class LostLease(_message.Message):
    __slots__ = ("lease_token", "reason")
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    lease_token: str
    reason: LostReason
    def __init__(self, lease_token: _Optional[str] = ..., reason: _Optional[_Union[LostReason, str]] = ...) -> None: ...

class SubmitAnnotationsRequest(_message.Message):
    __slots__ = ("annotator", "annotations")
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    annotator: str
    annotations: _containers.RepeatedCompositeFieldContainer[_review_pb2.Annotation]
    def __init__(self, annotator: _Optional[str] = ..., annotations: _Optional[_Iterable[_Union[_review_pb2.Annotation, _Mapping]]] = ...) -> None: ...

class SubmitAnnotationsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[AnnotationResult]
    def __init__(self, results: _Optional[_Iterable[_Union[AnnotationResult, _Mapping]]] = ...) -> None: ...

class AnnotationResult(_message.Message):
    __slots__ = ("annotation_id", "status", "detail", "winning_annotation")
    ANNOTATION_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    WINNING_ANNOTATION_FIELD_NUMBER: _ClassVar[int]
    annotation_id: str
    status: AnnotationStatus
    detail: str
    winning_annotation: WinningAnnotation
    def __init__(self, annotation_id: _Optional[str] = ..., status: _Optional[_Union[AnnotationStatus, str]] = ..., detail: _Optional[str] = ..., winning_annotation: _Optional[_Union[WinningAnnotation, _Mapping]] = ...) -> None: ...

class WinningAnnotation(_message.Message):
    __slots__ = ("answered_at",)
    ANSWERED_AT_FIELD_NUMBER: _ClassVar[int]
    answered_at: _timestamp_pb2.Timestamp
    def __init__(self, answered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReleaseLeasesRequest(_message.Message):
    __slots__ = ("annotator", "lease_tokens")
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    annotator: str
    lease_tokens: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, annotator: _Optional[str] = ..., lease_tokens: _Optional[_Iterable[str]] = ...) -> None: ...

class ReleaseLeasesResponse(_message.Message):
    __slots__ = ("released",)
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    released: int
    def __init__(self, released: _Optional[int] = ...) -> None: ...

class UndoAnnotationRequest(_message.Message):
    __slots__ = ("annotator", "annotation_id")
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    ANNOTATION_ID_FIELD_NUMBER: _ClassVar[int]
    annotator: str
    annotation_id: str
    def __init__(self, annotator: _Optional[str] = ..., annotation_id: _Optional[str] = ...) -> None: ...

class UndoAnnotationResponse(_message.Message):
    __slots__ = ("task", "class_name")
    TASK_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    task: LeasedTask
    class_name: str
    def __init__(self, task: _Optional[_Union[LeasedTask, _Mapping]] = ..., class_name: _Optional[str] = ...) -> None: ...

class SkipTaskRequest(_message.Message):
    __slots__ = ("annotator", "lease_token", "reason", "note")
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    annotator: str
    lease_token: str
    reason: _review_history_pb2.SkipReason
    note: str
    def __init__(self, annotator: _Optional[str] = ..., lease_token: _Optional[str] = ..., reason: _Optional[_Union[_review_history_pb2.SkipReason, str]] = ..., note: _Optional[str] = ...) -> None: ...

class SkipTaskResponse(_message.Message):
    __slots__ = ("escalated",)
    ESCALATED_FIELD_NUMBER: _ClassVar[int]
    escalated: bool
    def __init__(self, escalated: _Optional[bool] = ...) -> None: ...

class EscalateTaskRequest(_message.Message):
    __slots__ = ("annotator", "lease_token", "note")
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    annotator: str
    lease_token: str
    note: str
    def __init__(self, annotator: _Optional[str] = ..., lease_token: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class EscalateTaskResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RequeueTasksRequest(_message.Message):
    __slots__ = ("project",)
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    project: str
    def __init__(self, project: _Optional[str] = ...) -> None: ...

class RequeueTasksResponse(_message.Message):
    __slots__ = ("requeued",)
    REQUEUED_FIELD_NUMBER: _ClassVar[int]
    requeued: int
    def __init__(self, requeued: _Optional[int] = ...) -> None: ...

class GetTaskRequest(_message.Message):
    __slots__ = ("project", "record_id", "annotator")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    project: str
    record_id: str
    annotator: str
    def __init__(self, project: _Optional[str] = ..., record_id: _Optional[str] = ..., annotator: _Optional[str] = ...) -> None: ...

class GetTaskResponse(_message.Message):
    __slots__ = ("history",)
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    history: _review_history_pb2.TaskHistory
    def __init__(self, history: _Optional[_Union[_review_history_pb2.TaskHistory, _Mapping]] = ...) -> None: ...

class ListTasksRequest(_message.Message):
    __slots__ = ("project", "state", "purpose", "page_size", "page_token")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    project: str
    state: _review_history_pb2.TaskState
    purpose: _decision_pb2.Purpose
    page_size: int
    page_token: str
    def __init__(self, project: _Optional[str] = ..., state: _Optional[_Union[_review_history_pb2.TaskState, str]] = ..., purpose: _Optional[_Union[_decision_pb2.Purpose, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTasksResponse(_message.Message):
    __slots__ = ("tasks", "next_page_token")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_review_history_pb2.TaskSummary]
    next_page_token: str
    def __init__(self, tasks: _Optional[_Iterable[_Union[_review_history_pb2.TaskSummary, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetQueueStatsRequest(_message.Message):
    __slots__ = ("project",)
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    project: str
    def __init__(self, project: _Optional[str] = ...) -> None: ...

class GetQueueStatsResponse(_message.Message):
    __slots__ = ("queues",)
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedCompositeFieldContainer[QueueStats]
    def __init__(self, queues: _Optional[_Iterable[_Union[QueueStats, _Mapping]]] = ...) -> None: ...

class QueueStats(_message.Message):
    __slots__ = ("project", "open_tasks", "leased_tasks", "answered_tasks", "oldest_at", "answers_per_minute", "begun_tasks", "escalated_tasks", "contested_tasks")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    OPEN_TASKS_FIELD_NUMBER: _ClassVar[int]
    LEASED_TASKS_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_TASKS_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AT_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_PER_MINUTE_FIELD_NUMBER: _ClassVar[int]
    BEGUN_TASKS_FIELD_NUMBER: _ClassVar[int]
    ESCALATED_TASKS_FIELD_NUMBER: _ClassVar[int]
    CONTESTED_TASKS_FIELD_NUMBER: _ClassVar[int]
    project: str
    open_tasks: int
    leased_tasks: int
    answered_tasks: int
    oldest_at: _timestamp_pb2.Timestamp
    answers_per_minute: float
    begun_tasks: int
    escalated_tasks: int
    contested_tasks: int
    def __init__(self, project: _Optional[str] = ..., open_tasks: _Optional[int] = ..., leased_tasks: _Optional[int] = ..., answered_tasks: _Optional[int] = ..., oldest_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., answers_per_minute: _Optional[float] = ..., begun_tasks: _Optional[int] = ..., escalated_tasks: _Optional[int] = ..., contested_tasks: _Optional[int] = ...) -> None: ...

class GetAnnotatorStatsRequest(_message.Message):
    __slots__ = ("project", "within_s")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    WITHIN_S_FIELD_NUMBER: _ClassVar[int]
    project: str
    within_s: int
    def __init__(self, project: _Optional[str] = ..., within_s: _Optional[int] = ...) -> None: ...

class GetAnnotatorStatsResponse(_message.Message):
    __slots__ = ("annotators",)
    ANNOTATORS_FIELD_NUMBER: _ClassVar[int]
    annotators: _containers.RepeatedCompositeFieldContainer[AnnotatorStats]
    def __init__(self, annotators: _Optional[_Iterable[_Union[AnnotatorStats, _Mapping]]] = ...) -> None: ...

class AnnotatorStats(_message.Message):
    __slots__ = ("annotator", "answers", "shared_votes", "agreeing_votes", "skill", "median_s")
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    SHARED_VOTES_FIELD_NUMBER: _ClassVar[int]
    AGREEING_VOTES_FIELD_NUMBER: _ClassVar[int]
    SKILL_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_S_FIELD_NUMBER: _ClassVar[int]
    annotator: str
    answers: int
    shared_votes: int
    agreeing_votes: int
    skill: float
    median_s: float
    def __init__(self, annotator: _Optional[str] = ..., answers: _Optional[int] = ..., shared_votes: _Optional[int] = ..., agreeing_votes: _Optional[int] = ..., skill: _Optional[float] = ..., median_s: _Optional[float] = ...) -> None: ...
