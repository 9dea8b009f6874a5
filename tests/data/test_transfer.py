"""Transfers from a real server on the loopback address: with every fault, stopped and started."""

import gzip
import itertools
import multiprocessing
import random
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest
from killed_downloads import fetch_and_die_between_two_renames, fetch_in_blocks
from web import CASES, content, only, tar_of, volumes

from liverlib.core.errors import LiverlibError
from liverlib.data import download, remote_tar, transfer
from liverlib.data.cases import find_cases
from liverlib.data.remote_tar import Remote, tar_members

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="no forkserver, no SIGKILL")


def status(code):
    return lambda handler, *_: handler.answer(code, body=b"no")


def cut(handler, start, stop):
    """Half of what was promised, then silence."""
    handler.send_response(206)
    handler.send_header("Content-Length", str(stop - start))
    handler.end_headers()
    handler.wfile.write(handler.server.content[start : (start + stop) // 2])
    handler.wfile.flush()
    handler.hang_up()


def refuse(handler, *_):
    handler.hang_up()


def too_short(handler, start, stop):
    """Says that what it sends is all."""
    body = handler.server.content[start : stop - 1]
    handler.answer(206, {"Content-Range": f"bytes {start}-{stop - 2}/*"}, body)


def too_long(handler, start, stop):
    handler.answer(206, {}, handler.server.content[start:stop] + b"x")


def other_bytes(handler, start, stop):
    body = bytes(byte ^ 255 for byte in handler.server.content[start:stop])
    handler.answer(206, {"Content-Range": f"bytes {start}-{stop - 1}/*"}, body)


def stall(handler, *_):
    handler.server.stalled.wait(20)
    handler.hang_up()


def redirect(handler, *_):
    handler.answer(302, {"Location": handler.server.url + "?again"})


def ignore_range(handler, *_):
    handler.answer(200, {}, handler.server.content)


PASSING = {
    "500": status(500),
    "503": status(503),
    "429": status(429),
    "416": status(416),
    "cut": cut,
    "refused": refuse,
    "too short": too_short,
    "too long": too_long,
    "redirect": redirect,
    "stall": stall,
}


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("after", [0, 3])
def test_a_fault_that_passes_ends_in_the_same_files(
    web, dataset, tmp_path, monkeypatch, fault, after
):
    """In the list (first) and in a scan or label (after it)."""
    if fault == "stall":  # elsewhere so short a time would fault a busy machine
        monkeypatch.setattr(remote_tar, "TIMEOUT", 0.5)
    web.stalled = threading.Event()
    served = [lambda *_: True]
    if after:
        tar_members(Remote(web.url), tmp_path / ".download" / "list.json")
    web.faults = served * after + [PASSING[fault]] * 2
    download.fetch(3, web.url, tmp_path)
    web.stalled.set()
    assert not web.faults
    assert content(tmp_path) == only(dataset, 0, 1, 2)


LASTING = {
    "403": (status(403), r"refuses \(403\).*mirror"),
    "404": (status(404), "is not there. Check the address"),
    "500": (status(500), "answers 500, after 4 tries"),
    "503": (status(503), "answers 503, after 4 tries"),
    "416": (status(416), "0 of .* bytes came, after 4 tries"),
    "cut": (cut, "after 4 tries. What has come is kept"),
    "refused": (refuse, "after 4 tries"),
    "too short": (too_short, "bytes came, after 4 tries"),
    "too long": (too_long, "bytes came, after 4 tries"),
    "no ranges": (ignore_range, "gives no parts of files. Use a mirror"),
    "other bytes": (other_bytes, r"imagesTr/liver_0.nii.gz is broken there"),
}


@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_lasts_ends_in_one_clear_error(web, tmp_path, fault):
    tar_members(Remote(web.url), tmp_path / ".download" / "list.json")
    answer, text = LASTING[fault]
    web.faults = [answer] * 500
    with pytest.raises(LiverlibError, match=text) as error:
        download.fetch(1, web.url, tmp_path)
    assert str(error.value).startswith(web.url)
    assert content(tmp_path) == {}


def test_a_broken_file_that_was_broken_on_the_way_is_fetched_again(web, dataset, tmp_path):
    tar_members(Remote(web.url), tmp_path / ".download" / "list.json")
    web.faults = [other_bytes]
    download.fetch(1, web.url, tmp_path)
    assert content(tmp_path) == only(dataset, 0)


@POSIX
def test_killed_at_twenty_random_moments_it_goes_on_where_it_was(web, dataset, tmp_path):
    """A moment is the n-th request of the server, n at random."""
    block, workers, chance = 1024, 2, random.Random(0)
    forks = multiprocessing.get_context("forkserver")  # fresh processes, libraries loaded
    forks.set_forkserver_preload(["liverlib.data.download", "fsspec.implementations.http"])
    arguments = (block, CASES, web.url, tmp_path, workers)
    tar_members(Remote(web.url), tmp_path / ".download" / "list.json")
    web.sent.clear()
    kills = 0
    for moment in [*(chance.randrange(1, 9) for _ in range(20)), None]:
        process = forks.Process(target=fetch_in_blocks, args=arguments)
        asked = itertools.count(1)

        def meanwhile(moment=moment, process=process, asked=asked):
            if next(asked) == moment:
                process.kill()

        web.meanwhile = meanwhile
        process.start()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    assert process.exitcode == 0
    assert kills == 20
    assert content(tmp_path) == only(dataset, *range(CASES))
    sent, own = (
        sum(size for _, size in web.sent),
        sum(map(len, only(dataset, *range(CASES)).values())),
    )
    assert own <= sent <= own + kills * workers * block


@POSIX
def test_a_scan_that_was_named_before_its_label_is_no_case_and_comes_no_second_time(
    web, dataset, tmp_path
):
    download.fetch(1, web.url, tmp_path)
    web.sent.clear()
    process = multiprocessing.get_context("forkserver").Process(
        target=fetch_and_die_between_two_renames, args=(2, web.url, tmp_path)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert content(tmp_path).keys() - only(dataset, 0).keys() == {"imagesTr/liver_1.nii.gz"}
    assert [case.name for case in find_cases(tmp_path)] == ["liver_0"]
    assert content(download.fetch(2, web.url, tmp_path)) == only(dataset, 0, 1)
    assert sum(size for _, size in web.sent) == sum(map(len, only(dataset, 1).values()))


def packed(dataset: Path, change) -> bytes:
    """A tar of one case, its unpacked scan changed."""
    image, label = only(dataset, 0).values()
    return tar_of(
        [
            ("T/imagesTr/a.nii.gz", gzip.compress(change(gzip.decompress(image)))),
            ("T/labelsTr/a.nii.gz", label),
        ]
    )


def test_a_file_that_unpacks_to_more_than_it_claims_is_refused(dataset, tmp_path):
    (tmp_path / "bomb.tar").write_bytes(packed(dataset, lambda nifti: nifti + bytes(50_000_000)))
    with pytest.raises(LiverlibError, match=r"a.nii.gz is broken there.*its header says"):
        download.fetch(1, tmp_path / "bomb.tar", tmp_path / "to")
    assert content(tmp_path / "to") == {}


def test_a_label_of_another_shape_is_refused(dataset, tmp_path):
    other = volumes(tmp_path / "other", 1, size=20)
    files = [
        ("T/imagesTr/a.nii.gz", (dataset / "imagesTr" / "liver_0.nii.gz").read_bytes()),
        ("T/labelsTr/a.nii.gz", (other / "labelsTr" / "liver_0.nii.gz").read_bytes()),
    ]
    (tmp_path / "mixed.tar").write_bytes(tar_of(files))
    with pytest.raises(LiverlibError, match="do not belong together"):
        download.fetch(1, tmp_path / "mixed.tar", tmp_path / "to")
    assert content(tmp_path / "to") == {}


def test_a_full_disk_is_an_error_before_anything_comes(web, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(LiverlibError, match="GB are needed there"):
        download.fetch(1, web.url, tmp_path)
    assert content(tmp_path) == {}
