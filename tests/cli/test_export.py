"""``liverlib export``."""

import pytest
from stages import save_untrained

from liverlib.cli.main import main


def test_a_folder_that_holds_files_is_kept(tmp_path, capsys):
    weights = save_untrained(tmp_path / "w.safetensors", "body", "liver")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mine").touch()
    words = ["export", "--monai", "-o", str(tmp_path / "x"), "--weights", str(weights)]
    assert main(words) == 2
    assert "holds files" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["mine"]
    assert main([*words, "--overwrite"]) == 0
    assert (tmp_path / "x" / "mine").exists() and (tmp_path / "x" / "models").is_dir()
    words[3] = str(tmp_path / "x" / "mine")
    assert main(words) == 2
    assert "is no folder" in capsys.readouterr().err


@pytest.mark.parametrize("kinds", [[], ["--onnx", "--monai"]])
def test_one_kind_is_asked_for(kinds, tmp_path):
    with pytest.raises(SystemExit):
        main(["export", "-o", str(tmp_path / "x"), *kinds])
