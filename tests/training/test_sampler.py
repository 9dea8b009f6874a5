import dataclasses

import numpy as np
import pytest
import torch
from phantoms import simple_case

from liverlib.core.errors import LiverlibError
from liverlib.preprocessing.cube import CubeSettings, to_cube
from liverlib.training.sampler import PatchSampler, to_float, whole_cube
from liverlib.training.settings import ORIGINAL, TrainSettings


def sampler(cubes, tumour: float, liver: float, patch_size: int = 16, seed: int = 0):
    settings = TrainSettings(
        patch_size=patch_size, tumour_fraction=tumour, liver_fraction=liver, seed=seed
    )
    return PatchSampler(cubes, settings)


def test_the_original_recipe_shows_whole_cubes_once_an_epoch(cubes):
    patches = PatchSampler(cubes, ORIGINAL)
    assert (len(patches), patches.edge) == (5, 32)
    images = [patches.batch([draw])[0] for draw in range(5)]
    assert images[0].shape == (1, 1, 32, 32, 32)
    assert len({image.float().sum().item() for image in images}) == 5
    whole = {whole_cube(path)[0].float().sum().item() for path in cubes}
    assert {image.float().sum().item() for image in images} == whole


def test_patches_show_tumours_as_often_as_asked(cubes):
    _, soft_labels = sampler(cubes, tumour=1, liver=0).batch(range(30))
    assert (soft_labels[:, 1].flatten(1).amax(1) > 0).all()
    _, soft_labels = sampler(cubes, tumour=0, liver=1).batch(range(30))
    assert (soft_labels[:, 0].flatten(1).amax(1) > 0).all()
    _, soft_labels = sampler(cubes, tumour=0, liver=0, patch_size=8).batch(range(30))
    assert (soft_labels[:, 0].flatten(1).amax(1) == 0).any()


def test_a_draw_depends_on_the_seed_and_its_number_alone(cubes):
    patches = sampler(cubes, 0.5, 0.3)
    image, soft_labels = patches.batch(range(10))
    assert image.dtype == soft_labels.dtype == torch.uint8
    assert soft_labels.shape == (10, 2, 16, 16, 16)
    again = sampler(cubes, 0.5, 0.3).batch([7, 3])
    assert torch.equal(again[0], image[[7, 3]]) and torch.equal(again[1], soft_labels[[7, 3]])
    other = sampler(cubes, 0.5, 0.3, seed=1).batch(range(10))
    assert not torch.equal(other[0], image)


def test_a_patch_larger_than_a_cube_is_the_cube(cubes):
    patches = sampler(cubes, 0.5, 0.5, patch_size=64)
    assert patches.edge == 32
    assert patches.batch([0])[0].shape == (1, 1, 32, 32, 32)


def test_cubes_without_tumour_have_no_lesions_to_sample_and_can_be_sampled(tmp_path):
    scan, label = simple_case()
    label.voxels[label.voxels == 2] = 1
    to_cube(scan, label, CubeSettings(size=32)).save(tmp_path / "free.safetensors")
    patches = sampler([tmp_path / "free.safetensors"], tumour=1, liver=0)
    assert not patches.lesions
    assert not patches.batch(range(5))[1][:, 1].any()


def test_cubes_without_a_label_are_refused(tmp_path):
    path = tmp_path / "free.safetensors"
    to_cube(simple_case()[0], None, CubeSettings(size=32)).save(path)
    for use in (lambda: sampler([path], tumour=1, liver=0), lambda: whole_cube(path)):
        with pytest.raises(LiverlibError, match=r"free\.safetensors: has no label"):
            use()


def test_each_lesion_is_sampled_alike_small_or_large(tmp_path):
    scan, label = simple_case()
    label.voxels[label.voxels == 2] = 1
    inside = np.argwhere(label.voxels)
    label.voxels[tuple(inside[0])] = 2
    x, y, z = inside[len(inside) // 2]
    label.voxels[x - 3 : x + 4, y - 3 : y + 4, z - 3 : z + 4] = 2
    settings = CubeSettings(size=40, crop="all")
    to_cube(scan, label, settings).save(tmp_path / "two.safetensors")
    patches = sampler([tmp_path / "two.safetensors"], tumour=1, liver=0, patch_size=8)
    assert len(patches.lesions) == 2
    volumes = patches.batch(range(200))[1][:, 1].flatten(1).float().sum(1)
    assert 60 < (volumes > 2 * 255).sum() < 140


def test_bytes_become_numbers_from_0_to_1(cubes):
    image, soft_labels = to_float(*whole_cube(cubes[0]))
    assert image.shape == (1, 1, 32, 32, 32) and soft_labels.shape == (1, 2, 32, 32, 32)
    assert image.dtype == soft_labels.dtype == torch.float32
    assert 0 <= image.min() < image.max() <= 1
    assert soft_labels.max() == 1


def test_settings_that_leave_no_patch_anywhere_are_possible(cubes):
    settings = dataclasses.replace(TrainSettings(), tumour_fraction=0.5, liver_fraction=0.5)
    assert PatchSampler(cubes, settings).fractions == [0.5, 0.5, 0]
