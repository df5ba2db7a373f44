"""Prints the JSON Schema of policy files, for the copy that is committed beside them."""

from __future__ import annotations

import sys

from pipelines.policy import schema_text

if __name__ == "__main__":
    sys.stdout.write(schema_text())
