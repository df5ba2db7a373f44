"""The methodology page: every key of the language in words, and nothing for partners that is not for them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pipelines.errors import PolicyError
from pipelines.policy import read_policy
from pipelines.policy.model import PolicyDocument
from pipelines.policy_document import policy_page
from pipelines.shape import metric_names
from tests.conftest import ROOT, segments

RICH = """\
policy: rich
version: "2026-01"
effective_from: 2026-01-01
owner: the partner desk
source: a board paper of 2025
window: {months: 12}
windows: {won_deals: {quarters: 2, lag: 1}}
rounding: {digits: 1, mode: down, per: total}
attribution: {model: role_weighted, weights: {sourced: 0.7, influenced: 0.3}}
declares:
  administrators:
    of: subject
    aggregate: count_distinct
    where: {certificate: [administrator, architect], value: {at_least: 1}}
    window: {months: 20, complete: true}
    facts: certificates
    absent: zero
    unit: people
    description: People who may run the product
  churn: {aggregate: last, window: ever, direction: lower}
derived:
  recurring_share: {ratio: [influenced_won_amount, sourced_won_amount]}
  counted_people: {min: [administrators, 40], skip_unknown: true, round: 0}
  deals_before: {metric: won_deals, window: 4, lag: 2}
  lonely: {difference: [new_customers, 1], description: what the desk looks at}
score:
  combine: points
  choose: best
  tracks:
    large: {when: {all: [{metric: won_deals, at_least: 5}, {attribute: region, in: [emea, apac]}]}}
    small: {}
  criteria:
    - {id: people, metric: counted_people, points: {per_unit: {each: 2.5}}, max: 60, dimension: skills}
    - id: steady
      metric: churn
      track: large
      dimension: health
      points: {bands: [{below: 0.06, points: 120}, {below: 0.12, points: 80}]}
      multiplier: {metric: sourced_won_amount, bands: [{at_least: 0, factor: 1}, {at_least: 100000, factor: 1.5}]}
      round: {digits: 0, mode: up}
    - id: admin
      metric: administrators
      dimension: skills
      points: {flag: 50}
      requires: [{any: [{metric: won_deals, at_least: 1}, {attribute: region, equals: emea}]}]
    - id: rate
      metric: win_rate
      dimension: health
      points: {range: {low: 0.5, high: 0.1}}
      multiplier: {metric: recurring_share}
    - {id: place, metric: new_customers, dimension: health, points: {percentile: {within: [region], shrink: 20}}}
  missing: {default: zero, rate: block}
ladders:
  desk:
    audience: internal
    levels:
      - {level: inner_circle, enter: {all: [{score: total, at_least: 150}, {metric: lonely, at_least: 2}]}, capacity: 5}
      - level: plain
    guardrails: {max_share: {inner_circle: 0.1}}
  tier:
    audience: partner
    gate: {metric: administrators, at_least: 1}
    levels:
      - level: top
        enter:
          any:
            - {all: [{score: total, at_least: 100}, {dimension: skills, at_least: 20}]}
            - top_share:
                share: 0.05
                by: sourced_won_amount
                of: {metric: sourced_won_amount, above: 0}
                within: [region]
                round: 4
        capacity: 10
      - level: basic
        enter: {score: total, at_least: 20}
      - {level: none, outside: true}
    movement:
      buffer: 5
      promote_after: 2
      demote_after: 3
      max_steps: {down: 1}
      new_partner_grace: 2
      hold_until: anniversary
      freeze: false
    guardrails: {max_share: {top: 0.2}, max_moves_share: 0.3, no_promotion_without: [won_deals]}
entitlements:
  desk.inner_circle: {hours_per_quarter: 10}
  tier.top: {discount_share: 0.2, contact: a manager of the inner circle, hours_per_quarter: 3}
capacity: {partner_managers: 1, hours_per_week: 40, weeks: 12, utilisation: 0.5}
examples:
  - {facts: {administrators: 0}, expect: {tier: none}}
  - {facts: {new_customers: 9}, expect: {desk: plain}}
