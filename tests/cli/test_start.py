"""What one does first: the demo, the notebooks, where things are, completion."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from phantoms import simple_case

from liverlib.cli import main as cli
from liverlib.cli.main import COMMANDS, GROUPS, main
from liverlib.cli.start.demo import PHANTOM
from liverlib.io.nifti import read_label, write_volume
from liverlib.pipeline import paths


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The pages that a browser was asked for."""
    pages: list[str] = []
    monkeypatch.setattr("webbrowser.open", pages.append)
    monkeypatch.setenv("DISPLAY", ":0")
    return pages


@pytest.fixture
def small(monkeypatch) -> None:
    """The demo of a small scan, which takes no time."""
    monkeypatch.setattr("liverlib.synthesis.phantom.phantom.make_phantom", lambda _: simple_case())


def test_the_demos_phantom_has_a_tumour_that_is_found(own_home, opened, capsys):
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out
    liver, tumour = map(float, re.findall(r"\d\.\d{3}", printed))
    assert liver > 0.95 and tumour > 0.5
    page = own_home / "results" / "demo" / f"phantom_{PHANTOM:03d}.html"
    assert printed.splitlines()[-1].split()[-1] == str(page)
    assert opened == [page.as_uri()]
    label = read_label(page.with_name("reference.nii.gz")).voxels
    assert label.shape == read_label(page.with_name("mask.nii.gz")).voxels.shape


@pytest.mark.usefixtures("small")
def test_the_demo_opens_no_browser_where_it_is_not_to_or_cannot(opened, monkeypatch, capsys):
    assert main(["demo", "--no-browser"]) == 0
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main(["demo"]) == 0
    assert not opened
    assert capsys.readouterr().out.splitlines()[-1].startswith("report    ")


@pytest.mark.usefixtures("small")
def test_a_mask_of_the_demo_that_was_corrected_is_kept(own_home, capsys):
    words = ["demo", "--no-browser"]
    assert main(words) == main(words) == 0
    path = own_home / "results" / "demo" / "mask.nii.gz"
    mask = read_label(path)
    mask.voxels[0, 0, 0] = 2
    write_volume(path, mask)
    assert main(words) == 2
    assert "mask.nii.gz: is there" in capsys.readouterr().err
    assert read_label(path).voxels[0, 0, 0] == 2
    assert main([*words, "--overwrite"]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
def test_a_reader_that_has_enough_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "liverlib", "where"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    _, error = process.communicate()
    assert (process.returncode, error) == (0, b"")


def test_notebooks_are_copied_and_those_of_the_user_are_kept(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert main(["notebooks", str(folder)]) == 0
    assert main(["notebooks", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"notebooks {folder}"
    copies = sorted(folder.iterdir())
    assert [copy.name for copy in copies] == [path.name for path in paths.notebooks()]
    assert len(copies) == 9
    copies[3].write_text("mine")
    copies[2].unlink()
    assert main(["notebooks", str(folder)]) == 2
    assert copies[3].name in capsys.readouterr().err
    assert copies[3].read_text() == "mine" and not copies[2].exists()
    assert main(["notebooks", str(folder), "--overwrite"]) == 0
    assert copies[3].read_bytes() == paths.notebooks()[3].read_bytes()


def test_notebooks_need_no_file_that_is_not_copied():
    names = {path.name for path in paths.notebooks()}
    for path in paths.notebooks():
        cells = json.loads(path.read_text("utf-8"))["cells"]
        text = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        links = re.findall(r"\]\(([^)#]+)\)", text)
        assert {link for link in links if "://" not in link} <= names


def test_where_lists_the_folders_with_their_sizes(own_home, capsys):
    (own_home / "data" / "cubes").mkdir(parents=True)
    (own_home / "data" / "cubes" / "x").write_bytes(b"1" * 3_000_000)
    assert main(["where"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"data +3\.\d MB  {re.escape(str(own_home / 'data'))}", lines[0])
    assert re.fullmatch(r"  cubes +3\.\d MB", lines[1])
    assert re.fullmatch(rf"results +0\.0 MB  {re.escape(str(own_home / 'results'))}", lines[2])


def test_every_command_stands_in_one_group_of_the_help(capsys):
    assert sorted(" ".join(GROUPS.values()).split()) == sorted(COMMANDS)
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    printed = capsys.readouterr().out
    for name, (function, _) in COMMANDS.items():
        assert re.search(rf"^    {name} +{re.escape(function.__doc__)}$", printed, re.MULTILINE)


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["seg"], {"segment"}),
        (["segment", "--ov"], {"--overwrite"}),
        (["run", "--preset", "be"], {"best"}),
        (["segment", "--weights", "we"], {"weights.safetensors"}),
    ],
)
def test_bash_completes_commands_options_values_and_files(typed, completed, capsys, tmp_path):
    pytest.importorskip("shtab")
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    (tmp_path / "weights.safetensors").touch()
    words = " ".join(["liverlib", *typed])
    code = (
        f"source ./script; COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _shtab_liverlib;"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert set(done.stdout.split()) == completed, done.stderr


def test_completion_without_shtab_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install shtab" in capsys.readouterr().err


TINY = [
    *"--cube.size 32 --split.validation 0.2 --split.test 0.4 --roi.epochs 0".split(),
    *"--coarse.channels 8 16 --coarse.epochs 1 --coarse.steps 2 --coarse.patch_size 16".split(),
]
WRITING = {  # the last word of the last line
    "phantoms --phantom.size 32 --phantom.cases 2": r"^home/data/phantoms/\w+/Task03_Liver$",
    "prepare data --cube.size 32 --workers 1": r"^home/data/cubes/\w+$",
    "download --cases all --url data --to there": "^there$",
    "check data": "^home/results/check-data.png$",
    "segment data/imagesTr/liver_0.nii.gz -o m.nii.gz --report page --anyway": "^page$",
    "segment data/imagesTr -o masks --anyway": "^masks$",
    "lesions data/imagesTr/liver_0.nii.gz data/labelsTr/liver_0.nii.gz -o page": "^page/",
    "evaluate --reference data/labelsTr --predicted data/labelsTr -o scores": "^scores$",
    "notebooks mine": "^mine$",
    f"train --data data --run first {' '.join(TINY)}": "^home/results/first/weights.safetensors$",
    f"run --data data --run first {' '.join(TINY)}": "^home/results/first/report.html$",
}


@pytest.mark.parametrize("words", WRITING, ids=lambda words: " ".join(words.split()[:2]))
def test_each_command_that_writes_says_where_in_its_last_line(words, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    for n in range(5):
        for part, volume in zip(("imagesTr", "labelsTr"), simple_case(n), strict=True):
            write_volume(tmp_path / "data" / part / f"liver_{n}.nii.gz", volume)
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 0
    last = capsys.readouterr().out.splitlines()[-1].split()[-1]
    assert re.search(WRITING[words], Path(last).as_posix()), last


def test_commands_that_write_are_all_tested():
    silent = {"cache", "where", "completion"}
    elsewhere = {"demo", "export"}  # above and below
    assert {words.split()[0] for words in WRITING} == set(cli.COMMANDS) - silent - elsewhere


def test_export_says_where_in_its_last_line(tmp_path, monkeypatch, capsys):
    write = "liverlib.inference.export.bundle.write_bundle"
    monkeypatch.setattr(write, lambda folder, weights: [folder / "a", folder / "b"])
    assert main(["export", "--monai", "-o", str(tmp_path / "x")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"results   {tmp_path / 'x'}"
