"""Reads a Salesforce data export: one CSV per object with API names as headings, all together in one folder.

Account.csv, Opportunity.csv and OpportunityPartner.csv have to be there; any other object is read when its file is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.connector import Instance, Reading, RejectedLines
from pipelines.connectors.salesforce.objects import OBJECTS, SObject
from pipelines.connectors.salesforce.options import Options
from pipelines.connectors.salesforce.wire import with_partner_fields
from pipelines.csvfile import fingerprint, read_batches, read_header
from pipelines.errors import InputError


def read(instance: Instance) -> Iterator[Reading]:
    """One reading per object of the export folder.

    Raises:
        InputError: the folder or a file that has to be there is missing.
    """
    options: Options = instance.options
    folder = (instance.inputs / options.folder).resolve()
    if not folder.is_dir():
        raise InputError(
            f"source {instance.name}: folder {folder}: not there; nothing was loaded",
            next_step="give the folder of the export with `--data`, or set paths.inputs in the deployment file",
        )
    always = [one.name for one in OBJECTS if one.in_every_export]
    missing = [name for name in always if not (folder / f"{name}.csv").is_file()]
    if missing:
        raise InputError(
            f"source {instance.name}: folder {folder}: {', '.join(f'{name}.csv' for name in missing)} not there; "
            "nothing was loaded",
            next_step=f"export {', '.join(always)} together, one CSV per object",
            trouble="truncated",
        )
    for one in OBJECTS:
        path = folder / f"{one.name}.csv"
        if not path.is_file():
            continue
        header = read_header(path, source=instance.name, required=one.required, known=one.optional)
        lookups = tuple(options.partner_fields) if one.name == "Opportunity" else ()

        def batches(rejected: RejectedLines, path: Any = path, header: Any = header, lookups: Any = lookups) -> Any:
            for batch in read_batches(path, header, source=instance.name, rejected=rejected):
                yield with_partner_fields(batch, lookups)

        version = fingerprint(path, source=instance.name)
        if lookups:
            # What the rows say depends on the option, too.
            version = f"{version} {','.join(lookups)}"
        yield Reading(one.table, path.name, version, batches, options.exported_at)


def is_there(instance: Instance, one: SObject) -> bool:
    """Whether the folder holds an object's file."""
    options: Options = instance.options
    return (instance.inputs / options.folder / f"{one.name}.csv").is_file()
