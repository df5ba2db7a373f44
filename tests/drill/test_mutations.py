"""Mutations break what they say, only that, and always in the same way."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from demo.mutations import MUTATIONS, Mutation
from demo.mutations.sheet import read_sheet

HARMLESS = (
    "rows_shuffled", "columns_reordered", "column_new", "line_ends_changed", "blank_lines_at_the_end",
    "byte_order_mark", "delimiter_changed",
)  # fmt: skip


def broken(mutation: Mutation, exports: Path, folder: Path) -> tuple[Path, int]:
    """The newest drop of a copy of the source, broken, and how many rows were touched."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(exports / mutation.source, folder / mutation.source)
    drop = sorted((folder / mutation.source).iterdir())[-1]
    return drop, mutation.apply(drop)


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_there_are_enough_and_each_is_told_once() -> None:
    assert len(MUTATIONS) >= 60
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
    assert len({mutation.says for mutation in MUTATIONS}) == len(MUTATIONS)
    for mutation in MUTATIONS:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", mutation.name)
        assert mutation.says[0].isupper() and mutation.says.endswith(".")


def test_every_one_breaks_its_own_table_alone(exports: Path, tmp_path: Path) -> None:
    originals = {source: contents(exports / source) for source in {mutation.source for mutation in MUTATIONS}}
    for mutation in MUTATIONS:
        before = originals[mutation.source]
        drop, touched = broken(mutation, exports, tmp_path / "broken")
        after = contents(drop.parent)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert touched > 0 and changed, mutation.name
        if mutation.table:
            assert changed == {f"{drop.name}/{mutation.table}.csv"}, mutation.name
        else:
            earlier = {name for name in before if not name.startswith(drop.name)}
            assert not changed & earlier, mutation.name


@pytest.mark.parametrize("name", ["a_tenth_missing", "rows_shuffled", "ids_used_again", "customers_become_partners"])
def test_the_same_files_are_broken_in_the_same_way(name: str, exports: Path, tmp_path: Path) -> None:
    (mutation,) = (mutation for mutation in MUTATIONS if mutation.name == name)
    first = contents(broken(mutation, exports, tmp_path / "first")[0])
    assert contents(broken(mutation, exports, tmp_path / "second")[0]) == first


def test_amounts_in_cents_are_a_hundred_times_as_high(exports: Path, tmp_path: Path) -> None:
    (mutation,) = (mutation for mutation in MUTATIONS if mutation.name == "amounts_in_cents")
    drop, touched = broken(mutation, exports, tmp_path / "broken")
    before = read_sheet(sorted((exports / "crm").iterdir())[-1] / "opportunities.csv").rows
    after = read_sheet(drop / "opportunities.csv").rows
    assert touched == len(after) == len(before)
    for one, other in zip(before, after, strict=True):
        assert float(other.pop("amount")) == pytest.approx(100 * float(one.pop("amount")))
        assert one == other


def test_what_is_called_harmless_keeps_every_value(exports: Path, tmp_path: Path) -> None:
    for mutation in [mutation for mutation in MUTATIONS if mutation.name in HARMLESS]:
        assert not mutation.is_critical
        drop, _ = broken(mutation, exports, tmp_path / "broken")
        text = (drop / f"{mutation.table}.csv").read_text(encoding="utf-8-sig")
        original = (sorted((exports / mutation.source).iterdir())[-1] / f"{mutation.table}.csv").read_text("utf-8")
        values = [sorted(re.findall(r'"([^"]*)"', line)) for line in original.splitlines()]
        found = [sorted(re.findall(r'"([^"]*)"', line)) for line in text.splitlines() if line]
        if mutation.name == "column_new":
            assert all(len(line) == len(values[0]) + 1 for line in found)
        else:
            assert sorted(found) == sorted(values), mutation.name
