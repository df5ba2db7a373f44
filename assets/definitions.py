"""What `dagster dev -w workspace.yaml` loads: the graph of the deployment in SEGMENTS_CONFIG, else ./segments.yml.

No secret is read and no source is asked while the graph loads.
"""

from __future__ import annotations

import os
from pathlib import Path

from assets.graph import define
from pipelines.settings import read_settings

_HERE = Path(__file__).resolve().parent.parent


def deployment_file() -> Path:
    """SEGMENTS_CONFIG, else segments.yml in the working folder, else the one of this repository."""
    named = os.environ.get("SEGMENTS_CONFIG")
    if named:
        return Path(named)
    here = Path("segments.yml")
    return here if here.exists() else _HERE / "segments.yml"


_data = os.environ.get("SEGMENTS_DATA")
defs = define(read_settings(deployment_file(), data=Path(_data) if _data else None)).definitions
