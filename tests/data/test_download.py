"""Downloads from a real server on the loopback address, undisturbed and with every fault."""

import gzip
import hashlib
import itertools
import multiprocessing
import os
import random
import shutil
import signal
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from web import Web, tar_of, tarred, volumes

from liverlib.cli.main import main
from liverlib.core.errors import LiverlibError
from liverlib.core.files import read_json
from liverlib.data import download, remote_tar, transfer
from liverlib.data.cases import find_cases
from liverlib.data.remote_tar import Remote, tar_members
from liverlib.io.nifti import read_label, write_volume
from liverlib.pipeline.paths import home
from liverlib.pipeline.run import STAGES, Run
from liverlib.preprocessing import stream
from liverlib.preprocessing.cache import prepare
from liverlib.preprocessing.cube import Cube, CubeSettings

CASES = 12
TINY = CubeSettings(size=16)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return volumes(tmp_path_factory.mktemp("data") / "Task03_Liver", CASES)


@pytest.fixture
def web(dataset, monkeypatch):
    """A server of that dataset's tar; the client does not wait long before it tries again."""
    monkeypatch.setattr(remote_tar, "PAUSES", (0.0, 0.0, 0.0))
    with Web(tarred(dataset)) as web:
        yield web
        web.shutdown()


def content(folder: Path) -> dict[str, bytes]:
    """Files by name; what a stopped download keeps in its hidden folder is left out."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(f): (folder / f).read_bytes() for f in files if f.parts[0] != ".download"}


def only(dataset: Path, *numbers: int) -> dict[str, bytes]:
    names = {f"liver_{n}.nii.gz" for n in numbers}
    return {name: data for name, data in content(dataset).items() if Path(name).name in names}


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
    assert len(web.sent) == before + 2  # one scan, one label: each fits into one block


def test_cases_cost_their_own_bytes_and_the_list_is_read_once(web, dataset, tmp_path):
    download.fetch(1, web.url, tmp_path)
    web.sent.clear()
    download.fetch(11, web.url, tmp_path)
    own = sum(map(len, only(dataset, *range(1, 11)).values()))
    assert sum(size for _, size in web.sent) == own
    assert len(web.sent) == 20


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


def test_a_tar_on_disk_and_a_folder_serve_the_same_way(web, dataset, tmp_path):
    (tmp_path / "some.tar").write_bytes(web.content)
    assert content(download.fetch(3, tmp_path / "some.tar", tmp_path / "a")) == only(
        dataset, 0, 1, 2
    )
    assert content(download.fetch(3, dataset, tmp_path / "b")) == only(dataset, 0, 1, 2)


def test_a_lits_folder_gets_msds_names(dataset, tmp_path):
    lits = tmp_path / "lits"
    lits.mkdir()
    for part, name in (("imagesTr", "volume"), ("labelsTr", "segmentation")):
        (lits / f"{name}-5.nii.gz").write_bytes((dataset / part / "liver_5.nii.gz").read_bytes())
    assert content(download.fetch(1, lits, tmp_path / "to")) == only(dataset, 5)


# ---- faults ------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("code", [403, 404, 500])
def test_a_server_that_fails_from_the_start_is_said(web, tmp_path, code, monkeypatch):
    monkeypatch.setattr("web.Handler.do_HEAD", lambda self: self.answer(code))
    web.faults = [status(code)] * 100
    with pytest.raises(LiverlibError, match=f"{code}|is not there"):
        download.fetch(1, web.url, tmp_path)


def test_a_server_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(remote_tar, "PAUSES", (0.0,))
    with pytest.raises(LiverlibError, match="after 2 tries"):
        download.fetch(1, "http://127.0.0.1:9/Task03_Liver.tar", tmp_path)
    with pytest.raises(LiverlibError, match=r"none\.tar: is not there"):
        download.fetch(1, tmp_path / "none.tar", tmp_path)


def test_a_tar_that_changed_is_refused(web, tmp_path):
    download.fetch(1, web.url, tmp_path)
    web.etag = '"2"'
    with pytest.raises(LiverlibError, match=r"another file than when its list was made. Delete"):
        download.fetch(2, web.url, tmp_path)


def test_a_server_that_lies_about_the_length_is_said(web, tmp_path, monkeypatch):
    half = len(web.content) // 2
    monkeypatch.setattr(
        "web.Handler.do_HEAD", lambda self: self.answer(200, {"Content-Length": half})
    )
    with pytest.raises(LiverlibError, match="not a whole, uncompressed tar"):
        download.fetch(1, web.url, tmp_path)


def test_the_tars_md5_is_checked_as_all_of_it_comes(web, dataset, tmp_path):
    right = hashlib.md5(web.content).hexdigest()
    download.fetch("all", web.url, tmp_path / "a", md5=right)
    assert content(tmp_path / "a") == content(dataset)
    assert sum(size for _, size in web.sent) < 2.2 * len(web.content)  # small: the list reads all
    with pytest.raises(LiverlibError, match=f"md5 {right}, not the published"):
        download.fetch("all", web.url, tmp_path / "a", md5="0" * 32)


# ---- stopped and started -----------------------------------------------------------------------


def fetch_in_blocks(block, cases, url, to, workers):
    transfer.BLOCK = block
    download.fetch(cases, url, to, workers)


def test_killed_at_twenty_random_moments_it_goes_on_where_it_was(web, dataset, tmp_path):
    """A moment is the n-th block that the server is asked for, n at random."""
    block, workers, chance = 1024, 2, random.Random(0)
    forks = multiprocessing.get_context("forkserver")  # fresh processes, libraries loaded
    forks.set_forkserver_preload(["liverlib.download", "fsspec.implementations.http"])
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


def fetch_and_die_between_two_renames(cases, url, to):
    renamed = os.replace

    def replace(source, target):
        if Path(source).parts[-2] == "labelsTr":
            os.kill(os.getpid(), signal.SIGKILL)
        renamed(source, target)

    os.replace = replace
    download.fetch(cases, url, to, workers=1)


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


# ---- tars that mean harm -----------------------------------------------------------------------


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
    with pytest.raises(LiverlibError, match=r"a.nii.gz is broken there.*header claims"):
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


def test_a_full_disk_is_said_before_anything_comes(web, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(LiverlibError, match="GB are needed there"):
        download.fetch(1, web.url, tmp_path)
    assert content(tmp_path) == {}


@pytest.mark.parametrize("cut_at", [100, 5000, -12_000])
def test_a_tar_that_is_cut_off_or_no_tar_is_said(dataset, tmp_path, cut_at):
    (tmp_path / "cut.tar").write_bytes(tarred(dataset)[:cut_at])
    with pytest.raises(LiverlibError, match=r"not a whole, unc|is cut off|holds no|lacks scan or"):
        download.fetch("all", tmp_path / "cut.tar", tmp_path / "to")
    assert len(content(tmp_path / "to")) < 2 * CASES


# ---- straight into cubes -----------------------------------------------------------------------


def test_streamed_cubes_are_those_from_files_and_no_scan_stays(web, dataset, tmp_path, monkeypatch):
    kinds, on_disk = [TINY, CubeSettings(size=12, crop="all")], []
    cube_of, arguments = download.cube_of, ("all", web.url, tmp_path / "to", kinds, tmp_path / "a")

    def watched(*arguments):
        on_disk.append(len({path.name for path in (tmp_path / "to").rglob("*.nii.gz")}))
        return cube_of(*arguments)

    monkeypatch.setattr(download, "cube_of", watched)
    paths = stream.fetch_cubes(*arguments)
    cases = [case for case in find_cases(dataset) if case.label]
    for n, settings in enumerate(kinds):
        from_files = prepare(cases, settings, tmp_path / "b", workers=1)
        for path, other in zip(paths[n :: len(kinds)], from_files, strict=True):
            assert path.relative_to(tmp_path / "a") == other.relative_to(tmp_path / "b")
            assert path.read_bytes() == other.read_bytes()
    assert 1 <= max(on_disk) <= 2
    assert not list((tmp_path / "to").rglob("*.nii.gz"))
    web.sent.clear()
    assert stream.fetch_cubes(*arguments) == paths
    assert not web.sent
    paths[0].write_bytes(paths[0].read_bytes()[:-1])
    with pytest.warns(UserWarning, match="not a cube"):
        assert stream.fetch_cubes(*arguments) == paths
    assert len(web.sent) == 2  # of that case


def test_streamed_cubes_are_trained_on_and_scored_once_their_scans_are_fetched(
    web, tmp_path, capsys
):
    folder, small = tmp_path / "Task03_Liver", ["--cube.size", "16"]
    download_ = ["download", "--url", web.url, "--to", str(folder)]
    assert main([*download_, "--cases", "all", "--into-cubes", *small]) == 0
    assert "12 cases with a label, 12 of them as cubes alone: MSD" in capsys.readouterr().out
    for look in STAGES:
        for one in "channels 4 8|epochs 1|steps 1|window 0|warmup 0".split("|"):
            small += f"--{look}.{one}".split()
    whole_way = ["--data", str(folder), "--run", "streamed", *small]
    assert main(["train", *whole_way]) == 0
    weights = home() / "results" / "streamed" / "weights.safetensors"
    trained = weights.read_bytes()
    capsys.readouterr()

    assert main(["run", *whole_way]) == 2
    text = capsys.readouterr().err
    assert "of 2 cases needed here it has the cubes alone" in text
    names = text.split("--cases")[1].split()
    assert main([*download_, "--cases", *names]) == 0
    assert "12 cases with a label, 10 of them as cubes alone" in capsys.readouterr().out
    assert main(["run", *whole_way]) == 0
    metrics = read_json(weights.parent / "metrics.json")
    assert {case["name"] for case in metrics["cases"]} == set(names)
    assert weights.read_bytes() == trained
    web.sent.clear()
    assert main([*download_, "--cases", "all", "--into-cubes", "--cube.size", "16"]) == 0
    assert not web.sent


def test_a_streamed_case_that_was_fetched_and_changed_is_another(web, tmp_path, own_home):
    """Its old cube, which its note still names, is not used for it, nor is the run that had it."""
    cubes = own_home / "data" / "cubes"
    stream.fetch_cubes(3, web.url, tmp_path / "d", [TINY], cubes)
    before = Run(data=tmp_path / "d").folder
    download.fetch(["liver_1"], web.url, tmp_path / "d")
    old = prepare(find_cases(tmp_path / "d"), TINY, cubes, workers=1)
    assert len(list(cubes.rglob("*.safetensors"))) == 3
    assert Run(data=tmp_path / "d").folder == before
    label = read_label(tmp_path / "d" / "labelsTr" / "liver_1.nii.gz")
    label.voxels[4:12] = 0
    write_volume(tmp_path / "d" / "labelsTr" / "liver_1.nii.gz", label.voxels, label.grid)
    new = prepare(find_cases(tmp_path / "d"), TINY, cubes, workers=1)
    assert [one == other for one, other in zip(old, new, strict=True)] == [True, False, True]
    assert Run(data=tmp_path / "d").folder != before


def test_what_streamed_cubes_cannot_do_is_said(web, tmp_path, own_home, capsys):
    cubes = own_home / "data" / "cubes"
    paths = stream.fetch_cubes(2, web.url, tmp_path / "d", [TINY], cubes)
    cases = find_cases(tmp_path / "d")
    assert prepare(cases, TINY, cubes) == paths
    again = r"of 2 cases needed here it has the cubes alone.*--cases liver_0 liver_1"
    with pytest.raises(LiverlibError, match=again):
        prepare(cases, CubeSettings(size=12), cubes)
    with pytest.raises(LiverlibError, match="of 1 cases"):
        cases[0].read()
    assert main(["check", str(tmp_path / "d")]) == 2
    assert "cubes alone. Fetch the scans" in capsys.readouterr().err
    (tmp_path / "d" / "cubesTr" / "liver_1.json").write_text("[]")
    with pytest.raises(LiverlibError, match=r"liver_1\.json: no note of a streamed case"):
        find_cases(tmp_path / "d")


def test_a_case_that_makes_no_cube_stops_no_other(dataset, tmp_path):
    bad = tmp_path / "bad"
    for name, data in only(dataset, 0, 1).items():
        (bad / name).parent.mkdir(parents=True, exist_ok=True)
        (bad / name).write_bytes(data)
    label = read_label(bad / "labelsTr" / "liver_0.nii.gz")
    write_volume(bad / "labelsTr" / "liver_0.nii.gz", label.voxels * 7, label.grid)
    with pytest.raises(
        LiverlibError, match=r"made no cube, all others did(.|\n)*liver_0.*label holds"
    ):
        stream.fetch_cubes("all", bad, tmp_path / "to", [TINY], tmp_path)
    (cube,) = tmp_path.rglob("*.safetensors")
    assert cube.stem.startswith("liver_1-")
    assert np.any(Cube.load(cube).soft_labels)


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
