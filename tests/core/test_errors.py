import pytest

from spinekit.core import errors


def subclasses() -> list[type[errors.SpineKitError]]:
    return errors.SpineKitError.__subclasses__()


def test_error_reads_as_one_line_with_remedy() -> None:
    error = errors.InputError("file-damaged", "a.nii: cut\n off\there", "copy it\nagain")
    assert str(error) == "a.nii: cut off here; copy it again"
    assert (error.code, error.message, error.remedy) == (
        "file-damaged",
        "a.nii: cut off here",
        "copy it again",
    )


def test_error_without_remedy_has_no_dangling_semicolon() -> None:
    assert str(errors.ModelError("x", "the model is gone", "")) == "the model is gone"


def test_only_wrong_use_exits_with_2() -> None:
    assert {kind.__name__ for kind in subclasses() if kind.exit_code == 2} == {"UsageError"}
    assert {kind.exit_code for kind in subclasses()} == {1, 2}


@pytest.mark.parametrize("kind", subclasses())
def test_tree_in_docstring_names_every_error(kind: type[errors.SpineKitError]) -> None:
    assert f"── {kind.__name__} " in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (errors.InputError("file-missing", "a: gone", "look"), "file-missing", "a: gone; look"),
        (MemoryError(), "out-of-memory", "not enough memory"),
        (ZeroDivisionError("by\nzero"), "unexpected", "ZeroDivisionError: by zero"),
    ],
)
def test_any_exception_becomes_a_code_and_a_line(error: Exception, code: str, text: str) -> None:
    found = errors.describe(error)

    assert found[0] == code
    assert found[1].startswith(text)
    assert "\n" not in found[1]
