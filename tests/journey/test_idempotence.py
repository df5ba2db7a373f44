"""The same inputs give the same release: whatever the run count, the order of rows, the threads or the folder."""

from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path

from tests.conftest import ROOT, Deployment, deployment_in


def released_bytes(made: Deployment) -> dict[str, str]:
    """SHA-256 of every Parquet file of the current release."""
    folder = (made.state / "released" / "current").resolve()
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.parquet"))}


def release_of(made: Deployment) -> str:
    """Id of the current release."""
    return (made.state / "released" / "current").resolve().name


def shuffled(folder: Path, into: Path, seed: int) -> Path:
    """The same export with its lines in another order."""
    into.mkdir(parents=True)
    for path in folder.glob("*.csv"):
        head, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        random.Random(seed).shuffle(lines)
        (into / path.name).write_text(head + "".join(lines), encoding="utf-8")
    return into


def test_another_folder_other_threads_and_shuffled_rows_give_the_same_bytes(sample: Deployment, tmp_path: Path) -> None:
    export = shuffled(sample.file.parent / "inputs", tmp_path / "export", seed=5)
    policies = sample.file.parent / "policies"
    other = deployment_in(
        tmp_path / "other",
        sample.file,
        data=export,
        sample=None,
        paths={"policies_absolute": policies},
    )
    other.segments("run", "--quiet", SEGMENTS_THREADS="3")
    assert release_of(other) == release_of(sample)
    assert released_bytes(other) == released_bytes(sample)


def test_a_second_run_lands_nothing_and_releases_nothing_new(sample: Deployment, tmp_path: Path) -> None:
    state = tmp_path / "copy" / "state"
    shutil.copytree(sample.state, state, symlinks=True)
    shutil.copytree(sample.file.parent / "inputs", tmp_path / "copy" / "inputs")
    again = deployment_in(tmp_path / "copy", sample.file, paths={"policies_absolute": sample.file.parent / "policies"})
    files = sorted((state / "lake").rglob("*.parquet"))
    before = released_bytes(again)
    done = again.segments("run", "--quiet")
    assert "unchanged" in done.stdout
    assert sorted((state / "lake").rglob("*.parquet")) == files
    assert released_bytes(again) == before
    chain = again.segments("releases").stdout
    assert chain.count("2026Q3-") == 1


def test_the_sample_is_the_one_of_the_repository(sample: Deployment) -> None:
    """The release id depends on the deployment's content alone, so it is the same on every machine."""
    assert release_of(sample).startswith("2026Q3-")
    assert (ROOT / "segments.yml").exists()