"""


@pytest.fixture(scope="module")
def rich() -> PolicyDocument:
    return read_policy(RICH, metric_names()).document


@pytest.fixture(scope="module")
def programme() -> PolicyDocument:
    return read_policy(ROOT / "policies" / "partner-programme.yml", metric_names()).document


def section(page: str, heading: str) -> str:
    """The text under a heading, up to the next one of its rank or above."""
    rank = heading.split(" ")[0]
    found = re.search(rf"^{re.escape(heading)}$\n(.*?)(?=^#{{1,{len(rank)}}} |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"no {heading!r}"
    return found[1]


def line_of(page: str, start: str) -> str:
    (line,) = [line for line in page.splitlines() if line.startswith(start)]
    return line


# --- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("won_deals", "the quarter and the one before it, as of 1 quarter earlier"),
        (
            "administrators",
            "People who may run the product: the number of different subjects of the facts `certificates`",
        ),
        ("administrators", "where `certificate` is administrator or architect and `value` is at least 1"),
        ("administrators", "a partner without any such fact has 0 (people)"),
        ("administrators", "the 20 months up to the quarter's end; unknown before that much history is there"),
        ("churn", "the newest of the values of the facts `churn`; unknown without any fact"),
        ("churn", "| everything up to the quarter's end | less |"),
        ("recurring_share", "unknown where a part is, or where `sourced_won_amount` is 0"),
        (
            "counted_people",
            "the smallest of `administrators` and 40; rounded to 0 decimals; unknown parts are left out",
        ),
        ("deals_before", "the quarter and the three before it, as of 2 quarters earlier"),
        ("lonely", "what the desk looks at: `new_customers` - 1"),
    ],
)
def test_a_metric_is_defined(rich: PolicyDocument, metric: str, words: str) -> None:
    assert words in line_of(policy_page(rich), f"| `{metric}` |")


def test_the_catalogue_defines_its_own_metrics(programme: PolicyDocument) -> None:
    page = section(policy_page(programme), "## What is looked at")
    assert "won_deals divided by decided_deals; unknown when nothing was decided" in line_of(page, "| `win_rate` |")
    assert "| the quarter's last day |" in line_of(page, "| `certified_people` |")
    assert "one marked primary" in page
    assert "an unknown value passes no condition" in page


# --- points ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "- 2.5 points for each unit.\n- Never more than 60 points; what is beyond is lost to the cap.",
        "| below 0.06 | 120 |\n| 0.06 to below 0.12 | 80 |",
        "Points by bands of the value; a value in no band gives 0 points.",
        "with a factor by `sourced_won_amount`; where `sourced_won_amount` is unknown, the criterion is, too",
        "| 0 to below 100,000 | 1 |\n| 100,000 or more | 1.5 |",
        "- Rounded to 0 decimals, away from 0.",
        "- 50 points where the value is above 0, else none.",
        "- 0 points unless this holds: `won_deals` at least 1 or `region` is emea.",
        "- 0 points at 0.5 or more, 100 at 0.1 or less, in proportion between.",
        "These points are multiplied with `recurring_share`",
        "- Unknown: no total at all.",
        "by the place among partners of the same region and track",
        "it counts 20 / (n + 20), the share in the group n / (n + 20)",
        "- **large**: all of these\n  - `won_deals` at least 5\n  - `region` is emea or apac\n- **small**: every",
        "the best level (`desk` before `tier`), then with the highest total",
        "**steady**, by `churn` (in large only).",
    ],
)
def test_points_are_said_in_words(rich: PolicyDocument, words: str) -> None:
    assert words in section(policy_page(rich), "## How points come about")


def test_rounding_and_unknown_values_are_said(rich: PolicyDocument, programme: PolicyDocument) -> None:
    total = section(policy_page(rich), "## How the total comes about")
    assert "Points are not rounded, only sums: to 1 decimal, toward 0." in total
    assert "counts as 0 points, unless it says otherwise above" in total
    total = section(policy_page(programme), "## How the total comes about")
    assert "rounded to 2 decimals, half up" in total
    assert "left out, and the others share its weight" in total


def test_weights_are_shares_of_the_total(programme: PolicyDocument) -> None:
    page = policy_page(programme)
    assert "### `performance`: 45 % of the total" in page
    assert "**won**, by `sourced_won_amount`: 40 % of the dimension, 18 % of the total." in page


# --- ladders --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "- Every level but none needs: `administrators` at least 1",
        "- **top** (10 places): one of these\n  - all of these\n    - total score at least 100\n",
        "  - among the first 5 % by `sourced_won_amount` of the partners with `sourced_won_amount` above 0, rounded to"
        " 4 decimals first, within the same region (ties by partner number)",
        "- **none**: everybody else; not in the programme.",
        "| basic | total score at least 20 | at least 25 | at least 15 |",
        "- Up: after two reviews in a row above the level held.",
        "- Down: after three reviews in a row below, by at most 1 level; until then on watch.",
        "- New partners do not fall in the first two reviews after entering.",
        "only on its anniversaries",
        "An unknown value can cost a level",
        "leaves the programme (none) after three reviews in a row; the limit of levels per review does not apply",
        "| discount_share | 0.2 |",
        "- More than 20 % of the roster on top.",
        "- A rise while `won_deals` is unknown.",
    ],
)
def test_a_ladder_is_said_in_words(rich: PolicyDocument, words: str) -> None:
    assert words in section(policy_page(rich), "## Ladder `tier`")


def test_a_ladder_without_movement_and_one_that_freezes(rich: PolicyDocument, programme: PolicyDocument) -> None:
    assert "- The level held is the level earned, at every review." in section(policy_page(rich), "## Ladder `desk`")
    assert "Nobody falls for what is unknown" in section(policy_page(programme), "## Ladder `tier`")


def test_hours_are_reckoned_up(programme: PolicyDocument) -> None:
    hours = section(policy_page(programme), "## Hours of partner managers")
    assert "| segment.strategic | 12 | 40 | 480 |" in hours
    assert "= 1,344 h" in hours
    assert "264 h left" in hours


def test_examples_are_shown_as_they_are_judged(programme: PolicyDocument) -> None:
    assert "| nothing known | `tier` registered |" in policy_page(programme)


# --- for partners ---------------------------------------------------------------------------------------------------


def test_the_partner_edition_names_no_internal_ladder(programme: PolicyDocument) -> None:
    page = policy_page(programme, "partner")
    for word in ("segment", "managed", "self_serve", "self-serve", "hours", "guardrail", "roster"):
        assert word not in page.lower()
    assert not re.search(r"\bstrategic\b", page)
    assert "## Ladder `tier`" in page
    assert "### `strategic_fit`: 20 % of the total" in page
    assert "segment" in policy_page(programme).lower()


def test_the_partner_edition_leaves_out_texts_that_tell_too_much(rich: PolicyDocument) -> None:
    page = policy_page(rich, "partner")
    for word in (
        "desk",
        "inner",
        "plain",
        "hours_per_quarter",
        "new_customers` 9",
        "lonely",
        "What stops",
        "exceptions.yml",
    ):
        assert word not in page, word
    assert "a board paper of 2025" in page
    assert "| discount_share | 0.2 |" in page
    assert "the best level, then with the highest total" in page


def test_a_score_that_only_internal_ladders_look_at_is_not_for_partners(rich: PolicyDocument) -> None:
    text = RICH.replace("enter: {score: total, at_least: 20}", "enter: {metric: won_deals, at_least: 1}")
    text = text.replace(
        "            - {all: [{score: total, at_least: 100}, {dimension: skills, at_least: 20}]}\n",
        "            - {metric: won_deals, at_least: 30}\n",
    )
    text = text.replace("        capacity: 10\n", "").replace("      buffer: 5\n", "")
    page = policy_page(read_policy(text, metric_names()).document, "partner")
    assert "points" not in page
    assert "`win_rate`" not in page
    assert "- **basic**: `won_deals` at least 1" in page


def test_a_policy_without_a_ladder_for_partners_has_no_partner_edition() -> None:
    text = (ROOT / "policies" / "partner-programme.yml").read_text(encoding="utf-8")
    document = read_policy(text.replace("audience: partner", "audience: internal"), metric_names()).document
    with pytest.raises(PolicyError, match="no ladder with audience partner"):
        policy_page(document, "partner")


# --- all policies ---------------------------------------------------------------------------------------------------

POLICIES = sorted(
    path for path in (ROOT / "policies").rglob("*.yml") if path.name not in ("exceptions.yml", "partner-programme.yml")
)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_every_policy_of_the_repository_has_its_page(path: Path) -> None:
    document = read_policy(path, metric_names()).document
    page = policy_page(document)
    assert page == policy_page(document)
    for name, ladder in document.ladders.items():
        told = section(page, f"## Ladder `{name}`")
        for level in ladder.levels:
            assert f"- **{level.level}**" in told
    for criterion in document.score.criteria if document.score else []:
        assert f"**{criterion.id}**" in page


# --- the command ----------------------------------------------------------------------------------------------------


def document_of(*words: str) -> subprocess.CompletedProcess[str]:
    return segments("policy", "document", *words)


def test_the_command_writes_the_page(programme: PolicyDocument, tmp_path: Path) -> None:
    file = str(ROOT / "policies" / "partner-programme.yml")
    assert document_of(file).stdout == policy_page(programme)
    to = tmp_path / "pages" / "for-partners.md"
    done = document_of(
        "partner-programme", "--edition", "partner", "--to", str(to), "--config", str(ROOT / "segments.yml")
    )
    assert done.returncode == 0, done.stderr
    assert to.read_text(encoding="utf-8") == policy_page(programme, "partner")


def test_an_unknown_policy_is_refused_with_the_nearest_name() -> None:
    done = document_of("partner-programm", "--config", str(ROOT / "segments.yml"))
    assert done.returncode == 2
    assert "did you mean `partner-programme`" in done.stderr
