"""Pieces of small policies, and a review of one whose examples can be judged again."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from pipelines.evaluation import evaluate, one_quarter
from pipelines.policy import Policy
from pipelines.policy_review import Finding

HEAD = """\
policy: acme
version: "1"
effective_from: 2026-01-01
window: {quarters: 4}
"""


def ladder(gold: str, silver: str, more: str = "movement: none") -> str:
    """A ladder of three levels; `gold` and `silver` are conditions."""
    return f"""\
ladders:
  tier:
    audience: partner
    levels:
      - level: gold
        enter: {gold}
      - level: silver
        enter: {silver}
      - level: registered
    {more}
"""


def total(gold: int, silver: int, more: str = "movement: none") -> str:
    """A ladder on the total score."""
    return ladder(f"{{score: total, at_least: {gold}}}", f"{{score: total, at_least: {silver}}}", more)


@dataclass(frozen=True)
class Judged:
    """What the whole engine makes of a partner: the level each ladder reaches, the total, the points and the track."""

    levels: dict[str, str]
    total: Decimal | None
    points: dict[str, Decimal | None]
    track: str | None


@dataclass(frozen=True)
class Reviewed:
    """A policy and what the review had to say about it."""

    policy: Policy
    findings: list[Finding]

    @property
    def warnings(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.is_note]

    def only(self, kind: str) -> Finding:
        """The one warning there is; it is of this kind."""
        assert [finding.kind for finding in self.warnings] == [kind], self.findings
        return self.warnings[0]

    def again(self, finding: Finding) -> list[Judged]:
        """The finding's partners, judged once more by all of the engine and by the policy as it is written."""
        partners = {f"P{index}": partner.facts for index, partner in enumerate(finding.partners)}
        names = {name: [level.level for level in each.levels] for name, each in self.policy.document.ladders.items()}
        with evaluate([self.policy], one_quarter([self.policy], partners)) as con:
            judged = []
            for partner in partners:
                levels = con.execute(
                    "select ladder, reached_rank from ladders.levels_earned where partner_id = ?", [partner]
                ).fetchall()
                score = con.execute(
                    "select total_score, track from scoring.partner_scores where partner_id = ?", [partner]
                ).fetchone() or (None, None)
                points = con.execute(
                    "select c.criterion, c.points from scoring.criterion_points as c inner join ladders.partner_tracks "
                    "as t using (partner_id, track) where c.partner_id = ?",
                    [partner],
                ).fetchall()
                reached = {name: names[name][rank - 1] for name, rank in levels}
                judged.append(Judged(reached, score[0], dict(points), score[1]))
        return judged

    def confirm(self, finding: Finding) -> None:
        """Hold what is told of both partners against the engine, and see that they differ in one fact."""
        a, b = finding.partners
        assert len({*a.facts.items()} ^ {*b.facts.items()}) in (1, 2)
        for partner, judged in zip(finding.partners, self.again(finding), strict=True):
            assert judged.levels == partner.levels
            assert judged.total == partner.total
            assert judged.points == partner.points
            assert judged.track == partner.track
