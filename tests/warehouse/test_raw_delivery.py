"""Finding the files of a delivery: names, nesting, and what refuses it as a whole."""

import stat
import zipfile
from pathlib import Path

import pytest

from warehouse.raw import delivery
from warehouse.raw.delivery import DeliveryError, find_delivery, source_of


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("regions.csv", "regions"),
        ("raw_Customers.CSV", "clients"),
        ("LOANS_2.csv.gz", "contracts"),
        ("payments_0001.jsonl", "repayments"),
        ("raw_contract_status_history_3.parquet", "contract_status_history"),
        ("instalments.csv", "installments"),
        ("regions_old.csv", None),
        ("regions.xlsx", None),
        ("notes.txt", None),
        ("regions", None),
    ],
)
def test_a_file_is_known_by_its_stem(name: str, table: str | None) -> None:
    found = source_of(name)
    assert (found and found[0].name) == table


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_zip_with_one_folder_and_noise(tmp_path: Path, unpacked: Path) -> None:
    members = {
        "June/clients.csv": b"a",
        "June/regions.csv": b"b",
        "__MACOSX/June/._clients.csv": b"x",
        "June/.DS_Store": b"x",
        "June/README": b"r",
    }
    found = find_delivery(zip_of(tmp_path / "d.zip", members), unpacked)
    assert [(file.name, file.source.name) for file in found.files] == [("regions.csv", "regions"), ("clients.csv", "clients")]
    assert list(found.unknown) == ["README"]


def test_a_folder_may_hold_the_zip(tmp_path: Path, unpacked: Path) -> None:
    folder = tmp_path / "2024-06-30"
    folder.mkdir()
    zip_of(folder / "upload.zip", {"clients.csv": b"a"})
    assert [file.name for file in find_delivery(folder, unpacked).files] == ["clients.csv"]


def test_nothing_there_is_no_delivery(tmp_path: Path, unpacked: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_delivery(tmp_path / "absent.zip", unpacked)


def test_no_known_file_is_refused_with_the_names_to_use(tmp_path: Path, unpacked: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DeliveryError, match=r"holds no known file; name the files regions, product_types"):
        find_delivery(tmp_path, unpacked)


@pytest.mark.parametrize("name", ["../clients.csv", "/etc/clients.csv", "a/../../clients.csv", "..\\clients.csv", "C:/clients.csv"])
def test_names_that_lead_out_are_refused(tmp_path: Path, unpacked: Path, name: str) -> None:
    with pytest.raises(DeliveryError, match="leads out of the delivery"):
        find_delivery(zip_of(tmp_path / "d.zip", {name: b"x"}), unpacked)
    assert not list(unpacked.iterdir())


def test_links_are_refused(tmp_path: Path, unpacked: Path) -> None:
    linked = zipfile.ZipInfo("clients.csv")
    linked.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr(linked, "/etc/passwd")
    with pytest.raises(DeliveryError, match="symbolic link"):
        find_delivery(tmp_path / "d.zip", unpacked)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "clients.csv").symlink_to("/etc/passwd")
    with pytest.raises(DeliveryError, match="symbolic link"):
        find_delivery(folder, unpacked)


def test_a_damaged_zip_is_refused(tmp_path: Path, unpacked: Path) -> None:
    path = zip_of(tmp_path / "d.zip", {"clients.csv": b"client_id,region_id\n" + b"C1,R1\n" * 500})
    content = bytearray(path.read_bytes())
    for cut in (content[: len(content) // 2], b"", b"no zip at all"):
        path.write_bytes(bytes(cut))
        with pytest.raises(DeliveryError, match="the zip cannot be read"):
            find_delivery(path, unpacked)
    content[60] ^= 0xFF  # inside the packed bytes
    path.write_bytes(bytes(content))
    with pytest.raises(DeliveryError, match="the zip cannot be read"):
        find_delivery(path, unpacked)


def test_a_zip_that_unpacks_to_far_more_is_refused(tmp_path: Path, unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zip_of(tmp_path / "d.zip", {"clients.csv": b"0" * 4_000_000})
    monkeypatch.setattr(delivery, "RATIO_MATTERS_FROM", 1_000_000)
    with pytest.raises(DeliveryError, match="more than 400 times"):
        find_delivery(path, unpacked)
    monkeypatch.setattr(delivery, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(DeliveryError, match="at most 10000 files and 1000 bytes"):
        find_delivery(path, unpacked)
