"""A company without a CRM is segmented by what it has: production stays unknown, and the gate does not miss it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, Deployment, deployment_in


def company_with(folder: Path, system: str) -> Deployment:
    """The sample company of which one system alone is connected."""
    template = ROOT / "segments.yml"
    sources = yaml.safe_load(template.read_text(encoding="utf-8"))["sources"]
    programme = yaml.safe_load((ROOT / "policies" / "partner-programme.yml").read_text(encoding="utf-8"))
    for ladder in programme["ladders"].values():
        # Shares of a small roster say nothing; whether the gate asks about them is told elsewhere.
        del ladder["guardrails"]
    (folder / "policies").mkdir()
    (folder / "policies" / "partner-programme.yml").write_text(yaml.safe_dump(programme), encoding="utf-8")
    return deployment_in(
        folder,
        template,
        sources={system: sources[system]},
        sample={"partners": 40},
        identity={"roster": [system]},
        first_release=None,
        paths={"policies_absolute": folder / "policies"},
    )


@pytest.mark.parametrize("system", ["prm", "account_mapping"])
def test_one_system_without_production_gives_a_release(system: str, tmp_path: Path) -> None:
    made = company_with(tmp_path, system)
    made.segments("run", "--quiet")
    with made.released() as con:
        partners, producing = con.execute(
            "select count(*), count(sourced_won_amount) from partner_segments"
        ).fetchall()[0]
        judged = {row[0] for row in con.execute("select distinct suite from data_quality_results").fetchall()}
        scored = con.execute("select count(total_score) from partner_segments").fetchall()[0][0]
    assert partners > 20
    assert producing == 0, "nobody can know what was sold"
    assert scored > 0
    # A portal or an account mapper cannot bring deals, so nobody asks after them and nobody misses them.
    assert {"entities", "quarantine", "partner_segments"} <= judged
    assert not {"opportunities", "reconciliation"} & judged
