"""Files of dialects: what a section declares, what it takes over, and what is refused at the start."""

from pathlib import Path

import pytest

from warehouse.raw.delivery import DeliveredFile
from warehouse.raw.reader import read_file
from warehouse.sources import SOURCES
from warehouse.sources.dialect import CONTROL_TOTALS, Dialect, DialectError, read_dialects
from warehouse.sources.regions import REGIONS


def declared(tmp_path: Path, content: str) -> dict[str, Dialect]:
    path = tmp_path / "dialects.toml"
    path.write_text(content, encoding="utf-8")
    return read_dialects(path)


def test_without_a_file_every_table_is_plain() -> None:
    assert read_dialects(None) == dict.fromkeys([*(source.name for source in SOURCES), CONTROL_TOTALS], Dialect())


def test_a_section_goes_before_the_default_key_by_key(tmp_path: Path) -> None:
    content = '[default]\ndelimiter = ";"\ndate = "DD/MM/YYYY"\n[clients]\ndate = ["YYYY-MM-DD"]\nencoding = "cp1258"\n'
    dialects = declared(tmp_path, content)
    assert dialects["regions"] == Dialect(delimiter=";", date=("DD/MM/YYYY",)) == dialects[CONTROL_TOTALS]
    assert dialects["clients"] == Dialect(delimiter=";", encoding="cp1258")
    assert dialects["clients"].marks() is None  # what the reader undoes is not told again


def test_marks_give_the_dialect_of_numbers_and_dates_again() -> None:
    dialect = Dialect(delimiter="\t", decimal=",", thousands="\u202f", date=("D.M.YYYY", "YYYYMMDD"), timestamp=("D.M.YYYY HH:MM",))
    marks = dialect.marks()
    assert marks == '{"date":["D.M.YYYY","YYYYMMDD"],"decimal":",","thousands":"\u202f","timestamp":["D.M.YYYY HH:MM"]}'
    assert Dialect.of_marks(marks).marks() == marks
    assert dialect.marks(numbers=False) == '{"date":["D.M.YYYY","YYYYMMDD"],"timestamp":["D.M.YYYY HH:MM"]}'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[payments]\n", "[payments]: no source table has this name; use default or one of regions,"),
        ("delimiter = ';'\n", "delimiter: must stand below a section, such as [default]"),
        ("default = 1\n", "default: must stand below a section"),
        ("[default]\ndelimeter = ';'\n", "[default] delimeter: no such key; use one of delimiter, quote,"),
        ("[default]\ndelimiter = 1\n", "[default] delimiter = 1: must be a text"),
        ("[default]\ndate = [1]\n", "[default] date = [1]: must be a text or a list of texts"),
        ("[default]\ndate = []\n", "must be a text or a list of texts"),
        ("[clients]\ndelimiter = ';;'\n", "[clients] delimiter ';;': must be one of"),
        ("[clients]\nquote = '`'\n", "[clients] quote '`': must be one of"),
        ("[clients]\nencoding = 'vietnamese'\n", "encoding 'vietnamese': must be the name of a text encoding"),
        ("[clients]\nencoding = 'utf-7'\n", "encoding 'utf-7': must be the name of a text encoding"),
        ("[clients]\ndecimal = ';'\n", "[clients] decimal ';': must be one of '.' ','"),
        ("[clients]\ndecimal = ','\n", "[clients] delimiter ',' is also a mark inside numbers"),
        ("[clients]\nthousands = '.'\n", "decimal and thousands are both '.'"),
        ("[clients]\ndate = 'DD/MM/YY'\n", "date 'DD/MM/YY': must have YYYY, MM (or M) and DD (or D) once"),
        ("[clients]\ndate = 'DD/MM/MM'\n", "date 'DD/MM/MM': must have YYYY"),
        ("[clients]\ndate = '/DDMMYYYY'\n", "must begin and end with"),
        ("[clients]\ndate = 'DMYYYY'\n", "M and D have one or two digits, so they need a mark between them"),
        ("[clients]\ndate = ['DD/MM/YYYY', 'M/D/YYYY']\n", "one text could be read by both; declare one of them"),
        ("[clients]\ndate = ['DDMMYYYY', 'YYYYMMDD']\n", "one text could be read by both; declare one of them"),
        ("[clients]\ntimestamp = 'DD/MM/YYYY'\n", "timestamp 'DD/MM/YYYY': must be a date, a space or T, and one of HH:MM:SS"),
        ("[clients\n", "cannot be read as TOML"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path: Path, content: str, why: str) -> None:
    with pytest.raises(DialectError) as refused:
        declared(tmp_path, content)
    assert str(refused.value).startswith(str(tmp_path / "dialects.toml"))
    assert why in str(refused.value)


def test_json_has_numbers_of_its_own(tmp_path: Path) -> None:
    dialect = Dialect(delimiter=";", decimal=",", date=("DD/MM/YYYY",))
    found = {}
    for name, content in (("regions.jsonl", '{"region_id": 1.5, "region_name": "a"}\n'), ("regions.csv", "region_id;region_name\n1,5;a\n")):
        path = tmp_path / name
        path.write_text(content)
        found[path.suffix] = read_file(DeliveredFile(name, path, REGIONS, path.suffix), tmp_path / f"{name}.spool", dialect).marks
    assert found == {".jsonl": dialect.marks(numbers=False), ".csv": dialect.marks()}
