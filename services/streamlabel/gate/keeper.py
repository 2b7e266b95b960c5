"""The life of one gate: evidence goes in, certificates come out, and both go when the stream becomes another one.

    COLD ──certificate──▶ CERTIFIED ──inputs changed, or evidence gone──▶ SUSPENDED ──certificate──▶ CERTIFIED
                              └──errors rise: alarm, or guard spent──▶ REVOKED ──certificate──▶ CERTIFIED

Only records of the calibration lane are evidence; only from the present epoch, which begins anew with each suspension and
revocation. Nothing here knows the time or draws chance: the same calls give the same gates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamlabel.core.control import GateState
from streamlabel.gate.binomial import least_count
from streamlabel.gate.disagreement import BEFORE, EVERY, SCALES, compare_answers
from streamlabel.gate.drift import InputWatch
from streamlabel.gate.expansion import Expansion
from streamlabel.gate.fit import fit_scorer, left_out_scores
from streamlabel.gate.harm import HarmWatch
from streamlabel.gate.ledger import DeltaLedger
from streamlabel.gate.needs import more_labels
from streamlabel.gate.policy import GatePolicy
from streamlabel.gate.sample import Rows, Sample
from streamlabel.gate.scorer import Scorer
from streamlabel.gate.second_looks import SecondLooks
from streamlabel.gate.sequence import Certificate, Grid, Tally, certify_region, chain_starts
from streamlabel.gate.upkeep import is_borne_out, is_sound

CLOSED = math.inf
# Where hardly anything can pass, this share of the stream is what evidence is gathered for.
_LEAST_SHARE = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A step in the life of a gate, with the evidence for it; `place` counts records of the stream."""

    place: int
    state: GateState
    reason: str
    threshold: float = CLOSED
    count: int = 0
    errors: int = 0
    suspect_from: int | None = None


