import json
import shutil
from collections import namedtuple

import pandas as pd
import pytest

from c2i_lib.errors import C2IError, DamagedStageError, ProfileError
from c2i_lib.records.files import atomic_dir, atomic_path, hash_of, sha256_of, write_json, write_table
from c2i_lib.records.stage import Stage, check_input, read_table
from c2i_lib.run.places import open_run


def run_stage(folder, settings=None, others=(), names=("a.txt", "b.txt")):
    """Run a stage that writes the files in ``names`` that are missing. Returns those written, None when skipped."""
    with Stage(folder, settings or {"n": 1}, others=others) as stage:
        if stage.done:
            return None
        missing = [name for name in names if not (folder / name).is_file()]
        for name in missing:
            (folder / name).write_text(name)
        return missing


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "01_captions"


def test_a_finished_stage_is_skipped(folder):
    assert run_stage(folder) == ["a.txt", "b.txt"]
    assert run_stage(folder) is None


def test_the_record_holds_hashes_and_times(folder):
    run_stage(folder)
    record = json.loads((folder / "stage.json").read_text())
    assert record["outputs"] == {name: sha256_of(folder / name) for name in ("a.txt", "b.txt")}
    assert record["start"] <= record["end"]
    assert {"settings", "inputs", "packages", "code", "git_commit"} <= set(record)


def test_changed_settings_remove_all_old_outputs(folder):
    run_stage(folder, {"n": 1}, names=("old.txt",))
    assert run_stage(folder, {"n": 2}) == ["a.txt", "b.txt"]
    assert not (folder / "old.txt").exists()


def test_a_changed_input_runs_the_stage_again(folder, tmp_path):
    source = tmp_path / "source.txt"
    source.write_text("one")
    run_stage(folder, others=[source])
    assert run_stage(folder, others=[source]) is None
    source.write_text("two")
    assert run_stage(folder, others=[source]) == ["a.txt", "b.txt"]


def test_inputs_of_the_same_name_in_different_folders_all_count(folder, tmp_path):
    sources = [tmp_path / "one" / "anna.csv", tmp_path / "two" / "anna.csv"]
    for source in sources:
        source.parent.mkdir()
        source.write_text("1")
    run_stage(folder, others=sources)
    sources[0].write_text("2")
    assert run_stage(folder, others=sources) is not None


@pytest.mark.parametrize("damage", [lambda path: path.write_text("x"), lambda path: path.unlink()])
def test_only_the_damaged_output_is_made_again(folder, damage):
    run_stage(folder)
    damage(folder / "b.txt")
    assert run_stage(folder) == ["b.txt"]
    assert run_stage(folder) is None


def interrupt(folder, settings):
    with pytest.raises(KeyboardInterrupt), Stage(folder, settings):
        (folder / "a.txt").write_text("a.txt")
        (folder / ".b-temporary.txt").write_text("half")
        (folder / ".b-folder").mkdir()
        raise KeyboardInterrupt


def test_an_interrupted_stage_goes_on_with_what_it_had_finished(folder):
    interrupt(folder, {"n": 1})
    assert not (folder / "stage.json").exists()
    assert run_stage(folder, {"n": 1}) == ["b.txt"]
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "b.txt", "stage.json", "started.json"]


def test_an_interrupted_stage_of_other_settings_leaves_nothing(folder):
    interrupt(folder, {"n": 1})
    assert run_stage(folder, {"n": 2}) == ["a.txt", "b.txt"]


def test_a_stage_inside_another_ones_folder_is_its_own(folder):
    """The inner stage's files are neither outputs of the outer one nor foreign to it, and outlive its reruns."""
    run_stage(folder / "inner")
    assert run_stage(folder) == ["a.txt", "b.txt"]
    assert set(json.loads((folder / "stage.json").read_text())["outputs"]) == {"a.txt", "b.txt"}
    assert run_stage(folder, {"n": 2}) == ["a.txt", "b.txt"]
    assert run_stage(folder / "inner") is None
    (folder / "inner" / "a.txt").unlink()
    assert run_stage(folder, {"n": 2}) is None


