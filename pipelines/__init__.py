"""MOVES data: in through connectors, through dbt, out through the release. Knows no orchestrator (see `assets/`).

Telemetry of the libraries is switched off here, before any of them can be imported: this project talks to configured
sources and to nobody else. dlt ignores DO_NOT_TRACK, so each library is told by its own name.
"""

import os

os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
# Arrow pages carry no load id unless dlt is told to add it, and readers bind to load ids.
os.environ.setdefault("NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID", "true")
# dlt rewrites its own config lookups and warns on stderr at INFO; problems reach people through our own errors.
os.environ.setdefault("RUNTIME__LOG_LEVEL", "ERROR")
