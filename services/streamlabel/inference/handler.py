"""The one use case: a batch of records gets its predictions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from streamlabel.core.project import FeaturesEncoder, ImageEncoder, ModelBinding, TextEncoder
from streamlabel.core.record import FeaturesPayload, ImagePayload, Payload, Record, TextPayload, kind_of
from streamlabel.core.submission import Reason
from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.inference.ports import (
    Answer,
    ContractLog,
    Inferred,
    ModelAnswers,
    ModelServer,
    Pictures,
    Projects,
    Provenance,
    ServedProject,
)
from streamlabel.inference.rules.contract import Contract, agree
from streamlabel.inference.rules.ranking import embedding_rows, rank
from streamlabel.inference.rules.signature import ModelSignature, ModelTarget
from streamlabel.inference.rules.tensors import Encoded, encode_features, encode_text, scale_pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How records of one project are handled now; made anew when project, model version or model changes."""

    served: ServedProject
    signature: ModelSignature | None
    contract: Contract | None
    provenance: Provenance


class Predictor:
    """Turns records into predictions: per project one encoding, one question to its model, one ranking."""

    def __init__(self, *, projects: Projects, models: ModelServer, pictures: Pictures, log: ContractLog) -> None:
        self._projects = projects
        self._models = models
        self._pictures = pictures
        self._log = log
        self._plans: dict[str, _Plan] = {}

    async def predict(self, records: Sequence[Record]) -> list[Inferred]:
        """The prediction of each record, or why it can never have one, in order. Raises TransientError for the whole batch."""
        places: dict[str, list[int]] = {}
        for place, record in enumerate(records):
            places.setdefault(record.key.project, []).append(place)
        results: list[Inferred | None] = [None] * len(records)
        work = [self._predict_project(name, records, mine, results) for name, mine in places.items()]
        if len(work) == 1:
            await work[0]
        else:
            # All are seen to their end before one fault is told: none goes on unowned while the batch is tried again.
            for outcome in await asyncio.gather(*work, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome
        return cast("list[Inferred]", results)

    async def examine(self, projects: Iterable[str]) -> None:
        """Tells the log whether these projects and their models agree, before a record comes; what is away says nothing."""
        for name in projects:
            with contextlib.suppress(TransientError):
                served = await self._projects.find(name)
                if served is not None:
                    await self._plan(served)

    async def _predict_project(
        self, name: str, records: Sequence[Record], places: Sequence[int], results: list[Inferred | None]
    ) -> None:
        """Fills `results` at `places`, which are the records of project `name`."""
        served = await self._projects.find(name)
        if served is None:
            unknown = InvalidMessageError(Reason.UNKNOWN_PROJECT, f"there is no project {name!r}")
            for place in places:
                results[place] = unknown
            return
        plan = await self._plan(served)
        wanted = served.project.payload_kind
        fitting: list[int] = []
        for place in places:
            kind = kind_of(records[place].payload)
            if kind is wanted:
                fitting.append(place)
            else:
                results[place] = InvalidMessageError(
                    Reason.PAYLOAD_KIND_MISMATCH, f"payload is {kind.value}; project {name} takes {wanted.value}"
                )
        if plan.contract is None:
            answer = Answer(plan.provenance)
            for place in fitting:
                results[place] = answer
        elif plan.contract.target is None:
            for place in fitting:
                results[place] = plan.contract.fault
        elif fitting:
            payloads = [records[place].payload for place in fitting]
            answers = await self._ask(plan, plan.contract.target, payloads)
            for place, inferred in zip(fitting, answers, strict=True):
                results[place] = inferred

    async def _plan(self, served: ServedProject) -> _Plan:
        project, binding = served.project, served.project.model
        signature, contract = None, None
        if binding is not None:
            try:
                signature = await self._models.signature(binding.name, served.model_version)
            except InvalidMessageError as given_up:
                contract = Contract(target=None, fault=given_up)
        known = self._plans.get(project.name)
        if known is not None and known.served is served and known.signature is signature:
            return known
        if binding is not None and signature is not None:
            contract = agree(project, binding, served.model_version, signature)
        provenance = Provenance(
            project_version=project.version,
            class_names=project.taxonomy.names,
            model_name=binding.name if binding is not None else "",
            model_version=served.model_version if binding is not None else 0,
        )
        plan = _Plan(served=served, signature=signature, contract=contract, provenance=provenance)
        self._plans[project.name] = plan
        # Whether they agree is known only where the model can be asked; one that is given up is told of by who gave it up.
        if contract is None or contract.fault is None:
            self._log.kept(project.name)
        elif signature is not None:
            self._log.broken(project.name, contract.fault)
        return plan

    async def _ask(self, plan: _Plan, target: ModelTarget, payloads: Sequence[Payload]) -> list[Inferred]:
        binding = cast("ModelBinding", plan.served.project.model)
        encoded = await self._encode(payloads, binding, target.datatype)
        inferred: list[Inferred | None] = [encoded.refused.get(place) for place in range(len(payloads))]
        if not len(encoded.rows):
            return cast("list[Inferred]", inferred)
        answers = await self._models.infer(target, encoded.rows)
        answered = iter(_read(plan.provenance, binding, answers))
        row = 0
        for place, refusal in enumerate(inferred):
            if refusal is None:
                inferred[place] = answers.refused.get(row) or next(answered)
                row += 1
        return cast("list[Inferred]", inferred)

    async def _encode(self, payloads: Sequence[Payload], binding: ModelBinding, datatype: str) -> Encoded:
        match binding.encoder:
            case TextEncoder() as text:
                return encode_text(cast("Sequence[TextPayload]", payloads), text, datatype)
            case FeaturesEncoder() as features:
                return encode_features(cast("Sequence[FeaturesPayload]", payloads), features, datatype)
            case ImageEncoder() as image:
                decoded = await self._pictures.decode(cast("Sequence[ImagePayload]", payloads), image)
                return Encoded(scale_pictures(decoded.rows, image, datatype), decoded.refused)


def _read(provenance: Provenance, binding: ModelBinding, answers: ModelAnswers) -> list[Inferred]:
    """What the model said of each row that it answered."""
    if not answers.outputs:
        return []
    ranking = rank(answers.outputs[0], binding.output_kind, len(provenance.class_names))
    inferred: list[Inferred] = [
        Answer(provenance, order, probabilities)
        for order, probabilities in zip(ranking.order, ranking.probabilities, strict=True)
    ]
    if binding.embedding_name:
        embeddings, broken = embedding_rows(answers.outputs[1])
        inferred = [
            Answer(provenance, order, probabilities, embedding)
            for order, probabilities, embedding in zip(ranking.order, ranking.probabilities, embeddings, strict=True)
        ]
        for row, refusal in broken.items():
            inferred[row] = refusal
    for row, refusal in ranking.refused.items():
        inferred[row] = refusal
    return inferred
