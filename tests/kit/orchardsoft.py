"""What a person fills in who adds the invented CRM Orchardsoft, step by step as CONTRIBUTING tells it.

Orchardsoft has firms, deals, and firms that help with deals. Its words are its own: a firm is a partner by its
relation, a deal is won or lost by its phase, and a helper brought a deal or helped with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NAME = "orchardsoft"
CONNECTOR = f"pipelines/connectors/{NAME}.py"
FAKE = f"demo/vendors/{NAME}.py"
STAGING = f"dbt_project/models/staging/{NAME}/stg_{NAME}__"
ROLES = "dbt_project/seeds/partner_role_map.csv"


@dataclass(frozen=True)
class Edit:
    """One replacement in one file; without `old` the text is put at its end."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Step:
    """One step of the chapter: its title, and what is changed in it."""

    title: str
    edits: tuple[Edit, ...] = ()

    def take(self, root: Path) -> None:
        """Make the changes; every text that is replaced stands there exactly once."""
        for edit in self.edits:
            path = root / edit.file
            text = path.read_text(encoding="utf-8")
            if edit.old:
                assert text.count(edit.old) == 1, f"{edit.file}: {text.count(edit.old)} times: {edit.old!r}"
                text = text.replace(edit.old, edit.new)
            else:
                text += edit.new
            path.write_text(text, encoding="utf-8")


_MARK = "        -- TODO: the vendor's columns, cast; what it does not have stays null, which means unknown\n"


_CASTS = "            ('s.is_deleted', 'boolean'), ('s.changed_at', 'timestamp')\n"


def _columns(entity: str, *pairs: tuple[str, str], casts: str = "") -> tuple[Edit, ...]:
    """The mark taken out, columns that were null given a value, and what is cast named among what may fail."""
    file = f"{STAGING}{entity}.sql"
    types = {"boolean": "boolean", "amount": "decimal(18,4)", "close_date": "date", "employees": "bigint"}
    edits = [Edit(file, _MARK, "")]
    if casts:
        edits.append(Edit(file, _CASTS, f"            {casts},\n{_CASTS}"))
    for column, value in pairs:
        kind = types["boolean"] if column.startswith("is_") else types.get(column, "varchar")
        kind = "timestamp" if column.endswith("_at") else kind
        edits.append(Edit(file, f"cast(null as {kind}) as {column}", f"{value} as {column}"))
    return tuple(edits)


STEPS = (
    Step("Write the skeleton"),
    Step(
        "Put the vendor into the fake",
        (
            Edit(FAKE, "TODO which documented answers are given here.", "lists, who am I, and the quota's answer."),
            Edit(
                FAKE,
                """\
        # TODO records of every object with the vendor's own fields; among them a partner with a deal of its own
        for number in range(1, 8):
            self.put("accounts", f"a{number}", at=began + timedelta(hours=number))
""",
                """\
        for number in range(1, 21):
            firm = {
                "title": f"Firm {number}",
                "site": f"https://firm{number}.example",
                "relation": "partner" if number <= 6 else "customer",
                "heads": 10 * number,
            }
            self.put("accounts", f"a{number:02d}", at=began + timedelta(hours=number), **firm)
        for number in range(1, 37):
            deal = {
                "firm": f"a{7 + number % 14:02d}",
                "label": f"Deal {number}",
                "worth": f"{1000 * number}.50",
                "phase": ("won", "won", "lost", "talking")[number % 4],
                "opened": f"2026-0{1 + number % 6}-03T09:00:00+00:00",
                "closes": f"2026-0{3 + number % 6}-20",
            }
            self.put("opportunities", f"d{number:02d}", at=began + timedelta(hours=number), **deal)
            helper = {"deal": f"d{number:02d}", "firm": f"a{1 + number % 5:02d}"}
            role = "Brought it" if number % 3 else "Helped with it"
            self.put("opportunity_partners", f"h{number:02d}", at=began + timedelta(hours=number), role=role, **helper)
""",
            ),
        ),
    ),
    Step(
        "Declare options, tables and columns",
        (
            Edit(
                CONNECTOR, "TODO which edition or plan of this CRM has an API.", "a CRM, every edition with its API v1."
            ),
            Edit(
                CONNECTOR,
                '    # TODO the vendor\'s own address\n    base_url: str = Field("https://api.example.com"',
                '    base_url: str = Field("https://api.orchardsoft.example"',
            ),
            Edit(
                CONNECTOR,
                "# TODO the columns that staging reads, as the vendor spells them; all land as text, undeclared ones "
                "too.\n",
                "",
            ),
            Edit(
                CONNECTOR,
                '        "accounts",\n        ("id", "is_deleted", "changed_at"),\n',
                '        "accounts",\n'
                '        ("id", "title", "site", "relation", "heads", "is_deleted", "changed_at"),\n',
            ),
            Edit(
                CONNECTOR,
                '        "opportunities",\n        ("id", "is_deleted", "changed_at"),\n',
                '        "opportunities",\n'
                '        ("id", "firm", "label", "worth", "phase", "opened", "closes", "is_deleted", "changed_at"),\n',
            ),
            Edit(
                CONNECTOR,
                '        ("id", "role", "is_deleted", "changed_at"),\n',
                '        ("id", "deal", "firm", "role", "is_deleted", "changed_at"),\n',
            ),
        ),
    ),
    Step(
        "Read every object",
        (
            Edit(
                CONNECTOR,
                "# TODO where every table is listed; one without a path is not read, and what rests on it is unknown.\n"
                '_PATHS = {"accounts": "v1/accounts"}\n',
                '_PATHS = {table.name: f"v1/{table.name}" for table in _TABLES}\n',
            ),
            Edit(
                CONNECTOR, "# Records of one page. TODO the most that the vendor gives.", "# The vendor gives no more."
            ),
            Edit(
                CONNECTOR,
                "TODO its limits and the words it has for them, and what a list leaves out unsaid.",
                "a thousand calls a day.",
            ),
            Edit(CONNECTOR, "    # TODO how it says that a quota is used up, or that it wants a pause\n", ""),
        ),
    ),
    Step(
        "Map the columns",
        (
            *_columns(
                "accounts",
                ("name", "s.title"),
                ("domain", "{{ domain_of('s.site') }}"),
                ("employees", "try_cast(s.heads as bigint)"),
                ("is_partner", "s.relation = 'partner'"),
                casts="('s.heads', 'bigint')",
            ),
            *_columns(
                "opportunities",
                ("name", "s.label"),
                ("account_id", "s.firm"),
                ("amount", "try_cast(s.worth as decimal(18,4))"),
                ("stage", "s.phase"),
                ("is_closed", "s.phase in ('won', 'lost')"),
                ("is_won", "s.phase = 'won'"),
                ("created_at", "{{ utc_timestamp('s.opened') }}"),
                ("close_date", "try_cast(s.closes as date)"),
                casts="('s.worth', 'decimal(18,4)'), ('s.opened', 'timestamp'), ('s.closes', 'date')",
            ),
            *_columns("opportunity_partners", ("opportunity_id", "s.deal"), ("account_id", "s.firm")),
        ),
    ),
    Step(
        "Map the words",
        (Edit(ROLES, "", f"{NAME},brought it,sourced\n{NAME},helped with it,influenced\n"),),
    ),
    Step("Run it until nothing is left"),
    Step("Take it through to a release"),
)
