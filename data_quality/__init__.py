"""JUDGES: may this input be believed, may this candidate leave the house? Great Expectations over DuckDB, read-only.

`suites/` says what must be true in the words of `promise.py`, `suite.py` reads it, `gate.py` asks it and decides,
`verdict.py` is the decision on paper and `report.py` its page. Whether the SQL of a model is right is asked by dbt
tests beside that model; moving a judged candidate into place is the work of `pipelines/release.py`.
"""
