"""The list of a remote tar: what it costs, and what is refused."""

import itertools
import tarfile

import pytest
from web import CASES, Web, content, only, tar_of, tarred

from liverlib.core.errors import LiverlibError
from liverlib.data import download, remote_tar
from liverlib.data.remote_tar import Remote, tar_members


def status(code):
    return lambda handler, *_: handler.answer(code, body=b"no")


@pytest.mark.parametrize("size", [200, 30_000, 300_000])
def test_a_list_of_500_members_takes_at_most_40_requests(tmp_path, size):
    files = [
        (f"T/{part}/x_{n}.nii.gz", bytes(size + n))
        for part in ("imagesTr", "labelsTr")
        for n in range(125)
    ]
    with Web(tar_of(files)) as web:
        members = tar_members(Remote(web.url), tmp_path / "list.json")
        assert len(members) == 250
        assert len(web.content) > 500 * 512
        assert web.requests <= 40
        web.shutdown()


def test_far_apart_members_cost_one_small_request_each(tmp_path):
    """As in MSD's tar, where a scan is 100 MB: nothing of it is read for the list."""
    files = [(f"T/imagesTr/x_{n}.nii.gz", bytes(2_000_000)) for n in range(20)]
    with Web(tar_of(files)) as web:
        tar_members(Remote(web.url), tmp_path / "list.json")
        assert web.requests <= 22
        assert sum(size for _, size in web.sent) <= 22 * (16 << 10) + (4 << 20)
        web.shutdown()


@pytest.mark.parametrize("code", [403, 404, 500])
def test_a_server_that_fails_from_the_start_is_an_error(web, tmp_path, code, monkeypatch):
    monkeypatch.setattr("web.Handler.do_HEAD", lambda self: self.answer(code))
    web.faults = [status(code)] * 100
    with pytest.raises(LiverlibError, match=f"{code}|is not there"):
        download.fetch(1, web.url, tmp_path)


def test_a_server_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(remote_tar, "PAUSES", (0.0,))
    with pytest.raises(LiverlibError, match="after 2 tries"):
        download.fetch(1, "http://127.0.0.1:9/Task03_Liver.tar", tmp_path)
    with pytest.raises(LiverlibError, match=r"none\.tar: is not there"):
        download.fetch(1, tmp_path / "none.tar", tmp_path)


def test_a_tar_that_changed_is_refused(web, tmp_path):
    download.fetch(1, web.url, tmp_path)
    web.etag = '"2"'
    with pytest.raises(LiverlibError, match=r"another file than .*another folder"):
        download.fetch(2, web.url, tmp_path)


@pytest.mark.parametrize("listed", [False, True])
def test_a_tar_that_is_replaced_midway_leaves_no_file_of_it(web, tmp_path, listed):
    """At the second request: within its list, or within the first case."""
    if listed:
        tar_members(Remote(web.url), tmp_path / ".download" / "list.json")
    asked = itertools.count(1)

    def replace_it():
        if next(asked) == 2:
            web.content, web.etag = web.content[:-1] + b"x", '"2"'

    web.meanwhile = replace_it
    with pytest.raises(LiverlibError, match="was replaced while it was read"):
        download.fetch(2, web.url, tmp_path, workers=1)
    assert content(tmp_path) == {}
    if listed:
        with pytest.raises(LiverlibError, match="another file than when its list was made"):
            download.fetch(2, web.url, tmp_path)
    else:
        assert download.fetch(2, web.url, tmp_path) == tmp_path


def test_a_tar_from_elsewhere_must_hold_the_same_files(web, dataset, tmp_path):
    download.fetch(1, web.url, tmp_path / "to")
    (tmp_path / "mirror.tar").write_bytes(web.content)
    download.fetch(2, tmp_path / "mirror.tar", tmp_path / "to")
    assert content(tmp_path / "to") == only(dataset, 0, 1)
    (tmp_path / "other.tar").write_bytes(tar_of([("T/imagesTr/x.nii.gz", b"1")]))
    with pytest.raises(LiverlibError, match=r"holds other files than .*mirror.*another folder"):
        download.fetch(1, tmp_path / "other.tar", tmp_path / "to")


@pytest.mark.parametrize("url", ["ftp://host/Task03_Liver.tar", "s3://bucket/a.tar", "x://y"])
def test_addresses_that_are_not_of_the_web_are_refused(tmp_path, url):
    with pytest.raises(LiverlibError, match=f"{url}: only http"):
        download.fetch(1, url, tmp_path)


STRANGE = {
    "a list": "[]",
    "a number": "3",
    "empty": "",
    "no members": '{"url": "U", "length": 1, "version": ""}',
    "members of another kind": '{"url": "U", "length": 1, "version": "", "members": [1]}',
    "a name outside": (
        '{"url": "U", "length": 1, "version": "", "members": [["../../imagesTr/a.nii", 1, 2]]}'
    ),
    "a negative size": (
        '{"url": "U", "length": 1, "version": "", "members": [["imagesTr/a.nii", -1, 2]]}'
    ),
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
def test_a_strange_list_is_refused(web, tmp_path, text):
    (tmp_path / ".download").mkdir()
    (tmp_path / ".download" / "list.json").write_text(text)
    with pytest.raises(LiverlibError, match=r"list\.json: .*[Dd]elete it"):
        download.fetch(1, web.url, tmp_path)


def test_a_server_that_lies_about_the_length_is_an_error(web, tmp_path, monkeypatch):
    half = len(web.content) // 2
    monkeypatch.setattr(
        "web.Handler.do_HEAD", lambda self: self.answer(200, {"Content-Length": half})
    )
    with pytest.raises(LiverlibError, match="not a whole, uncompressed tar"):
        download.fetch(1, web.url, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "../labelsTr/x.nii.gz",
        "/etc/imagesTr/x.nii.gz",
        "a/../../imagesTr/x.nii",
        "a\\..\\imagesTr\\x.nii",
        "C:\\imagesTr\\x.nii",
    ],
)
def test_names_cannot_lead_out_of_the_folder(tmp_path, name):
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(LiverlibError, match="names a file outside its folder"):
        download.fetch(1, tmp_path / "bad.tar", tmp_path / "deep" / "er")


def test_links_are_not_followed(tmp_path):
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        for part in ("imagesTr", "labelsTr"):
            link = tarfile.TarInfo(f"T/{part}/x.nii.gz")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
    with pytest.raises(LiverlibError, match="holds no imagesTr"):
        download.fetch(1, tmp_path / "bad.tar", tmp_path / "to")


@pytest.mark.parametrize("cut_at", [100, 5000, -12_000])
def test_a_tar_that_is_cut_off_or_no_tar_is_an_error(dataset, tmp_path, cut_at):
    (tmp_path / "cut.tar").write_bytes(tarred(dataset)[:cut_at])
    with pytest.raises(LiverlibError, match=r"not a whole, unc|is cut off|holds no|lacks scan or"):
        download.fetch("all", tmp_path / "cut.tar", tmp_path / "to")
    assert len(content(tmp_path / "to")) < 2 * CASES
