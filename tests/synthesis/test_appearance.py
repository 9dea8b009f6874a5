"""What histogram and noise spectrum of a cube say, on cubes whose answer is known."""

import numpy as np
import pytest
from scipy import ndimage

from liverlib.synthesis.appearance import (
    BIN_HU,
    SQUARE,
    cube_appearance,
    hu_histogram,
    noise_spectrum,
    read_appearances,
    write_appearances,
)

WINDOW = (-120.0, 120.0)
WHOLE = np.ones((64, 64, 20), bool)


def cube_of(hu: np.ndarray) -> np.ndarray:
    """HU over the window as a cube's uint8."""
    return np.rint((hu - WINDOW[0]) * (255 / (WINDOW[1] - WINDOW[0]))).clip(0, 255).astype(np.uint8)


def white(hu: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, hu, WHOLE.shape)


def test_a_histogram_lies_where_the_values_lie():
    percent, middles = hu_histogram(cube_of(40 + white(10)), WHOLE, WINDOW)
    assert percent.sum() == pytest.approx(100) and np.ptp(np.diff(middles)) < 1e-9
    mean = (percent * middles).sum() / 100
    deviation = np.sqrt((percent * (middles - mean) ** 2).sum() / 100)
    assert mean == pytest.approx(40, abs=0.3)
    assert deviation == pytest.approx(np.hypot(10, BIN_HU / np.sqrt(12)), abs=0.3)


def test_only_what_is_inside_and_not_clipped_is_counted():
    hu = np.full(WHOLE.shape, 300.0)
    hu[:8] = -60.0
    percent, middles = hu_histogram(cube_of(hu), WHOLE, WINDOW)
    assert percent.max() == 100 and abs(middles[percent.argmax()] + 60) <= BIN_HU / 2
    nowhere, _ = hu_histogram(cube_of(hu), ~WHOLE, WINDOW)
    assert not nowhere.any()


def test_white_noise_has_its_variance_at_every_frequency():
    power, frequency = noise_spectrum(cube_of(white(20)), WHOLE, WINDOW)
    assert frequency[0] == 1 / SQUARE and frequency[-1] == 0.5
    assert power[1:] == pytest.approx(np.full(len(power) - 1, 400), rel=0.1)


def test_smoothing_takes_away_what_its_gain_says():
    """A mean over 3 voxels along an axis keeps (1 + 2 cos 2πf) / 3 of the amplitude."""
    smooth = ndimage.uniform_filter(white(60), (3, 3, 1), mode="wrap")
    power, frequency = noise_spectrum(cube_of(smooth), WHOLE, WINDOW)
    f = np.fft.fftfreq(SQUARE)
    gain = (1 + 2 * np.cos(2 * np.pi * f)) / 3
    expected = 3600 * np.outer(gain**2, gain**2)
    radius = np.hypot(f[:, None], f)
    for value, at in list(zip(power, frequency, strict=True))[1:]:  # a plane takes of the first
        around = np.abs(radius - at) * SQUARE < 0.5
        assert value == pytest.approx(expected[around].mean(), rel=0.15, abs=0.02 * 3600)


def test_a_slope_is_no_noise_and_squares_across_the_border_are_left_out():
    slope = np.add.outer(np.linspace(-60, 60, 64), np.linspace(-30, 30, 64))
    hu = np.repeat(slope[:, :, None], 20, 2)
    assert noise_spectrum(cube_of(hu), WHOLE, WINDOW)[0].max() < 1  # rounding to grey values
    inside = WHOLE.copy()
    inside[32:] = False
    hu[32:] = 100
    assert noise_spectrum(cube_of(hu), inside, WINDOW)[0].max() < 1
    assert np.isnan(noise_spectrum(cube_of(hu), ~WHOLE, WINDOW)[0]).all()


def test_of_a_cube_the_liver_counts_without_its_tumours():
    soft_labels = np.zeros((2, *WHOLE.shape), np.uint8)
    soft_labels[0, :48] = 255
    soft_labels[1, :16] = 255
    hu = white(5)
    hu[:16] -= 60
    hu[48:] += 60
    shown = cube_appearance(cube_of(hu), soft_labels, WINDOW)
    assert list(shown) == ["liver", "cube", "noise"]
    percent, middles = shown["liver"]
    assert percent[abs(middles) > 40].sum() == 0
    percent, middles = shown["cube"]
    assert percent[middles < -30].sum() == pytest.approx(25, abs=0.5)
    assert shown["noise"][0][1:] == pytest.approx(np.full(7, 25), rel=0.2)


def test_appearances_are_read_as_they_were_written(tmp_path):
    soft_labels = np.stack([WHOLE, ~WHOLE]) * np.uint8(255)
    written = {name: cube_appearance(cube_of(white(9, n)), soft_labels, WINDOW)
               for n, name in enumerate("ab")}  # fmt: skip
    write_appearances(tmp_path / "table.csv", written)
    read = read_appearances(tmp_path / "table.csv")
    assert list(read) == ["a", "b"]
    for name, appearance in written.items():
        assert list(read[name]) == list(appearance)
        for of, curve in appearance.items():
            np.testing.assert_allclose(read[name][of], curve, atol=5e-5)
