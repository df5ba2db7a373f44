"""The compiled rules of identity, made once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines.identity_evaluation import Record, identity_of

KINDS = {"crm": "crm", "crm_two": "crm", "prm": "prm", "account_mapping": "account_mapping"}


class Answer:
    """What the rules made of some records."""

    def __init__(self, links: list[Any], candidates: list[Any], names: list[Any]) -> None:
        self.rules = {f"{source}/{source_id}": rule for source, source_id, _, rule in links}
        self.partners = {f"{source}/{source_id}": partner for source, source_id, partner, _ in links}
        self.queue = {
            frozenset((f"{row[0]}/{row[1]}", f"{row[2]}/{row[3]}")): (row[4], float(row[5])) for row in candidates
        }
        self.words = {f"{row[0]}/{row[1]}": row[3] for row in names if row[2] == "name"}
        self.second = {f"{row[0]}/{row[1]}": row[3] for row in names if row[2] == "second"}
        self.countries = {f"{row[0]}/{row[1]}": row[4] for row in names}

    @property
    def clusters(self) -> set[frozenset[str]]:
        """The records of every partner."""
        return {
            frozenset(key for key, partner in self.partners.items() if partner == one) for one in self.partners.values()
        }

    def are_one(self, one: str, other: str) -> bool:
        return self.partners[one] == self.partners[other]

    def is_queued(self, one: str, other: str) -> bool:
        """Whether the partners of two records are put to a person."""
        pairs = {frozenset(self.partners[key] for key in pair) for pair in self.queue}
        return frozenset((self.partners[one], self.partners[other])) in pairs


Rules = Callable[..., Answer]


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the rules are kept once dbt has compiled them; XDG_CACHE_HOME for the command line."""
    return tmp_path_factory.mktemp("cache-home")


@pytest.fixture(scope="session")
def cache_folder(cache_home: Path) -> Path:
    """The same folder as this project's own in it."""
    return cache_home / "partner-segments"


@pytest.fixture(scope="session")
def rules(cache_folder: Path) -> Rules:
    """Runs the project's SQL of identity over records."""

    def answer(
        records: Iterable[Record],
        kinds: Mapping[str, str] | None = None,
        crosswalk: Sequence[tuple[str, str, str]] = (),
    ) -> Answer:
        con = identity_of(records, kinds=kinds or KINDS, crosswalk=crosswalk, cache_folder=cache_folder)
        try:
            return Answer(
                con.execute("select source, source_id, partner_id, rule from identity.partner_links").fetchall(),
                con.execute(
                    "select source, source_id, other_source, other_source_id, reason, similarity "
                    "from identity.partner_candidates"
                ).fetchall(),
                con.execute(
                    "select source, source_id, variant, words, country_code from identity.partner_names"
                ).fetchall(),
            )
        finally:
            con.close()

    return answer
