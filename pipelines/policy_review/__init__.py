"""Reviews a policy that is in order: what it does that somebody may not have meant, with partners that show it.

`facts` says what can be different about a partner, `search` finds partners worth looking at, `behaviour` and
`structure` make findings of them, `files` goes through files and folders. What a policy decides is asked of the models
that decide (`engine`); nothing here knows how points are made. What cannot be read or contradicts itself is refused
before (`pipelines.policy`).
"""

from __future__ import annotations

from pipelines.policy_review.engine import Evaluate, Outcome, by_the_models
from pipelines.policy_review.files import Examined, Refusal, examine
from pipelines.policy_review.findings import KINDS, Finding, Partner
from pipelines.policy_review.review import review

__all__ = [
    "KINDS",
    "Evaluate",
    "Examined",
    "Finding",
    "Outcome",
    "Partner",
    "Refusal",
    "by_the_models",
    "examine",
    "review",
]
