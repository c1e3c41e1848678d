"""What the tops of the tables say of how they came about."""

from pathlib import Path

from tables import spoken_command

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def test_a_command_names_files_without_their_folders() -> None:
    words = ["real", "--model", "/somewhere/of/mine/h1.onnx", "--sets", "chu"]
    assert spoken_command("naming.py", words) == (
        "python benchmarks/naming.py real --model h1.onnx --sets chu"
    )


def test_no_committed_table_names_a_folder_of_a_machine() -> None:
    tables = sorted(RESULTS.rglob("*.csv"))
    assert tables
    for path in tables:
        lines = path.read_text(encoding="utf-8").splitlines()
        comments = [line for line in lines if line.startswith("#")]
        assert not [line for line in comments if " /" in line], path.name
