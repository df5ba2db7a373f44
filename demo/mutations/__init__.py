"""Named ways to break the sample company's exports, for the drill that asks whether each would be noticed.

A mutation takes the folder of one source's newest export and breaks it in one way, as exports break in practice: a job
that stops half way, a column that changes its unit, an id that is used again. It is as bad as it would be, never made
worse so that somebody notices, never softened. A few are harmless, and the drill has to find that too.
"""

from __future__ import annotations

from demo.mutations.crm import CRM
from demo.mutations.files import FILES
from demo.mutations.mapping import MAPPING
from demo.mutations.prm import PRM
from demo.mutations.sheet import Mutation

__all__ = ["MUTATIONS", "Mutation"]

MUTATIONS: tuple[Mutation, ...] = (*FILES, *CRM, *PRM, *MAPPING)
