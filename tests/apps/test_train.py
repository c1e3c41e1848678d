"""`spinekit train`: what is set on the command line wins, and is checked with the rest."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from spinekit.apps.cli import main


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stepz=3"], "unknown key 'stepz'; did you mean 'steps'?"),
        (["canvas=[192]"], "'canvas' = [192]; give 2 values"),
        (["phantom_share=2"], "phantom_share must be 0 to 1"),
        (["phantoms=0", "sets=[]"], "leave nothing to train on"),
    ],
)
def test_what_cannot_be_set_is_named(tmp_path: Path, capsys, words, message) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('sets = ["set"]\nreal = false\n', encoding="utf-8")
    pairs = [word for pair in words for word in ("--set", pair)]
    assert main(["train", str(recipe), "--work", str(tmp_path / "work"), *pairs]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_a_gpu_that_is_not_there_is_wrong_use(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    recipe = tmp_path / "mine.toml"
    recipe.write_text("real = false\n", encoding="utf-8")
    words = ["train", str(recipe), "--work", str(tmp_path / "work"), "--device", "cuda"]
    assert main(words) == 2
    assert "device cuda: " in capsys.readouterr().err


def test_keys_that_only_work_with_the_files_own_may_be_set(tmp_path: Path, capsys) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('sets = ["nowhere"]\n', encoding="utf-8")
    pairs = ["--set", "phantoms=0", "--set", "real=false"]
    assert main(["train", str(recipe), "--work", str(tmp_path / "work"), *pairs]) == 1
    assert "no set made by" in capsys.readouterr().err
