"""What several people's answers come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from streamlabel.consensus.crowd import Crowd
from streamlabel.core.label import Vote
from streamlabel.core.project import ReviewPolicy

# So many at least are asked while somebody who voted is not known: only so can they be.
_FEWEST_UNKNOWN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """What votes come to: another person is asked where there is no `class_name`.

    `posterior` is how likely the class is, given who voted for what; None where votes were only counted. It `is_contested`,
    and without a class, where as many as may be asked have left it open.
    """

    class_name: str | None = None
    posterior: float | None = None
    is_contested: bool = False


def consensus(votes: Sequence[Vote], needed: int, policy: ReviewPolicy, crowd: Crowd | None) -> Consensus:
    """The consensus of `votes`, in the order in which they were given, of which the task needs at least `needed`.

    Where the policy says how sure is enough, and `crowd` knows all who voted, the posterior decides. Otherwise the class with most
    votes does, and while two tie another person is asked. After as many votes as the policy allows (or the task needs) nobody more is:
    then a tie goes to the class that was voted for first, unless the policy wants to be sure: then the task is contested.
    """
    most = max(policy.max_votes, needed)
    if not votes or len(votes) < needed:
        return Consensus()
    found = None if policy.sure is None or crowd is None else crowd.posterior([_pair(vote) for vote in votes])
    if policy.sure is not None and found is not None:
        # Of the classes that were voted for: what nobody says nobody would believe, however people err.
        class_name = max((vote.class_name for vote in votes), key=found.__getitem__)
        posterior = found[class_name]
        if posterior >= policy.sure:
            return Consensus(class_name=class_name, posterior=posterior)
        return Consensus(is_contested=len(votes) >= most)
    if policy.sure is not None and len(votes) < min(_FEWEST_UNKNOWN, most):
        return Consensus()
    # Classes come in the order of their first vote, and those of equal counts stay in it.
    (leader, count), *others = Counter(vote.class_name for vote in votes).most_common(2)
    if not any(other == count for _, other in others):
        return Consensus(class_name=leader)
    if len(votes) < most:
        return Consensus()
    return Consensus(class_name=leader) if policy.sure is None else Consensus(is_contested=True)


def _pair(vote: Vote) -> tuple[str, str]:
    return vote.annotator, vote.class_name
