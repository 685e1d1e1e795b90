"""The ready writer: the tool works from a fresh clone, before any study."""

import json

from c2i_lib.cli import main
from c2i_lib.records.stage import Stage
from c2i_lib.run import ready
from c2i_lib.run.places import Run, store_settings


def test_prompts_are_written_before_any_run_by_the_ready_writer(tmp_path, monkeypatch, capfd):
    """Each is a caption that shows the concept and what was done to get it is told."""
    monkeypatch.setattr(ready, "default_directory", lambda name: tmp_path / "runs" / name)
    assert main(["write", "a red bicycle", "-n", "2", "--json"]) == 0
    sheet = json.loads(capfd.readouterr().out)
    assert sheet["run"] == ready.READY and len(sheet["prompts"]) == 2
    for one in sheet["prompts"]:
        assert "red bicycle" in one["prompt"] and one["arm"] == "ft_good" and one["nearest"]
        assert any("the best of 16 texts" in note for note in one["notes"])


def test_a_run_of_ones_own_comes_before_the_ready_writer_which_can_be_asked_for(tmp_path, monkeypatch):
    own = Run(tmp_path / "runs" / "cpu", ready.load_profile("cpu"))
    monkeypatch.setattr(ready, "default_directory", lambda name: own.directory)
    monkeypatch.setattr(ready, "find_run", lambda profile, run_dir: own)
    store_settings(own)
    assert ready.find_tool(None).name == ready.READY, "its finetuning has not ended"
    with Stage(own.folder(2) / ready.ARM, {}):
        pass
    assert ready.find_tool(None) == own
    assert ready.find_tool(None, ready.READY).name == ready.READY