def test_other_settings_leave_no_empty_folders(folder):
    with Stage(folder, {"n": 1}):
        (folder / "old").mkdir()
        (folder / "old" / "a.txt").write_text("a")
    run_stage(folder, {"n": 2})
    assert not (folder / "old").exists()


def test_a_full_disk_is_told_before_work_starts(folder, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 30, 1 << 30, 3 << 20))
    with pytest.raises(C2IError, match="50 MB.*3 MB are free"):
        run_stage(folder)
    assert not (folder / "a.txt").exists()


def test_atomic_path_leaves_nothing_on_error(tmp_path):
    target = tmp_path / "new" / "file.txt"
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(target.parent.iterdir()) == []


def test_atomic_path_keeps_the_old_file_on_error(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"


def test_atomic_dir_replaces_or_leaves_the_folder_as_it_was(tmp_path):
    target = tmp_path / "folder"
    for name in ("one", "two"):
        with atomic_dir(target) as temporary:
            (temporary / name).write_text(name)
    with pytest.raises(RuntimeError), atomic_dir(target) as temporary:
        (temporary / "three").write_text("half")
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_hash_of_ignores_the_order_of_keys_only():
    assert hash_of({"a": 1, "b": 2}) == hash_of({"b": 2, "a": 1}) != hash_of({"a": 2, "b": 1})


def test_write_json_and_tables_round_trip(folder):
    table = pd.DataFrame({"caption_id": ["c1"], "text": ["ein Tisch – schön"]})
    with Stage(folder, {}):
        write_table(folder / "table.parquet", table)
        write_json(folder / "report.json", {"n": 1})
    pd.testing.assert_frame_equal(read_table(folder / "table.parquet"), table, check_dtype=False)
    assert json.loads((folder / "report.json").read_text()) == {"n": 1}


@pytest.mark.parametrize("name", ["05_images", "07_analysis"])
@pytest.mark.parametrize("damage", [lambda path: path.write_text("x"), lambda path: path.unlink()])
def test_a_damaged_input_names_the_command_that_mends_it(tmp_path, name, damage):
    folder = tmp_path / name
    run_stage(folder)
    assert check_input(folder / "a.txt") == sha256_of(folder / "a.txt")
    damage(folder / "a.txt")
    with pytest.raises(DamagedStageError) as error:
        check_input(folder / "a.txt")
    assert f"--run-dir {tmp_path} --from {int(name[:2])}" in str(error.value)


def test_an_input_of_an_unfinished_stage_is_refused(folder):
    interrupt(folder, {"n": 1})
    with pytest.raises(DamagedStageError, match="has not finished.*--from 1"):
        check_input(folder / "a.txt")


def test_a_stage_refuses_an_input_that_its_own_stage_did_not_write(tmp_path, folder):
    run_stage(folder)
    (folder / "a.txt").write_text("x")
    with pytest.raises(DamagedStageError):
        Stage(tmp_path / "02_models", {"n": 1}, [folder / "a.txt"])


def test_open_run_keeps_the_profile_as_used(tmp_path):
    run = open_run("smoke", tmp_path / "run", overrides={"finetuning.epochs": 3})
    assert open_run(run.directory / "profile.yaml", run.directory).profile == run.profile
    assert run.folder(5) == run.directory / "05_images"
    assert run.figures == run.directory / "figures" / "smoke"


def test_open_run_refuses_the_folder_of_another_profile(tmp_path):
    open_run("smoke", tmp_path)
    with pytest.raises(ProfileError, match="'smoke', not 'cpu'"):
        open_run("cpu", tmp_path)


def test_open_run_refuses_a_folder_with_foreign_files(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ProfileError, match="no profile.yaml"):
        open_run("smoke", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
