"""A programme nobody has published, brought as files: rules and cases, no code.

Every expected number below was worked out by hand from the rules as they stand in the file.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.conformance import conform

# Windows in months, alternatives of conditions over shares, a ratchet until the year ends with a grace for new
# partners, a smallest sample, bands with a multiplier, rounding of its own.
FIRST = """\
policy: harbour-alliance
version: "2024"
effective_from: 2024-01-01
window: {months: 12}
rounding: {digits: 1}
declares:
  sales: {aggregate: sum, facts: invoices}
  recurring_sales: {aggregate: sum, facts: invoices, where: {kind: [subscription, support]}}
  late_sales: {aggregate: sum, facts: invoices, window: {months: 2}}
  satisfaction: {aggregate: median, facts: surveys, window: {months: 5}}
  surveys_answered: {aggregate: count, facts: surveys, window: {months: 5}}
derived:
  recurring_share: {ratio: [recurring_sales, sales]}
score:
  combine: points
  criteria:
    - id: satisfaction
      metric: satisfaction
      points: {bands: [{below: 7, points: 0}, {below: 9, points: 40}, {points: 100}]}
      multiplier: {metric: sales, bands: [{below: 1000, factor: 0.5}, {at_least: 100000, factor: 1.5}]}
      max: 120
      requires: [{metric: surveys_answered, at_least: 3}]
    - id: late
      metric: late_sales
      points: {per_unit: {each: 0.001}}
      max: 50
      round: {digits: 0, mode: down}
ladders:
  rank:
    audience: partner
    levels:
      - level: platinum
        enter:
          any:
            - all: [{metric: sales, at_least: 750000}, {metric: recurring_share, at_least: 0.5}]
            - all: [{metric: recurring_sales, at_least: 400000}, {points: satisfaction, at_least: 100}]
      - level: gold
        enter:
          at_least:
            n: 2
            of: [{score: total, at_least: 60}, {metric: sales, at_least: 100000}, {attribute: region, in: [apac]}]
      - level: registered
    movement: {hold_until: policy_year, new_partner_grace: 1, max_steps: {down: 1}}
"""
SECOND = (
    FIRST.replace('"2024"', '"2025"')
    .replace("2024-01-01", "2025-01-01")
    .replace("at_least: 750000", "at_least: 700000")
)

CASES = """\
id,version,on,quarter,facts,values,points,level,earned,action,failed,disputed
# Half is enough; the last digit decides.
share-1,,,,sales=750000; recurring_sales=375000,recurring_share=0.5,,platinum,,,,
share-2,,,,sales=750000; recurring_sales=374999,recurring_share=0.499999,,registered,,,platinum: recurring_share,
share-3,,,,sales=0; recurring_sales=0,recurring_share=unknown,,registered,,,,
# The other way in: 100 x 1.5 is 150 and is cut to 120.
way-2,,,,sales=700000; recurring_sales=400000; satisfaction=9; surveys_answered=3,recurring_share=0.571429,satisfaction=120,platinum,,,,
sample,,,,sales=699999; recurring_sales=400000; satisfaction=10; surveys_answered=2,,satisfaction=0; total=0,registered,,,platinum: sales | satisfaction,
band-1,,,,sales=999; satisfaction=8.999999; surveys_answered=3,,satisfaction=20,,,,,
band-2,,,,sales=1000; satisfaction=9; surveys_answered=3,,satisfaction=100,,,,,
down,,,,late_sales=1999.99,,late=1,,,,,
two-of,,,,sales=100000; region=apac,,,gold,,,,
one-of,,,,sales=99999; region=apac,,,registered,,,gold: total | sales,
# The bar of the second version, on the days around it; the same number of everything.
flip,,2024-12-31,,sales=720000; recurring_sales=360000,,,registered,,,"platinum: sales | recurring_sales | satisfaction; gold: total | region",
flip,,2025-01-01,,sales=720000; recurring_sales=360000,,,platinum,,,,
flip-2024,2024,,,sales=720000; recurring_sales=360000,,,registered,,,platinum: sales,
# Facts by day. The review of 31 August looks back on five months (surveys), two (late sales) and twelve (sales).
facts,,2024-08-31,,"{""invoices"": [{""date"": ""2023-08-31"", ""value"": 1000000}, {""date"": ""2023-09-01"", ""value"": 1}, {""date"": ""2024-06-30"", ""value"": 40000, ""kind"": ""support""}, {""date"": ""2024-07-01"", ""value"": 2000}, {""date"": ""2024-08-31"", ""value"": 3000.5}, {""date"": ""2024-09-01"", ""value"": 500000}], ""surveys"": [{""date"": ""2024-03-31"", ""value"": 1}, {""date"": ""2024-04-01"", ""value"": 9}, {""date"": ""2024-05-01"", ""value"": 10}, {""date"": ""2024-06-01"", ""value"": 2}, {""date"": ""2024-08-01"", ""value"": 9}]}",sales=45001.5; late_sales=5000.5; satisfaction=9; surveys_answered=4; recurring_share=0.888859,satisfaction=100; late=5; total=105,registered,,,gold: sales | region,
# A ratchet: up at once, down only when the year ends, one step at a time; nobody falls in the first review after entering.
ratchet,,,2024Q1,sales=800000; recurring_sales=500000,,,platinum,platinum,entered,,
ratchet,,,2024Q2,sales=10; recurring_sales=0,,,platinum,registered,kept,,
ratchet,,,2024Q3,sales=10; recurring_sales=0,,,platinum,registered,on watch,,
ratchet,,,2024Q4,sales=10; recurring_sales=0,,,gold,registered,demoted,,
ratchet,,,2025Q1,sales=10; recurring_sales=0,,,gold,registered,on_watch,,
ratchet,,,2025Q2,sales=800000; recurring_sales=500000,,,platinum,platinum,promoted,,
# The same as one line: values by quarter.
line,,,,"{""sales"": {""2024Q1"": 800000, ""2024Q2"": 10, ""2024Q3"": 10, ""2024Q4"": 10}, ""recurring_sales"": {""2024Q1"": 500000, ""2024Q2"": 0, ""2024Q3"": 0, ""2024Q4"": 0}}",,,gold,registered,demoted,,
"""  # noqa: E501

COMPARING = """\
policy: league
version: "1"
effective_from: 2024-01-01
window: {quarters: 4}
score:
  combine: weighted
  dimensions: {sales: 1}
  criteria:
    - {id: won, metric: won_deals, dimension: sales, weight: 1, points: {percentile: {within: [], shrink: 0}}}
