"""DECLARES the graph: what is made, in which order, when, how it shows in the UI. The only room that knows Dagster."""

import pipelines  # noqa: F401  its import switches telemetry off, here before Dagster and dbt are imported
