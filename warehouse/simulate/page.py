"""The tables of docs/simulator.md: schema versions and dirty rows, from the declarations that the generator works by.

The page is written by people; each table stands between two comments that name it and is replaced by `make docs`.
"""

import re
from dataclasses import fields
from itertools import groupby

from warehouse.simulate.catalog import DEFECTS, ELSEWHERE, Defect
from warehouse.simulate.profiles import FileRates, Rates
from warehouse.simulate.shocks import FOREVER, SHOCKS, Shock
from warehouse.simulate.versions import VERSIONS

BEGIN, END = "<!-- table {name}, written by `make docs` -->", "<!-- end of table {name} -->"


def with_tables(page: str) -> str:
    """The page with its tables as the declarations say now.

    Raises:
        ValueError: a table has no place in the page.
    """
    for name, lines in (("versions", _versions()), ("defects", _defects()), ("mishaps", _mishaps()), ("shocks", _shocks())):
        begin, end = BEGIN.format(name=name), END.format(name=name)
        if begin not in page or end not in page:
            raise ValueError(f"the page has no place for table {name}; write {begin} and {end} where it belongs")
        head, _, rest = page.partition(begin)
        page = "\n".join([head + begin, *lines, end]) + rest.partition(end)[2]
    return page


def _versions() -> list[str]:
    rows = [
        f"| {version.name} | {version.since if number else 'the beginning'} | {version.change} |" for number, version in enumerate(VERSIONS)
    ]
    return ["| Version | From | What is new |", "|---|---|---|", *rows]


def _defects() -> list[str]:
    """One row a defect, rule and disposition; its tables are listed."""
    kinds = sorted((*DEFECTS, *ELSEWHERE), key=lambda defect: (defect.id[0], defect.id))
    rows = []
    for (id, what, rule, disposition), same in groupby(kinds, lambda defect: (defect.id, defect.what, defect.rule, defect.disposition)):
        found = list(same)
        places = ", ".join(dict.fromkeys(_place(defect) for defect in found))
        rows.append(f"| {id} | {what} | {places} | {_rate(found[0])} | {rule and f'`{rule}`'} | {disposition} |")
    return ["| Id | What | Where | Rate | Rule | Disposition |", "|---|---|---|---|---|---|", *rows]


def _place(defect: Defect) -> str:
    if not defect.table:
        return "children of new clients and contracts"
    return f"{defect.table}.{defect.column}" if defect.column else defect.table


def _rate(defect: Defect) -> str:
    if defect.id in SHOCKS:
        return f"{SHOCKS[defect.id].begins} to {SHOCKS[defect.id].ends}, if the profile has the shock"
    rate = getattr(Rates(), defect.rate)
    return "days as the profile says" if isinstance(rate, int) else f"{rate * 100:g} %"


def _shocks() -> list[str]:
    def until(shock: Shock) -> str:
        return "" if shock.ends == FOREVER else shock.ends.isoformat()

    rows = [f"| {shock.id} | {shock.what} | {shock.begins} | {until(shock)} |" for shock in SHOCKS.values()]
    return ["| Id | What | From | Until |", "|---|---|---|---|", *rows]


def _mishaps() -> list[str]:
    """One row a kind of mishap, described where its rate is declared."""
    told = dict(re.findall(r"^ +(\w+): (.+)$", FileRates.__doc__ or "", flags=re.M))
    rows = [f"| {item.name} | {told[item.name]} | {_share(item.name, getattr(FileRates(), item.name))} |" for item in fields(FileRates)]
    return ["| Mishap | What | Rate |", "|---|---|---|", *rows]


def _share(name: str, rate: float) -> str:
    return f"{rate:g} a year" if name == "missing_days" else f"{rate * 100:g} %"
