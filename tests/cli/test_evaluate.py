"""``liverlib evaluate``: the same record as in Python, as a table and as files."""

import csv
import json

from phantoms import simple_case

from liverlib.cli.main import main
from liverlib.evaluation.folder import evaluate
from liverlib.evaluation.summary import SCHEMA, Summary
from liverlib.io.nifti import write_volume


def test_what_is_printed_and_saved_is_the_summary(tmp_path, capsys):
    for n in range(2):
        _, label = simple_case(n)
        write_volume(tmp_path / "labels" / f"case_{n}.nii.gz", label.voxels, label.grid)
        label.voxels[:, :, ::5] = 0
        write_volume(tmp_path / "masks" / f"case_{n}.nii.gz", label.voxels, label.grid)
    folders = [str(tmp_path / name) for name in ("labels", "masks")]
    out = tmp_path / "scores"
    words = ["--reference", folders[0], "--predicted", folders[1], "-o", str(out)]
    assert main(["evaluate", *words, "--workers", "1"]) == 0
    summary = evaluate(*folders, workers=1)
    assert str(summary) in capsys.readouterr().out
    content = json.loads((out / "evaluation.json").read_text())
    assert content["schema"] == SCHEMA
    assert Summary.from_dict(content).measure("liver", "Dice") == summary.measure("liver", "Dice")
    with open(out / "measures.csv", newline="") as file:
        rows = {(row["of"], row["measure"]): row for row in csv.DictReader(file)}
    assert float(rows["liver", "HD95"]["value"]) == summary.measure("liver", "HD95").value
