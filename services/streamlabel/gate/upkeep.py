"""May what an earlier look certified stay, as far as the evidence of today tells?"""

from __future__ import annotations

from streamlabel.gate.binomial import p_value
from streamlabel.gate.sample import Rows
from streamlabel.gate.sequence import Certificate

# A certificate is kept against a smaller one while chance alone would show so few errors, were the rate alpha, so seldom.
_DOUBT = 0.04


def is_sound(certificate: Certificate, evidence: Rows) -> bool:
    """Whether no larger share than alpha is wrong of what lies in its region; what was overlooked counts as far as it was found."""
    inside = evidence.take(evidence.scores >= certificate.threshold)
    return bool(inside.wrong.sum() <= _left(certificate, inside) * len(inside))


def is_borne_out(certificate: Certificate, evidence: Rows) -> bool:
    """Whether the evidence, by itself, makes the certificate more likely than not to be right, and by a margin."""
    inside = evidence.take(evidence.scores >= certificate.threshold)
    left = _left(certificate, inside)
    return left > 0 and bool(p_value(int(inside.wrong.sum()), len(inside), left) <= _DOUBT)


def _left(certificate: Certificate, inside: Rows) -> float:
    """What is left of alpha for the errors that first answers show."""
    twice = int(inside.twice.sum())
    return certificate.alpha - (int(inside.overlooked.sum()) / twice if twice else 0.0)
