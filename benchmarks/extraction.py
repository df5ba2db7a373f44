"""`python -m benchmarks.extraction`: a live source read into the lake, beside a bare loop that reads the same pages.

An invented vendor in a process of its own serves pages that are rendered beforehand, so that it costs the reader
nothing. Each way of reading runs in a fresh process and says how many CPU seconds it took beyond its imports and how
much memory it held at most. The bare loop asks for one page after the other and writes Arrow to Parquet: no retries, no
checks, no history. Rows and sums of both ways are compared.

A second part reads opportunities of the Salesforce fake page by page, as JSON by REST and as CSV by Bulk jobs, without
landing them: what a row costs before it is the same for both.

Aims are printed, never enforced: only different rows fail.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parent.parent
AIM_RATIO, AIM_MEGABYTES, AIM_NOTHING_NEW, AIM_BULK = 2.0, 600.0, 1.0, 5.0
# The fake renders its pages in memory.
_MOST_OF_AN_ORG = 200_000
COLUMNS = (
    "id", "account_id", "name", "stage_name", "type", "amount", "currency_iso_code", "close_date", "created_date",
    "changed_at", "is_closed", "is_won", "probability", "owner_id", "address",
)  # fmt: skip
_STAGES = ("Prospecting", "Qualification", "Proposal", "Negotiation", "Closed Won", "Closed Lost")
_PAGE_MARK = b"#######"


# -- the vendor --------------------------------------------------------------------------------------------------------


def _rendered(rows: int) -> bytes:
    """The records of one page as JSON; their ids hold a mark where the number of the page belongs."""
    chance = random.Random(2026)
    mark = _PAGE_MARK.decode()
    return json.dumps(
        [
            {
                "id": f"006{mark}{row:05d}AAA",
                "account_id": f"001{chance.randrange(10**12):012d}AAA",
                "name": f"Renewal {chance.randrange(10**6)} of Contoso {chance.randrange(10**4)} Ltd",
                "stage_name": chance.choice(_STAGES),
                "type": chance.choice(("New Business", "Renewal", None)),
                "amount": chance.randrange(10**7) / 100,
                "currency_iso_code": chance.choice(("EUR", "USD", "SEK")),
                "close_date": f"2026-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}",
                "created_date": f"2025-{chance.randint(1, 12):02d}-14T09:30:00.000+0000",
                "changed_at": f"2026-09-{chance.randint(1, 28):02d}T07:{chance.randint(0, 59):02d}:00.000+0000",
                "is_closed": chance.random() < 0.5,
                "is_won": chance.random() < 0.3,
                "probability": chance.randrange(0, 100, 10),
                "owner_id": f"005{chance.randrange(10**3):012d}AAA",
                "address": {"city": "Malmö", "country": "Sweden", "postal_code": str(chance.randrange(10**5))},
            }
            for row in range(rows)
        ],
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


class _Vendor(asyncio.Protocol):
    """Answers GETs with pages; who asks for what has changed is told that nothing has."""

    pages: tuple[bytes, ...] = ()
    last = b""
    count = 0

    def __init__(self) -> None:
        self._heard = b""
        self._out: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._out = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while b"\r\n\r\n" in self._heard and self._out:
            head, _, self._heard = self._heard.partition(b"\r\n\r\n")
            body = self._page(head.split(b" ", 2)[1].decode())
            length = str(len(body)).encode()
            kind = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
            self._out.writelines((kind, length, b"\r\n\r\n", body))

    def _page(self, target: str) -> bytes:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        number = int(asked.get("page", "0"))
        if asked.get("since") or number >= self.count:
            return b'{"records":[],"next":null}'
        records = self.last if number == self.count - 1 else self.pages[0]
        following = str(number + 1).encode() if number + 1 < self.count else b"null"
        return b'{"records":%b,"next":%b}' % (records.replace(_PAGE_MARK, b"%07d" % number), following)


def _serve_org(rows: int) -> None:
    """A Salesforce org with so many opportunities, until this process ends."""
    import pyarrow as pa

    from demo.vendors.salesforce import SalesforceOrg
    from demo.vendors.serving import serve

    chance = random.Random(2026)
    org = SalesforceOrg()
    columns: dict[str, Any] = {
        "Id": [f"006{number:015d}" for number in range(rows)],
        "AccountId": [f"001{chance.randrange(10**12):015d}" for _ in range(rows)],
        "Name": [f"Renewal {chance.randrange(10**6)} of Contoso {chance.randrange(10**4)} Ltd" for _ in range(rows)],
        "StageName": [chance.choice(_STAGES) for _ in range(rows)],
        "Type": [chance.choice(("New Business", "Renewal", None)) for _ in range(rows)],
        "LeadSource": [chance.choice(("Web", "Partner Referral", None)) for _ in range(rows)],
        "Amount": pa.array([chance.randrange(10**7) / 100 for _ in range(rows)]),
        "CloseDate": [f"2026-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}" for _ in range(rows)],
        "IsClosed": pa.array([chance.random() < 0.5 for _ in range(rows)]),
        "IsWon": pa.array([chance.random() < 0.3 for _ in range(rows)]),
        "OwnerId": [f"005{chance.randrange(10**3):015d}" for _ in range(rows)],
        "IsDeleted": pa.array([False] * rows),
        "CreatedDate": [f"2025-{chance.randint(1, 12):02d}-14T09:30:00.000+0000" for _ in range(rows)],
        "SystemModstamp": [
            f"2026-{1 + 8 * number // rows:02d}-14T{number % 24:02d}:30:00.000+0000" for number in range(rows)
        ],
    }
    org.load_block("Opportunity", pa.table(columns))
    org.bulk_polls = 0
    with serve(org.app()) as served:
        print(served.url, org.app_key, org.app_secret, flush=True)
        sys.stdin.read()  # until whoever started it closes its end


@contextmanager
def org(rows: int) -> Iterator[dict[str, str]]:
    """What a reader needs of an org in a process of its own: its address and who the reader is."""
    arguments = _command("--serve-org", "--rows", str(rows))
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        assert process.stdout is not None
        url, key, secret = process.stdout.readline().split()
        yield {"url": url, "SEGMENTS_CRM_CLIENT_ID": key, "SEGMENTS_CRM_CLIENT_SECRET": secret}
        process.communicate()


async def _serve(rows: int, page: int) -> None:
    _Vendor.pages = (_rendered(min(page, rows)),)
    _Vendor.count = -(-rows // page)
    _Vendor.last = _rendered(rows - (_Vendor.count - 1) * page)
    server = await asyncio.get_running_loop().create_server(_Vendor, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


@contextmanager
def vendor(rows: int, page: int) -> Iterator[str]:
    """The address of a vendor with so many records, in a process of its own for as long as the block lasts."""
    arguments = ["--serve", "--rows", str(rows), "--page", str(page)]
    with subprocess.Popen(_command(*arguments), stdout=subprocess.PIPE, text=True, env=_environment()) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()  # it holds nothing that wants closing, and a signal that is asked for may be ignored


# -- the ways to read --------------------------------------------------------------------------------------------------


def read_bare(url: str, folder: Path) -> dict[str, Any]:
    """The shortest way: page after page, Arrow, Parquet."""
    import orjson
    import pyarrow as pa
    import pyarrow.parquet as pq
    import requests

    with _measured() as took, requests.Session() as session:
        writer, held, rows = None, [], 0
        number: int | None = 0
        while number is not None:
            page = orjson.loads(session.get(f"{url}/opportunities", params={"page": number}, timeout=60).content)
            held.append(pa.Table.from_pylist(page["records"]))
            number = page["next"]
            if number is None or sum(table.num_rows for table in held) >= 50_000:
                table = pa.concat_tables(held, promote_options="default")
                writer = writer or pq.ParquetWriter(folder / "bare.parquet", table.schema)
                writer.write_table(table)
                rows += table.num_rows
                held.clear()
        if writer:
            writer.close()
    return {"rows": rows, "files": str(folder / "bare.parquet"), **took}


def read_into_the_lake(url: str, folder: Path) -> dict[str, Any]:
    """What a run does for one live source."""
    import dlt  # imported where there is something to land, and an import in any case
    import duckdb  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    from pipelines.extract import extract
    from pipelines.warehouse import Places

    settings, source = _deployment(url, folder)
    # dlt loads parts of itself on first use, which is import by another name.
    import dlt.destinations.impl.filesystem.filesystem
    import dlt.normalize.items_normalizers  # noqa: F401

    places = Places.of(settings)
    with _measured() as took:
        (landed,) = extract(settings, places, source)
    files = places.lake / source.name / landed.table / "*" / "*.parquet"
    return {"rows": landed.rows, "is_new": landed.is_new, "files": str(files), **took}


def _deployment(url: str, folder: Path) -> tuple[Any, Any]:
    """Settings with their state in `folder`, and a source that reads the invented vendor."""
    from pydantic import BaseModel

    from pipelines.connector import Connector, Instance, Table
    from pipelines.http import Answer, Http, HttpOptions, Request, StaticToken
    from pipelines.pull import Missing, Page, Probe, Stream, Window
    from pipelines.settings import read_settings

    class Options(BaseModel):
        base_url: str

    class Client:
        """Reads one table by pages, all of it or what has changed."""

        def __init__(self, instance: Instance) -> None:
            token = StaticToken("benchmark-token")
            self._http = Http(instance.options.base_url, source=instance.name, auth=token, options=HttpOptions())

        def streams(self) -> list[Stream]:
            return [Stream(opportunities, self._read, cursor="changed_at", origin="opportunities")]

        def _read(self, window: Window) -> Iterator[Page]:
            since = {"since": window.since.isoformat()} if window.since else {}

            def follow(page: Any, answer: Answer) -> Request | None:
                following = page["next"]
                return Request("GET", "opportunities", {"page": following, **since}) if following else None

            first = Request("GET", "opportunities", {"page": 0, **since})
            for page in self._http.pages(first, follow, expect=("records",)):
                yield page["records"]

        def missing(self) -> list[Missing]:
            return []

        def probe(self) -> Probe:
            return Probe("benchmark")

        def close(self) -> None:
            self._http.close()

    opportunities = Table("opportunities", COLUMNS, ("id",), "increment")
    connector = Connector("invented", "crm", (opportunities,), {}, Options, connect=Client)
    file = folder / "segments.yml"
    if not file.exists():
        file.write_text("sources: {crm: {connector: files, options: {kind: crm}}}\npolicy: {active: none}\n")
    return read_settings(file), Instance("crm", connector, Options(base_url=url), folder)


def read_org(url: str, way: str) -> dict[str, Any]:
    """The opportunities of an org as the connector gives them to the kit, by REST or by Bulk jobs."""
    import pyarrow as pa
    import pyarrow.csv

    from pipelines.clock import now
    from pipelines.connector import Instance, find
    from pipelines.pull import Window

    connector = find("salesforce")
    much = 10**9 if way == "rest" else 0
    options = connector.options(domain=url, use_bulk_above=much, http={"backoff_seconds": 0.01})
    assert connector.connect is not None
    client = connector.connect(Instance("crm", connector, options, Path()))
    stream = next(one for one in client.streams() if one.table.name == "opportunity")
    with _measured() as took:
        windows = stream.slices(None, now()) if stream.slices else [Window()]
        pages = [page for window in windows for page in stream.read(window)]
    client.close()
    tables = [page for page in pages if isinstance(page, pa.Table)]
    return {"rows": sum(one.num_rows for one in tables), "content": _content(tables), **took}


def _content(tables: Sequence[Any]) -> str:
    """A mark of all rows, whatever their order."""
    import duckdb
    import pyarrow as pa

    page = pa.concat_tables(tables)
    names = ", ".join(f"coalesce({name}, chr(30))" for name in sorted(page.column_names))
    with duckdb.connect() as con:
        con.register("page", page)
        return str(con.execute(f"select sum(cast(hash(concat_ws(chr(31), {names})) as hugeint)) from page").fetchone())


WAYS = {"bare": read_bare, "lake": read_into_the_lake}


# -- measuring ---------------------------------------------------------------------------------------------------------


@contextmanager
def _measured() -> Iterator[dict[str, float]]:
    import pyarrow as pa

    # The first list that Arrow sees makes it import pandas: an import, too.
    pa.array([None])
    took: dict[str, float] = {}
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    yield took
    after = resource.getrusage(resource.RUSAGE_SELF)
    took["seconds"] = time.perf_counter() - wall
    took["cpu"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    took["megabytes"] = _peak()


def _peak() -> float:
    """Megabytes that this process held at most. Linux tells its own peak; elsewhere it may be its parent's."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    own = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return (own[0] if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.extraction", *arguments]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEGMENTS_")}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}


