"""Downloads from a real server on the loopback address: which cases come, and what they cost."""

import hashlib

import pytest
from web import CASES, content, only, tar_of

from liverlib.cli.main import main
from liverlib.core.errors import LiverlibError
from liverlib.data import download
from liverlib.data.cases import find_cases


def test_a_number_of_cases_is_what_the_files_are(web, dataset, tmp_path):
    folder = download.fetch(3, web.url, tmp_path / "to")
    assert content(folder) == only(dataset, 0, 1, 2)
    assert [case.name for case in find_cases(folder)] == ["liver_0", "liver_1", "liver_2"]


def test_names_all_and_labels_can_be_asked_for(web, dataset, tmp_path):
    assert content(download.fetch(["liver_7"], web.url, tmp_path / "a")) == only(dataset, 7)
    assert content(download.fetch("all", web.url, tmp_path / "b")) == content(dataset)
    labels = content(download.fetch("labels", web.url, tmp_path / "c"))
    assert len(labels) == CASES
    assert labels["labels/liver_3.nii.gz"] == content(dataset)["labelsTr/liver_3.nii.gz"]


def test_more_cases_later_fetch_only_what_is_new(web, dataset, tmp_path):
    download.fetch(2, web.url, tmp_path)
    before = len(web.sent)
    download.fetch(3, web.url, tmp_path)
    assert content(tmp_path) == only(dataset, 0, 1, 2)
    assert len(web.sent) == before + 2  # a scan and a label: each fits into a request


def test_a_label_that_was_corrected_is_kept(web, dataset, tmp_path):
    download.fetch(1, web.url, tmp_path)
    label = tmp_path / "labelsTr" / "liver_0.nii.gz"
    label.write_bytes(b"corrected by hand")
    with pytest.raises(LiverlibError, match=r"liver_0\.nii\.gz: is there, and is not as"):
        download.fetch(2, web.url, tmp_path)
    assert label.read_bytes() == b"corrected by hand"


def test_cases_cost_their_own_bytes_and_the_list_is_read_once(web, dataset, tmp_path):
    download.fetch(1, web.url, tmp_path)
    web.sent.clear()
    download.fetch(11, web.url, tmp_path)
    own = sum(map(len, only(dataset, *range(1, 11)).values()))
    assert sum(size for _, size in web.sent) == own
    assert len(web.sent) == 20


def test_a_tar_on_disk_and_a_folder_serve_alike(web, dataset, tmp_path):
    (tmp_path / "some.tar").write_bytes(web.content)
    for number, source in enumerate((tmp_path / "some.tar", dataset)):
        folder = download.fetch(3, source, tmp_path / str(number))
        assert content(folder) == only(dataset, 0, 1, 2)


def test_a_lits_folder_gets_msds_names(dataset, tmp_path):
    lits = tmp_path / "lits"
    lits.mkdir()
    for part, name in (("imagesTr", "volume"), ("labelsTr", "segmentation")):
        (lits / f"{name}-5.nii.gz").write_bytes((dataset / part / "liver_5.nii.gz").read_bytes())
    assert content(download.fetch(1, lits, tmp_path / "to")) == only(dataset, 5)


def test_the_tars_md5_is_checked_as_all_of_it_comes(web, dataset, tmp_path):
    right = hashlib.md5(web.content).hexdigest()
    download.fetch("all", web.url, tmp_path / "a", md5=right)
    assert content(tmp_path / "a") == content(dataset)
    assert sum(size for _, size in web.sent) < 2.2 * len(web.content)  # small: the list reads all
    with pytest.raises(LiverlibError, match=f"md5 {right}, not the published"):
        download.fetch("all", web.url, tmp_path / "a", md5="0" * 32)


def test_a_label_without_scan_is_not_fetched(dataset, tmp_path):
    files = [
        (f"T/{name}", data)
        for name, data in only(dataset, 0, 1).items()
        if name != "imagesTr/liver_1.nii.gz"
    ]
    (tmp_path / "some.tar").write_bytes(tar_of(files))
    with pytest.raises(LiverlibError, match="liver_1: lacks scan or label"):
        download.fetch(["liver_1"], tmp_path / "some.tar", tmp_path / "to")
    with pytest.raises(LiverlibError, match="liver_9: is not there"):
        download.fetch(["liver_9"], tmp_path / "some.tar", tmp_path / "to")
    with pytest.raises(LiverlibError, match="2 cases: there are 1 to 1"):
        download.fetch(2, tmp_path / "some.tar", tmp_path / "to")


def test_the_command_downloads_and_says_what_is_there(web, tmp_path, capsys):
    arguments = ["download", "--url", web.url, "--to", str(tmp_path / "d")]
    assert main([*arguments, "--cases", "2"]) == 0
    text = capsys.readouterr().out
    assert "2 cases with a label: MSD layout" in text
    assert "CC BY-SA 4.0" in text
    assert main([*arguments, "--cases", "liver_5", "liver_7"]) == 0
    assert "4 cases with a label" in capsys.readouterr().out
    assert main([*arguments, "--into-cubes", "--cube.size", "16", "--cases", "2"]) == 0
    assert "4 cubes: " in capsys.readouterr().out
    assert main([*arguments, "--cases", "500"]) == 2
    assert "there are 1 to 12" in capsys.readouterr().err
