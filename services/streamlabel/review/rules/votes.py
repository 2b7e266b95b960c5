"""What several people's answers come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from streamlabel.core.label import Vote

# Where so many people do not agree, another one would hardly settle it; and everybody's time is dear.
MAX_VOTES = 5


def verdict(votes: Sequence[Vote], needed: int) -> str | None:
    """The class that `votes`, in the order in which they were given, agree on; None while one more person has to be asked.

    That is so while there are fewer than `needed`, and while two classes tie for the most votes. A tie of MAX_VOTES or more goes to
    the class that was voted for first.
    """
    if not votes or len(votes) < needed:
        return None
    # Classes come in the order of their first vote, and those of equal counts stay in it.
    (leader, most), *others = Counter(vote.class_name for vote in votes).most_common(2)
    is_tied = any(count == most for _, count in others)
    return None if is_tied and len(votes) < MAX_VOTES else leader
