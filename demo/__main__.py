"""`python -m demo`: writes the sample company into a folder. It only reads arguments; the writers stand beside."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from demo.company import COMPANY, DEFAULT_PARTNERS, DEFAULT_QUARTERS, DEFAULT_SEED
from demo.salesforce_export import write_salesforce_export
from demo.sample_company import write_sample_company


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"Write the sample company ({COMPANY}, invented): 120 partners, 12 quarters up to 2026Q3.\n"
        "The same arguments give the same bytes. docs/sample-company.md tells what is planted in it.",
        epilog="examples:\n"
        "  python -m demo --to data/sample              one Salesforce export of 2026-10-05\n"
        "  python -m demo --to data/sample --whole      CRM, account mapping and PRM, each exported twice",
    )
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="made if missing")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--partners", type=int, default=DEFAULT_PARTNERS, metavar="N",
        help="partner accounts; all planted stories need 40 (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--quarters", type=int, default=DEFAULT_QUARTERS, metavar="N",
        help="quarters of history, counted back from 2026Q3 (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--whole", action="store_true",
        help="write every system at both export days into FOLDER/<system>/<day>, not one Salesforce export",
    )  # fmt: skip
    parser.add_argument(
        "--crm", choices=("templates", "salesforce"), default="templates",
        help="with --whole: the CRM in this project's column names, or as Salesforce exports (default: %(default)s)",
    )  # fmt: skip
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    size = {"seed": options.seed, "partners": options.partners, "quarters": options.quarters}
    try:
        if options.whole:
            counts = write_sample_company(options.to, crm=options.crm, **size)
        else:
            counts = write_salesforce_export(options.to, **size)
    except (ValueError, OSError) as problem:
        print(f"python -m demo: {problem}", file=sys.stderr)
        return 2
    for name, rows in counts.items():
        print(f"{name}: {rows:,} rows")
    print(f"written to {options.to}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