class Keeper:
    """Keeps one gate: for one project and one model version."""

    def __init__(self, policy: GatePolicy) -> None:
        self.policy = policy
        self.state = GateState.COLD
        self.scorer = Scorer()
        self.fits = 0
        self._taught: Rows | None = None
        self.certificate: Certificate | None = None
        self.epoch = 0
        self.epochs = 0
        self.place = 0
        self.ledger = DeltaLedger()
        self._untold: list[Transition] = []
        self.window = Sample(policy.longest_window)
        self._buffer = Sample(policy.buffer)
        self._training = Sample(policy.training_count)
        self._answers = 0
        self._lessons = 0
        self._fitted = 0
        self._looked = 0
        self._certified = 0
        self._watch = InputWatch()
        self._answered = Sample(BEFORE + SCALES[-1])
        self._uncompared = 0
        self._expansion: Expansion | None = None
        self._harm = HarmWatch.of(
            alpha=policy.alpha,
            alarm_limit=policy.alarm_limit,
            guard_rate=policy.guard_rate,
            most=policy.longest_window,
        )
        # From which score on the guard's share of the stream lies; reckoned when its cap moves, not with every record.
        self._guarded = CLOSED

    @property
    def lane_rate(self) -> float:
        """The share of the next records that goes to the calibration lane; known before they are."""
        if self.state is not GateState.CERTIFIED:
            return self.policy.closed_rate
        growing = len(self.window) < self.policy.growing_count
        return self.policy.growing_rate if growing else self.policy.lane_rate

    @property
    def threshold(self) -> float:
        """The score from which on records pass: that of the certificate, or what the guard leaves of it."""
        if self.certificate is None:
            return CLOSED
        if self._harm.cap >= self.certificate.share:
            return self.certificate.threshold
        return max(self.certificate.threshold, self._guarded)

    @property
    def guard_cap(self) -> float:
        """The share of the stream that the guard lets pass at most."""
        return self._harm.cap

    @property
    def alarm_value(self) -> float:
        """The evidence for errors above alpha, to one; at the policy's `alarm_limit` it revokes."""
        return self._harm.evidence

    def answers_needed(self) -> int | None:
        """How many more calibration answers are likely to bring a certificate; 0 where there is one, None where no number would, or
        more than the window holds."""
        if self.certificate is not None:
            return 0
        buffered, evidence = self._buffer.rows(), self.window.rows()
        delta = self.policy.delta * self.policy.exact_share
        if buffered is None or evidence is None:
            return self.policy.least_evidence if self.policy.can_open else None
        grid = Grid.of_stream(buffered.scores)
        tally = Tally.of(grid, evidence.scores, evidence.wrong)
        looks, most = self._second_looks(grid, evidence), self.policy.longest_window
        needed = more_labels(tally, len(evidence), self.policy.alpha, delta, looks, most=most)
        # Half of them teach, while nothing else does.
        return needed if needed is None or not self._is_short_of_lessons else 2 * needed

    def take_transitions(self) -> list[Transition]:
        """What happened since the last call, in order; told once."""
        told, self._untold = self._untold, []
        return told

    def see(self, rows: Rows, lane: npt.NDArray[np.bool_]) -> None:
        """Records of the stream in their order, scored by the present scorer; `lane` says which are in the calibration lane."""
        self.place = int(rows.places[-1]) + 1
        self._buffer.add(rows.take(~lane))
        change = self._watch.observe(rows.predictions)
        if change is not None:
            reason = f"inputs changed: p = {change.p_value:.1e} over the last {change.records} records"
            self._close(GateState.SUSPENDED, reason, since=self.place - change.records)

    def weigh(self, rows: Rows) -> None:
        """Answers to calibration records that would have passed, as they are heard, in whatever order: what they cost."""
        current = rows.take(rows.places >= self.epoch)
        if not len(current):
            return
        harm = self._harm.observe(current, is_open=self.state is GateState.CERTIFIED)
        if harm is None:
            self._reckon_guard()
        else:
            self._close(GateState.REVOKED, harm.reason, since=self.epoch if harm.since is None else harm.since)

    def amend(self, place: int, first: int, second: int, *, passable: bool) -> None:
        """Another answer to a record that is evidence already: what counts is what people say last. An error is weighed, too."""
        before = self.window.at(place)
        if before is None or (before.truth[0], before.second[0]) == (first, second):
            return
        after = self.window.amend(place, first, second)
        # What was betted on the answer before cannot be taken back: those bets are made anew, from all there is.
        self._expansion = None
        if passable and after.wrong[0] and not before.wrong[0]:
            self.weigh(after)

    def calibrate(self, rows: Rows, spare: npt.NDArray[np.bool_]) -> None:
        """Answers to calibration records, in the order of the stream and without a gap; each was weighed when it was heard.

        `spare` are those in the upper half of the lane, by their coins. While people are so busy with calibration that hardly any
        other answer of this epoch teaches, these teach instead.
        """
        if self._is_short_of_lessons:
            self.learn(rows.take(spare))
            rows = rows.take(~spare)
        rows = rows.take(rows.places >= self.epoch)
        if not len(rows):
            return
        retired = self.window.add(rows)
        if retired is not None:
            self.learn(retired)
        if self._expansion is not None:
            self._expansion.observe(rows.scores, rows.wrong)

    def learn(self, rows: Rows) -> None:
        """Answers that are not evidence, to fit the next scorer to; records without a known class teach nothing."""
        rows = rows.take(rows.truth >= 0)
        self._training.add(rows)
        self._answers += len(rows)
        self._lessons += int((rows.places >= self.epoch).sum())

    def compare(self, rows: Rows) -> None:
        """All answers of the lately seen records, evidence or not: whether people contradict the model more than they did."""
        current = rows.take(rows.places >= self.epoch)
        self._answered.add(current)
        self._uncompared += len(current)
        if self.state is not GateState.CERTIFIED or self._uncompared < EVERY:
            return
        self._uncompared = 0
        answered = self._answered.rows()
        if answered is None:
            return
        found = compare_answers(answered)
        if found is not None:
            reason = f"people contradict the model more: p = {found.p_value:.1e} over the last {found.answers} answers"
            self._close(GateState.SUSPENDED, reason, since=found.since)

    @property
    def _is_short_of_lessons(self) -> bool:
        return self._lessons < len(self.window) // 2

    @property
    def look_is_due(self) -> bool:
        """Whether it is time for a planned look."""
        certified = self.state is GateState.CERTIFIED
        return self.place - self._looked >= (self.policy.look_every if certified else self.policy.closed_look_every)

    def look(self) -> None:
        """A planned look: a new scorer is fitted if that is due, and all evidence is tested under it.

        Where nothing new can be certified, the certificate stays, and the scorer that it is about, until its time is over or recent
        evidence speaks against it: a look that fails by bad luck says nothing against what was certified. It stays also where less
        could be certified now, if recent evidence bears it out.
        """
        self._looked = self.place
        known, before = self.certificate, (self.scorer, self._taught)
        # Asked before there is another scorer: the certificate is about this one.
        sound = known is not None and self._is_sound(known)
        borne_out = known is not None and sound and self._is_borne_out(known)
        fitted = self._refit()
        found = self._test()
        if known is None or not sound:
            if found is not None:
                self._certify(found)
            elif known is not None:
                # The stream need not be another one: what is known stays, and more is asked for.
                self.state, self.certificate = GateState.SUSPENDED, None
                self._tell(self.state, "the evidence supports it no longer")
        elif found is not None and (found.share >= known.share or not borne_out):
            self._certify(found)
        elif fitted:
            self._take(*before)
            self._reckon_guard()

    def _test(self) -> Certificate | None:
        buffered, policy = self._buffer.rows(), self.policy
        if buffered is None:
            return None
        grid = Grid.of_stream(buffered.scores)
        # Only the fitted score is a chance to be right.
        expected = grid.expect(buffered.scores) if self.scorer.weights else None
        evidence = self._evidence(self._likely_share(grid, expected))
        if evidence is None or len(evidence) < least_count(policy.alpha, policy.delta):
            return None
        self.ledger.looked()
        tally, delta = Tally.of(grid, evidence.scores, evidence.wrong), policy.delta * policy.exact_share
        looks = self._second_looks(grid, evidence)
        if looks is not None:
            hoped_for = policy.alpha - looks.hoped_for(grid.shares * len(evidence))
            return certify_region(
                grid,
                tally,
                len(evidence),
                alpha=policy.alpha,
                delta=delta,
                starts=chain_starts(grid, len(evidence), hoped_for, delta, expected),
                overlooked=looks.bounds(),
                overlooked_delta=policy.delta - delta,
            )
        found = certify_region(grid, tally, len(evidence), alpha=policy.alpha, delta=delta, expected=expected)
        wider = self._expand(grid, evidence, expected)
        return wider if wider is not None and (found is None or wider.threshold < found.threshold) else found

    def _is_sound(self, certificate: Certificate) -> bool:
        """Whether a certificate of an earlier look may stay."""
        evidence = self._evidence(certificate.share)
        if evidence is None or self.place - self._certified >= self.policy.lifetime:
            return False
        return is_sound(certificate, evidence)

    def _is_borne_out(self, certificate: Certificate) -> bool:
        """Whether recent evidence, by itself, speaks for it."""
        evidence = self._evidence(certificate.share)
        return evidence is not None and is_borne_out(certificate, evidence)

    def _second_looks(self, grid: Grid, evidence: Rows) -> SecondLooks | None:
        """What second answers found, where they are asked for; the chains have two beginnings, which share that part of delta."""
        policy = self.policy
        if not policy.double_blind_share:
            return None
        return SecondLooks.of(grid, evidence, share=policy.double_blind_share, level=policy.second_look_level)

    def _likely_share(self, grid: Grid, expected: npt.NDArray[np.float64] | None) -> float:
        """The share of the stream that may come to be certified, as far as the model of errors knows; it never saw the evidence."""
        if expected is None:
            return _LEAST_SHARE
        promising = grid.shares[expected <= self.policy.alpha / 2]
        return max(_LEAST_SHARE, float(promising.max())) if len(promising) else _LEAST_SHARE

    def _evidence(self, share: float) -> Rows | None:
        """The latest calibration records to certify such a share by: fewer follow a slow change, more bear out a small share.

        For a test, the share must not come from the errors of these records: how far back they reach would choose among them.
        """
        rows = self.window.rows()
        if rows is None:
            return None
        return rows.take(slice(max(0, len(rows) - self.policy.evidence_for(share)), None))

    def _expand(self, grid: Grid, evidence: Rows, expected: npt.NDArray[np.float64] | None) -> Certificate | None:
        policy = self.policy
        delta = policy.delta * (1 - policy.exact_share)
        if delta <= 0:
            return None
        if self._expansion is None:
            self.ledger.opened()
            starts = chain_starts(grid, len(evidence), policy.alpha, delta, expected)
            self._expansion = Expansion(grid, starts, alpha=policy.alpha, delta=delta)
            self._expansion.observe(evidence.scores, evidence.wrong)
        return self._expansion.certificate(Tally.of(self._expansion.grid, evidence.scores, evidence.wrong))

    def _certify(self, found: Certificate) -> None:
        if self.state is not GateState.CERTIFIED:
            self._harm.open(self.policy.alpha)
        # First answers are what both go by: these were certified to err no more often than that.
        self._harm.allow(found.alpha_shown)
        known = self.certificate
        self.state, self.certificate, self._certified = GateState.CERTIFIED, found, self.place
        self._reckon_guard()
        if known is None or known.threshold != found.threshold:
            self.ledger.certified()
            self._tell(GateState.CERTIFIED, "certified")

    def _refit(self) -> bool:
        policy = self.policy
        if self._answers < max(policy.first_fit_count, self._fitted * policy.refit_growth):
            return False
        training = self._training.rows()
        if training is None:
            return False
        self._fitted = self._answers
        self._take(fit_scorer(training.predictions, training.truth, training.weight), training)
        return True

    def _take(self, scorer: Scorer, taught: Rows | None) -> None:
        """From now on this is the scorer; `taught` are the answers it was fitted to."""
        self.scorer, self._taught, self.fits = scorer, taught, self.fits + 1
        for sample in (self._buffer, self.window, self._answered):
            rows = sample.rows()
            if rows is not None:
                sample.rescore(scorer.score(rows.predictions))
        self._expansion = None
        answered = self._answered.rows()
        if taught is None or answered is None:
            return
        # What it was fitted to looks better known to it than it was: those answers count as if each had been left out.
        left_out = dict(zip(taught.places.tolist(), left_out_scores(scorer, taught.predictions).tolist(), strict=True))
        known = zip(answered.places.tolist(), answered.scores.tolist(), strict=True)
        self._answered.rescore(np.array([left_out.get(place, score) for place, score in known]))

    def _reckon_guard(self) -> None:
        buffered = self._buffer.rows()
        if buffered is None or self._harm.spent:
            self._guarded = CLOSED
        else:
            self._guarded = float(np.quantile(buffered.scores, 1 - self._harm.cap))

    def _close(self, state: GateState, reason: str, *, since: int) -> None:
        """Nothing passes any more until there is new evidence; the stream is taken to have changed at `since`."""
        certified = self.state is GateState.CERTIFIED
        if certified:
            self.state = state
        if state is GateState.REVOKED:
            self._harm.begin(self.policy.alpha)
        self.certificate = None
        self._tell(self.state, reason, suspect_from=since if certified else None)
        # Evidence counts from here on, not from where the change is guessed to lie: guessing used the same records.
        self.epoch, self.epochs = self.place, self.epochs + 1
        self.window.forget_before(self.epoch)
        self._buffer.forget_before(since)
        self._training.forget_before(since - self.policy.recall_count)
        self._answers, self._fitted, self._lessons = len(self._training), 0, 0
        self._expansion = None
        self._watch.begin()
        self._answered.forget_before(self.place)

    def _tell(self, state: GateState, reason: str, *, suspect_from: int | None = None) -> None:
        found = self.certificate
        self._untold.append(
            Transition(
                place=self.place,
                state=state,
                reason=reason,
                threshold=self.threshold,
                count=found.count if found else 0,
                errors=found.errors if found else 0,
                suspect_from=suspect_from,
            )
        )
