"""What a person may get wrong is told in the words of what they wrote."""

import inspect
import io

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from spinekit.core.errors import RecipeError, UsageError
from spinekit.training.run import train
from training.test_run import work as work
from training.test_run import write_recipe


@pytest.mark.parametrize("key", ["init", "teacher"])
def test_a_start_that_is_not_there_is_named_with_the_key_that_asks_for_it(work, tmp_path, key):
    path = write_recipe(tmp_path, "mine")
    with pytest.raises(RecipeError, match=rf'mine: its {key} = "finetun" asks for .*finetun\.toml'):
        train(path, work=work, device="cpu", overrides={key: "finetun"}, report=str)


def test_a_start_in_a_folder_is_named_as_it_was_written(work, tmp_path):
    path = write_recipe(tmp_path, "mine")
    with pytest.raises(RecipeError, match=r'mine: its init = "sub/base" asks for .*; give init'):
        train(path, work=work, device="cpu", overrides={"init": "sub/base"}, report=str)


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_work_folder_that_is_a_file_is_named(work, tmp_path, inside):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--work .*file is a file; name a folder"):
        train(write_recipe(tmp_path, "mine"), work=tmp_path / "file" / inside, device="cpu")


def test_a_teacher_that_leaks_is_called_the_teacher(work, tmp_path):
    path = write_recipe(tmp_path, "next", 'teacher = "embedded"\nhold_out = "H1"\n')
    with pytest.raises(RecipeError, match="but its teacher default has seen it; give it a teacher"):
        train(path, work=work, device="cpu", report=str)
    write_recipe(tmp_path, "all")
    path = write_recipe(tmp_path, "next", 'teacher = "all"\nhold_out = "H1"\n')
    with pytest.raises(RecipeError, match="but its teacher all has seen it"):
        train(path, work=work, device="cpu", report=str)


def test_a_real_set_that_bears_the_phantoms_name_is_refused(work, tmp_path):
    packs = work / "packs"
    (packs / "real-blocks-0123456789abcdef.npz").rename(packs / "real-phantom-0123456789abcdef.npz")
    with pytest.raises(RecipeError, match="is called phantom, which only the phantoms are"):
        train(write_recipe(tmp_path, "mine"), work=work, device="cpu", report=str)


def test_what_a_run_says_is_seen_at_once_also_in_a_file(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="utf-8"))
    inspect.signature(train).parameters["report"].default("step 8")
    assert raw.getvalue().split() == [b"step", b"8"]
