"""``c2i app`` says what is missing, before a model is loaded."""

import importlib.util

import pytest

from c2i_lib.app import command
from c2i_lib.cli import main


def test_without_gradio_the_command_that_installs_it_is_named(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["app"]) == 1
    assert "make app" in capsys.readouterr().err


def test_no_statistics_are_sent(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "True")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "0")
    command.need_gradio()
    assert command.os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"


def test_a_folder_that_is_a_file_and_a_port_that_is_none_are_told(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["app", "--out", str(tmp_path / "file")]) == 1
    assert "is a file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["app", "--port", "99999"])
