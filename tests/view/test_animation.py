import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from liverlib.core.errors import LiverlibError
from liverlib.io.volume import Grid, Volume
from liverlib.view.animation import MAX_BYTES, MAX_FRAMES, MAX_WIDTH, animate
from liverlib.view.slices import render_slice


def test_a_film_is_a_small_gif_of_the_livers_slices(case, tmp_path):
    assert animate(tmp_path / "a.gif", *case) == tmp_path / "a.gif"
    animate(tmp_path / "b.gif", *case)
    content = (tmp_path / "a.gif").read_bytes()
    assert content == (tmp_path / "b.gif").read_bytes()
    assert len(content) <= MAX_BYTES
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.n_frames == np.count_nonzero(case[1].voxels.any(axis=(0, 1)))
        assert picture.size == (256, 256)
        assert picture.info["loop"] == 0


def test_long_scans_and_noise_make_a_small_film_too(tmp_path):
    noise = np.random.default_rng(0).integers(-150, 250, (300, 200, 90), np.int16)
    scan = Volume(noise, Grid.of(noise.shape, np.diag([1, 1, 2, 1])))
    animate(tmp_path / "noise.gif", scan)
    assert (tmp_path / "noise.gif").stat().st_size <= MAX_BYTES
    with Image.open(tmp_path / "noise.gif") as picture:
        assert picture.n_frames == MAX_FRAMES and picture.width <= MAX_WIDTH
        assert picture.width / picture.height == pytest.approx(1.5, rel=0.02)


def test_the_tumour_in_a_film_keeps_its_colour(case, tmp_path):
    scan, label, _ = case
    animate(tmp_path / "a.gif", scan, label)
    middle = int((label.voxels == 2).sum(axis=(0, 1)).argmax())
    with Image.open(tmp_path / "a.gif") as picture:
        picture.seek(middle - int(np.nonzero(label.voxels.any(axis=(0, 1)))[0][0]))
        shown = picture.convert("RGB").resize((40, 40), Image.Resampling.BOX)
    wanted = render_slice(scan, "axial", middle, label=label)
    tumour = label.voxels[::-1, ::-1, middle].T == 2
    difference = np.asarray(shown)[tumour].mean(0) - wanted[tumour].mean(0)
    assert np.abs(difference).max() < 12


def test_a_film_of_another_kind_is_refused(case, tmp_path):
    with pytest.raises(LiverlibError, match=r"a\.mp4.*end in \.gif"):
        animate(tmp_path / "a.mp4", *case)
    assert list(tmp_path.iterdir()) == []


def test_films_need_no_matplotlib():
    code = "import sys, liverlib.view.animation; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False"