def read(way: str, url: str, folder: Path, **secrets: str) -> dict[str, Any]:
    """One way of reading in a fresh process; returns rows, seconds, CPU seconds and megabytes."""
    folder.mkdir(parents=True, exist_ok=True)
    arguments = _command("--read", way, "--url", url, "--folder", str(folder))
    done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, env={**_environment(), **secrets}, check=False)
    if done.returncode != 0:
        raise SystemExit(f"reading the {way} way ended with code {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def differing(bare_files: str, lake_files: str) -> list[str]:
    """What the two ways have in common must be equal: rows, ids, amounts, what is null, and the objects' content."""
    import duckdb

    of_rows = (
        "select count(*), count(distinct id), sum(cast(amount as decimal(18, 2))), count(type), "
        "count(*) filter (cast(is_won as varchar) = 'true'), sum(cast(probability as bigint)), "
        "min(changed_at), max(changed_at), {city} from read_parquet('{files}', hive_partitioning = false)"
    )
    with duckdb.connect() as con:
        bare = con.execute(
            of_rows.format(files=bare_files, city="count(*) filter (address.city = 'Malmö')")
        ).fetchall()[0]
        lake = con.execute(
            of_rows.format(
                files=lake_files,
                city="""count(*) filter (contains(address, '"city":"Malmö"'))""",
            )
        ).fetchall()[0]
    names = ("rows", "ids", "amount", "types", "won", "probability", "first stamp", "last stamp", "cities")
    return [f"{n}: {a} and {b}" for n, a, b in zip(names, bare, lake, strict=True) if a != b]


def measure(rows: int, page: int, folder: Path, *, repeats: int = 1) -> dict[str, Any]:
    """Both ways at one size in turn, then a reading that finds nothing new; medians over `repeats` rounds."""
    found: dict[str, Any] = {"rows": rows, "page": page, "differences": []}
    rounds: dict[str, list[dict[str, Any]]] = {"bare": [], "lake": [], "again": []}
    with vendor(rows, page) as url:
        for number in range(1, repeats + 1):
            place = folder / str(number)
            print(f"{rows:,} rows: round {number} of {repeats}", file=sys.stderr, flush=True)
            for way in WAYS:
                rounds[way].append(read(way, url, place))
            rounds["again"].append(read("lake", url, place))
            found["differences"] += differing(rounds["bare"][-1]["files"], rounds["lake"][-1]["files"])
            if rounds["again"][-1]["is_new"]:
                found["differences"].append("a second reading landed something")
    _settle(found, rounds)
    return found


def measure_org(rows: int, folder: Path, *, repeats: int = 1) -> dict[str, Any]:
    """Both of Salesforce's ways at one size in turn; medians over `repeats` rounds."""
    found: dict[str, Any] = {"rows": rows, "differences": []}
    rounds: dict[str, list[dict[str, Any]]] = {"rest": [], "bulk": []}
    with org(rows) as there:
        url = there.pop("url")
        for number in range(1, repeats + 1):
            print(f"{rows:,} rows of Salesforce: round {number} of {repeats}", file=sys.stderr, flush=True)
            for way, figures in rounds.items():
                figures.append(read(way, url, folder, **there))
    _settle(found, rounds)
    contents = {(one["rows"], one["content"]) for figures in rounds.values() for one in figures}
    if len(contents) > 1 or {one[0] for one in contents} != {rows}:
        found["differences"].append(f"rows and content by way and round: {sorted(contents)}")
    return found


def _settle(found: dict[str, Any], rounds: dict[str, list[dict[str, Any]]]) -> None:
    """Of several rounds the median of the times and the largest memory."""
    for way, figures in rounds.items():
        middle = {name: median(one[name] for one in figures) for name in ("seconds", "cpu")}
        found[way] = {**figures[-1], **middle, "megabytes": max(one["megabytes"] for one in figures)}


def table(results: Sequence[dict[str, Any]], of_org: dict[str, Any]) -> str:
    """The figures as text for people; the largest size is held against the aims."""
    lines = []
    for found in results:
        lines += [
            "",
            f"{found['rows']:,} opportunities in pages of {found['page']:,}; requests and orjson in both",
            f"{'':<42}{'seconds':>10}{'CPU s':>10}{'us/row':>10}{'MB':>10}{'x bare':>10}",
        ]
        says = {"bare": "bare loop into Parquet", "lake": "extraction into the lake"}
        for way, words in says.items():
            one = found[way]
            each, ratio = one["cpu"] / found["rows"] * 1e6, one["cpu"] / found["bare"]["cpu"]
            lines.append(
                f"{words:<42}{one['seconds']:>10.2f}{one['cpu']:>10.2f}{each:>10.1f}{one['megabytes']:>10.0f}"
                f"{ratio:>10.2f}"
            )
        again = found["again"]
        words = "nothing new, beyond the imports"
        lines.append(f"{words:<42}{again['seconds']:>10.2f}{again['cpu']:>10.2f}{'':>10}{again['megabytes']:>10.0f}")
    lines += ["", f"{of_org['rows']:,} opportunities of the Salesforce fake, read and not landed"]
    for way, words in (("rest", "REST, pages of JSON"), ("bulk", "Bulk jobs, pages of CSV")):
        one = of_org[way]
        each, ratio = one["cpu"] / of_org["rows"] * 1e6, one["cpu"] / of_org["bulk"]["cpu"]
        lines.append(
            f"{words:<42}{one['seconds']:>10.2f}{one['cpu']:>10.2f}{each:>10.1f}{one['megabytes']:>10.0f}{ratio:>9.1f}x"
        )
    most = results[-1]
    cheaper = of_org["rest"]["cpu"] / of_org["bulk"]["cpu"]
    aims = (
        ("CPU, x bare loop", most["lake"]["cpu"] / most["bare"]["cpu"], AIM_RATIO, ".2f"),
        ("peak memory at any size, MB", max(x["lake"]["megabytes"] for x in results), AIM_MEGABYTES, ".0f"),
        ("nothing new, CPU s beyond the imports", most["again"]["cpu"], AIM_NOTHING_NEW, ".2f"),
    )
    lines += ["", f"{'aims':<42}{'found':>10}{'aim':>10}"]
    lines += [
        f"{words:<42}{value:>10{form}}{aim:>10{form}}  {'met' if value <= aim else 'not met'}"
        for words, value, aim, form in aims
    ]
    words = "Bulk CSV, x cheaper than REST JSON"
    lines.append(f"{words:<42}{cheaper:>10.1f}{AIM_BULK:>10.1f}  {'met' if cheaper >= AIM_BULK else 'not met'}")
    every = [*results, of_org]
    wrong = [f"  {found['rows']:,} rows: {sentence}" for found in every for sentence in found["differences"]]
    return "\n".join([*lines, "", "THE ROWS DIFFER" if wrong else "the rows are equal", *wrong])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.extraction",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Read a live source into the lake and, beside it, the same pages with a bare loop into Parquet;\n"
        "check that the rows are equal, and print CPU seconds, memory and the ratio.",
        epilog="exit codes: 0 equal rows, 1 different rows or a reading that failed. A missed aim is no failure:\n"
        "timings belong to a machine.",
    )
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N", help="records (default: %(default)s)")
    parser.add_argument("--page", type=int, default=1000, metavar="N", help="records per page (default: %(default)s)")
    parser.add_argument(
        "--repeat", type=int, default=3, metavar="N", help="rounds per size, medians count (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work here and leave everything for a look")
    own = (("--serve", bool), ("--serve-org", bool), ("--read", str), ("--url", str), ("--folder", Path))
    for name, kind in own:
        # How the command starts itself for the vendor and for each way of reading.
        given: dict[str, Any] = {"action": "store_true"} if kind is bool else {"type": kind}
        parser.add_argument(name, help=argparse.SUPPRESS, **given)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if min(options.rows, options.page, options.repeat) < 1:
        parser.error("--rows, --page and --repeat start at 1")
    if options.serve:
        asyncio.run(_serve(options.rows, options.page))
        return 0
    if options.serve_org:
        _serve_org(options.rows)
        return 0
    if options.read:
        logging.disable(logging.WARNING)
        way = options.read
        print(json.dumps(WAYS[way](options.url, options.folder) if way in WAYS else read_org(options.url, way)))
        return 0
    with tempfile.TemporaryDirectory(prefix="segments-benchmark-") as scratch:
        folder = (options.keep or Path(scratch)).resolve()
        # Two sizes, so that memory which grows with the rows is seen to do so.
        sizes = sorted({max(1, options.rows // 4), options.rows})
        results = [measure(rows, options.page, folder / str(rows), repeats=options.repeat) for rows in sizes]
        of_org = measure_org(min(options.rows, _MOST_OF_AN_ORG), folder / "org", repeats=options.repeat)
        print(json.dumps([*results, of_org], indent=2) if options.json else table(results, of_org))
    return 1 if any(found["differences"] for found in [*results, of_org]) else 0


if __name__ == "__main__":
    raise SystemExit(main())