ladders:
  division:
    audience: partner
    levels:
      - {level: first, enter: {top_share: {share: 0.25, by: sourced_won_amount}}, capacity: 1}
      - {level: second, enter: {score: total, at_least: 50}}
      - {level: third}
"""

COMPARED = """\
id,group,partner,facts,points,level,earned,action
# Four partners of one review: the best of them by amount is the first quarter; equal amounts go by partner number.
a,spring,P-2,won_deals=4; sourced_won_amount=100,total=100,second,,
b,spring,P-1,won_deals=3; sourced_won_amount=100,total=66.67,first,,
c,spring,P-3,won_deals=2; sourced_won_amount=50,total=33.33,third,,
d,spring,P-4,won_deals=1; sourced_won_amount=10,total=0,third,,
# Alone everybody is the first of one, and in the middle of a percentile.
e,,P-5,won_deals=1; sourced_won_amount=10,total=50,first,,
f,,P-6,won_deals=9; sourced_won_amount=1,total=50,first,,
"""


def brought(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_programme_of_ones_own_passes_its_cases(tmp_path: Path) -> None:
    report = conform(
        brought(tmp_path, {"first.yml": FIRST, "second.yml": SECOND, "harbour-alliance.vectors.csv": CASES})
    )
    assert {one.case.id: one.differences for one in report.judged if one.differences} == {}
    assert len(report.judged) == 21
    assert {one.outcome.version for one in report.judged if one.case.id == "ratchet"} == {"2024", "2025"}


def test_cases_of_a_group_are_compared_with_each_other_and_others_with_nobody(tmp_path: Path) -> None:
    report = conform(brought(tmp_path, {"league.yml": COMPARING, "league.csv": COMPARED}))
    assert {one.case.id: one.differences for one in report.judged if one.differences} == {}


def test_programmes_and_cases_of_many_kinds_in_one_folder_do_not_touch_each_other(tmp_path: Path) -> None:
    merged = "policy," + CASES.splitlines()[0] + ",group,partner\n"
    merged += "".join(
        f"harbour-alliance,{line},,\n" for line in CASES.splitlines()[1:] if line.startswith(("share", "two", "one"))
    )
    merged += "".join(
        f"league,{name},,,,{facts},,{points},{level},,,,,{group},{number}\n"
        for name, group, number, facts, points, level, *_ in (
            line.split(",") for line in COMPARED.splitlines()[1:] if not line.startswith("#")
        )
    )
    report = conform(brought(tmp_path, {"a.yml": FIRST, "league.yml": COMPARING, "all.csv": merged}))
    assert len(report.judged) == 11
    assert {one.case.id: one.differences for one in report.judged if one.differences} == {}


def test_more_cases_than_one_calendar_holds(tmp_path: Path) -> None:
    lines = "".join(f"n{number},won_deals={number},first\n" for number in range(950))
    programme = COMPARING.replace("sourced_won_amount", "won_deals")
    report = conform(brought(tmp_path, {"league.yml": programme, "league.csv": "id,facts,level\n" + lines}))
    assert [one.case.id for one in report.judged] == [f"n{number}" for number in range(950)]
    assert report.counted()[0].passed == 950
