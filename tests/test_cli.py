"""The command line: exit codes, and one message without a traceback for what a user can mend."""

import errno
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import papermill
import pytest
from PIL import Image

from c2i_lib import survey_commands, tool_commands
from c2i_lib.cli import main
from c2i_lib.config import PROFILES_DIR
from c2i_lib.errors import DamagedStageError
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, check_input
from c2i_lib.run import pipeline
from c2i_lib.run.places import open_run
from c2i_lib.stages.images import read_metadata

ROOT = Path(__file__).parents[1]


@pytest.fixture
def fails(capfd):
    """A function that runs a command, expects exit code 1, and returns its message."""

    def run(*arguments) -> str:
        assert main([str(argument) for argument in arguments]) == 1
        error = capfd.readouterr().err
        assert "Traceback" not in error
        assert error.count("error: ") == 1
        return error[error.index("error: ") :].strip()

    return run


def test_an_unknown_profile_names_the_known_ones(fails, tmp_path):
    message = fails("run", "--profile", "nothing", "--run-dir", tmp_path / "run")
    assert message == "error: unknown profile 'nothing': use cpu, paper, smoke or a YAML file"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("finetuning.epoch=2", "finetuning.epoch: unknown key"),
        ("training.epochs=2", "no section 'training'"),
        ("finetuning.epochs=two", "finetuning.epochs: "),
        ("finetuning.epochs", "expected key=value"),
        ("captions.source=[", "captions.source"),  # a value that is no YAML
    ],
)
def test_a_bad_override_names_its_key(override, expected, fails, tmp_path):
    assert expected in fails("run", "--profile", "smoke", "--run-dir", tmp_path / "run", "-p", override)


@pytest.mark.parametrize(("first", "last"), [(9, 8), (0, 8), (3, 2), (1, 9)])
def test_notebooks_that_do_not_exist_are_refused(first, last, fails, tmp_path):
    message = fails("run", "--profile", "smoke", "--run-dir", tmp_path / "run", "--from", first, "--to", last)
    assert f"should be 1 to 8 and in order, found {first} and {last}" in message
    assert not (tmp_path / "run").exists()


def test_the_folder_of_another_profile_is_refused(fails, tmp_path):
    open_run("smoke", tmp_path / "run")
    message = fails("run", "--profile", "cpu", "--run-dir", tmp_path / "run")
    assert "holds a run of profile 'smoke', not 'cpu'" in message


def test_pictures_without_a_run_name_the_command_that_makes_one(fails, tmp_path):
    """As a shell takes it: a folder's name may hold spaces."""
    message = fails("imagine", "cat", "--profile", "smoke", "--run-dir", tmp_path / "my run")
    command = shlex.split(message.partition("Run: ")[2])
    assert command == "python -m c2i_lib run --profile smoke --run-dir".split() + [str(tmp_path / "my run")]


def test_ratings_that_are_not_there_are_told(fails, tmp_path):
    run_dir = tmp_path / "run"
    message = fails("survey", "import", "--profile", "smoke", "--run-dir", run_dir, tmp_path / "nowhere.csv")
    assert len(message.splitlines()) == 1


@pytest.mark.notebooks
def test_a_missing_caption_file_is_told_without_the_notebooks_traceback(fails, tmp_path):
    message = fails(
        "run", "--profile", "smoke", "--run-dir", tmp_path / "run", "--to", 1, "-p", "captions.source=nowhere.txt"
    )
    assert message.splitlines()[0].startswith("error: captions.source: nowhere.txt does not exist")
    assert len(message.splitlines()) == 1


@pytest.mark.notebooks
def test_a_stage_whose_input_was_never_made_names_the_stage_to_run(fails, tmp_path):
    message = fails("run", "--profile", "smoke", "--run-dir", tmp_path / "run", "--from", 3, "--to", 3)
    assert "notebook 03 builds on 01" in message and "--from 1" in message


@pytest.mark.notebooks
def test_a_damaged_output_names_the_stage_that_wrote_it(fails, run_copy):
    damaged = run_copy / "04_prompts" / "prompts.parquet"
    content = damaged.read_bytes()
    damaged.unlink()
    damaged.write_bytes(content[:-1])
    message = fails("run", "--profile", "smoke", "--run-dir", run_copy, "--from", 5)
    assert "notebook 05 builds on 04" in message and "--from 4" in message
    with pytest.raises(DamagedStageError, match=f"--profile {run_copy}/profile.yaml --run-dir {run_copy} --from 4"):
        check_input(damaged)


@pytest.mark.notebooks
def test_a_profile_file_is_found_from_any_folder(tmp_path, monkeypatch):
    """Notebooks run in the project's folder, the user may be in another."""
    shutil.copy(PROFILES_DIR / "smoke.yaml", tmp_path / "mine.yaml")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--profile", "mine.yaml", "--run-dir", "run", "--to", "1"]) == 0
    assert (tmp_path / "run" / "01_captions" / "stage.json").is_file()


@pytest.mark.notebooks
def test_imagine_writes_pictures(smoke_run, tmp_path, capfd):
    out = tmp_path / "pictures"
    arguments = ["--profile", "smoke", "--run-dir", str(smoke_run), "--out", str(out), "--arm", "base", "-n", "2"]
    assert main(["imagine", "red bicycle", *arguments]) == 0
    lines = capfd.readouterr().out.strip().splitlines()
    paths = sorted(out.iterdir())
    assert [path.name[:19] for path in paths] == ["red_bicycle-base-0-", "red_bicycle-base-1-"]
    assert [read_metadata(path)["arm"] for path in paths] == ["base"] * 2
    told = [line for line in lines if line.startswith(str(out))]
    assert told[0].startswith(f"{paths[0]}  red bicycle") and len(told) == 2


@pytest.mark.notebooks
def test_imagine_chooses_the_best_and_says_how(smoke_run, tmp_path, capfd):
    run = ["--profile", "smoke", "--run-dir", str(smoke_run), "--arm", "concept_only"]  # which needs no writing model
    assert main(["imagine", "red bicycle", *run, "--best-of", "3", "--out", str(tmp_path)]) == 0
    lines = [line for line in capfd.readouterr().out.strip().splitlines() if not line.startswith("    note: ")]
    path, scores, note = lines[-3:]
    (saved,) = tmp_path.iterdir()  # one, where -n is not given
    assert re.fullmatch(rf"{saved}  red bicycle.*", path) and saved.name.startswith("red_bicycle-concept_only-")
    assert re.fullmatch(r"    chosen by: quality -?\d+\.\d{3}, faithfulness -?\d\.\d{3}", scores)
    assert re.match(r"[0-3] of 3 candidates passed the gate \(faithfulness .*, quantile 0.5 of the bare concept", note)

    kept = saved.rename(tmp_path / "kept.png")
    assert main(["status", "--run-dir", str(smoke_run), "--image", str(kept)]) == 0
    command = capfd.readouterr().out.strip().splitlines()[-1]
    assert "imagine 'red bicycle' --arm concept_only -n 1 --best-of 3 --gate 0.5 --seed 0" in command
    assert main([*shlex.split(command)[3:], "--out", str(tmp_path)]) == 0
    assert saved.read_bytes() == kept.read_bytes()


def test_a_gate_without_candidates_is_refused(fails, tmp_path):
    message = fails("imagine", "cat", "--profile", "smoke", "--run-dir", tmp_path / "run", "--gate", 0.5)
    assert message.startswith("error: --gate says which candidates of --best-of may be chosen: add --best-of")


@pytest.mark.notebooks
def test_more_pictures_than_candidates_are_refused(fails, smoke_run, tmp_path):
    run = ["--profile", "smoke", "--run-dir", smoke_run, "--arm", "base", "--out", tmp_path / "pictures"]
    assert "1 to 2 pictures, found 3" in fails("imagine", "cat", *run, "-n", 3, "--best-of", 2)
    assert not (tmp_path / "pictures").exists()


@pytest.mark.notebooks
def test_status_tells_what_is_done_and_what_is_not(run_copy, capfd):
    (run_copy / "07_analysis" / "table1.parquet").unlink()
    assert main(["status", "--profile", "smoke", "--run-dir", str(run_copy)]) == 0
    lines = [line.split(maxsplit=1) for line in capfd.readouterr().out.splitlines() if line[:2].isdigit()]
    states = {name[:2]: state.strip() for name, state in lines}
    assert states == {f"{number:02d}": "to do" if number == 7 else "done" for number in range(1, 9)}


def test_status_changes_nothing(tmp_path, capfd):
    """The run's profile.yaml says with which settings it was made; a look must not rewrite it."""
    run = open_run("smoke", tmp_path / "run", overrides={"images.steps": 4})
    before = (run.directory / "profile.yaml").read_bytes()
    assert main(["status", "--profile", "smoke", "--run-dir", str(run.directory)]) == 0
    assert (run.directory / "profile.yaml").read_bytes() == before


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(tmp_path, capfd, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "run_notebooks", interrupted)
    assert main(["run", "--profile", "smoke", "--run-dir", str(tmp_path / "run")]) == 130
    assert "run the same command again" in capfd.readouterr().err


def test_a_full_disk_is_told_and_other_errors_are_not_hidden(tmp_path, capfd, monkeypatch):
    def broken(error):
        def raise_it(*arguments):
            raise error

        return raise_it

    arguments = ["run", "--profile", "smoke", "--run-dir", str(tmp_path / "run")]
    monkeypatch.setattr(pipeline, "run_notebooks", broken(OSError(28, "No space left on device")))
    assert main(arguments) == 1
    assert "the disk is full" in capfd.readouterr().err
    monkeypatch.setattr(pipeline, "run_notebooks", broken(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        main(arguments)


SMOKE = (PROFILES_DIR / "smoke.yaml").read_text(encoding="utf-8")
BOMB = "name: &a [lol, lol]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdef", "bcdefg", strict=True)
)
PROFILES = {
    "no_utf8": b"name: \xff\n",
    "bomb": BOMB.encode(),
    "itself": b"name: &a [*a]\n",
    "deep": b"[" * 5000,
    "digits": b"seed: " + b"9" * 5000,
    "climbs": SMOKE.replace("name: smoke", "name: ../evil").encode(),
    "twice": SMOKE.replace("  steps: 4\n", "  steps: 4\n  steps: 9\n").encode(),
}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # numbers that no run can use: epochs of 1e26, a learning rate of infinity
        ("run -p finetuning.epochs=1e26", "finetuning.epochs: Input should be a valid integer, found 1e+26"),
        ("run -p finetuning.epochs=100000000000000", "finetuning.epochs: Input should be less than or equal to 10000"),
        ("run -p analysis.n_bootstrap=100000000000000", "analysis.n_bootstrap: Input should be less than"),
        ("run -p seed=99999999999999999999", "seed: Input should be less than"),
        ("run -p images.size=800000000", "images.size: Input should be less than"),
        ("run -p finetuning.learning_rate=.inf", "finetuning.learning_rate: Input should be a finite number"),
        ("run -p images.guidance=.nan", "images.guidance: Input should be a finite number"),
        ("run -p images.guidance=1e26", "images.guidance: Input should be less than"),
        ("run -p finetuning.learning_rate=1e-320", "finetuning.learning_rate: Input should be greater than"),
        ("run -p prompts.temperature=1e-320", "prompts.temperature: Input should be greater than"),
        ("run -p analysis.confidence=1e-320", "analysis.confidence: Input should be greater than"),
        ("run -p survey.n_surveys=[[[[[[", "survey.n_surveys"),
        # profiles that are none
        ("run --profile no_utf8", "no_utf8.yaml is not YAML: 'utf-8' codec can't decode byte 0xff"),
        ("run --profile bomb", "an alias (*), which c2i does not read: write the value out"),
        ("run --profile itself", "an alias (*)"),
        ("run --profile deep", "nested too deeply"),
        ("run --profile digits", "digits.yaml is not YAML"),
        ("run --profile climbs", "- name: String should match pattern"),
        ("run --profile twice", "'steps' is given twice: remove one"),
        ("run --profile FOLDER", "is a folder: give the YAML file of a profile"),
        # a run that is another, or none
        ("status --profile smoek --run-dir RUN", "unknown profile 'smoek': use cpu"),
        ("status --profile cpu --run-dir RUN", "holds a run of profile 'smoke', not 'cpu'"),
        ("run --run-dir FILE/run", "Not a directory"),
        ("run --run-dir FILE", "FILE"),
        ("status --run-dir FILE", "no run in"),
        # what is to be written or read
        ("imagine cat --run-dir RUN --out FILE", "--out should be a folder for pictures"),
        ("imagine \udcff --run-dir RUN", "expected UTF-8, found '\\udcff'"),
        ("imagine EMPTY --run-dir RUN", "the concept is empty"),
        ("imagine BOOK --run-dir RUN", "at most 1,000 characters, found 53,999 (9,000 words)"),
        ("write BOOK --run-dir RUN", "at most 1,000 characters, found 53,999 (9,000 words)"),
        ("write --run-dir RUN", "expected a concept, such as"),
        ("write cat --concepts FILE --run-dir RUN", "or --concepts FILE: give one of the two"),
        ("write --concepts FILE --run-dir RUN", "FILE should have a concept a line, found none"),
        ("write --concepts NOWHERE --run-dir RUN", "NOWHERE"),
        ("write --concepts no_utf8 --run-dir RUN", "should be UTF-8 text with a concept a line"),
        ("write cat --length 0 --run-dir RUN", "length should be 1 to 500 tokens, found 0"),
        ("write cat --keep tree --ban Tree --run-dir RUN", "'tree' is wanted, and it has the banned 'Tree'"),
        ("render --run-dir RUN", "expected a file of prompts"),
        ("render FILE --run-dir RUN", "FILE should be the JSON of c2i write --json, found no JSON"),
        ("render FILE --out FILE --run-dir RUN", "--out should be a folder for pictures"),
        ("imagine SPACE --run-dir RUN", "the concept is empty"),
        ("survey import --run-dir RUN \udcff.csv", "expected UTF-8"),
    ],
)
def test_an_ordinary_mistake_is_told_in_one_message(arguments, expected, fails, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open_run("smoke", "RUN")
    Path("FILE").touch()
    Path("FOLDER").mkdir()
    for name, content in PROFILES.items():
        Path(f"{name}.yaml").write_bytes(content)
    words = [
        f"{word}.yaml"
        if word in PROFILES
        else {"EMPTY": "", "SPACE": " \t", "BOOK": " ".join(["words"] * 9000)}.get(word, word)
        for word in arguments.split(" ")
    ]
    if words[0] == "run" and "--profile" not in words:
        words += ["--profile", "smoke"]
    assert expected in fails(*words)
    assert not list(tmp_path.rglob("stage.json")) and not (tmp_path.parent / "evil").exists()


@pytest.mark.parametrize("content", ["[]", "3", '{"outputs": []}', "[" * 5000, '"', "\xff"])
def test_a_record_that_is_no_record_is_one_that_does_not_hold(content, tmp_path, fails):
    run = open_run("smoke", tmp_path / "run")
    with Stage(run.folder(4), {}):
        (run.folder(4) / "prompts.parquet").touch()
    (run.folder(4) / "stage.json").write_bytes(content.encode("latin-1"))
    assert "not what stage 04_prompts wrote" in fails("images", "--profile", "smoke", "--run-dir", run.directory)
    assert not pipeline.is_done(run, 4)
    with Stage(run.folder(4), {}) as stage:
        assert not stage.done


@pytest.mark.parametrize("arguments", [("status",), ("survey", "serve"), ("imagine", "cat")])
def test_what_the_system_forbids_is_told_with_its_path(arguments, fails, tmp_path, monkeypatch):
    """Tests may run as root, whom nothing is forbidden."""

    def forbidden(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "run"))

    monkeypatch.setattr("c2i_lib.cli.find_run", forbidden)
    monkeypatch.setattr(survey_commands, "find_run", forbidden)
    monkeypatch.setattr(tool_commands, "find_tool", forbidden)
    message = fails(*arguments, "--run-dir", tmp_path / "run")
    assert "Permission denied" in message and str(tmp_path / "run") in message and "you may read or write it" in message


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("PermissionError", "[Errno 13] Permission denied: 'shared.csv'", "Permission denied: 'shared.csv': see"),
        ("ProfileError", "one value is bad", "error: one value is bad"),
        ("SafetensorError", "No space left on device", "the disk is full"),
    ],
)
def test_an_error_inside_a_notebook_is_told_like_one_outside(name, text, expected, fails, tmp_path, monkeypatch):
    def failing(*arguments):
        raise papermill.PapermillExecutionError(0, 1, "", name, text, [])

    monkeypatch.setattr(pipeline, "execute", failing)
    assert expected in fails("run", "--profile", "smoke", "--run-dir", tmp_path / "run")


def test_output_that_nobody_reads_any_more_is_no_error(tmp_path):
    open_run("smoke", tmp_path / "run")
    command = [sys.executable, "-m", "c2i_lib", "status", "--run-dir", str(tmp_path / "run")]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_port_that_is_none_is_refused(capfd):
    with pytest.raises(SystemExit) as stop:
        main(["survey", "serve", "--port", "99999"])
    assert stop.value.code == 2
    assert "expected a port from 0 to 65535, found '99999'" in capfd.readouterr().err


def test_help_lists_the_commands(capfd):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capfd.readouterr().out
    assert all(f"    {command} " in text for command in ("run", "write", "imagine", "story", "assets", "survey"))


def test_the_module_runs_as_a_program(tmp_path):
    command = [sys.executable, "-m", "c2i_lib", "status", "--profile", "nothing", "--run-dir", str(tmp_path / "run")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == ["error: unknown profile 'nothing': use cpu, paper, smoke or a YAML file"]


@pytest.fixture
def survey_run(tmp_path, capfd):
    """The folder of a run for people whose images are done and whose surveys are built, from the command line."""
    overrides = {"concepts.n_concepts": 2, "survey.simulate_raters": False, "survey.repeated_images": 0}
    run_dir = tmp_path / "run"
    opened = open_run("smoke", run_dir, overrides=overrides)
    keys = [(arm, concept, n) for arm in opened.profile.survey.arms for concept in ("cat", "sea") for n in range(2)]
    images = pd.DataFrame(keys, columns=["arm", "concept", "sample"]).assign(flagged="", prompt="", replicate=1)
    images["image_id"] = images["prompt_id"] = images["sha256"] = ["-".join(map(str, key)) for key in keys]
    images["path"] = images["image_id"] + ".png"
    with Stage(opened.folder(5), {}):
        for path in images["path"]:
            Image.new("RGB", (8, 8)).save(opened.folder(5) / path)
        write_table(opened.folder(5) / "images.parquet", images)
    assert main(["survey", "build", "--profile", "smoke", "--run-dir", str(run_dir)]) == 0
    out = capfd.readouterr().out
    assert "survey_2" in out and f"survey serve --run-dir {run_dir}" in out
    assert "plan: SHA-256 " in out and (run_dir / "06_survey" / "plan" / "plan.json").is_file()
    return run_dir


def test_answers_go_out_and_come_in_again(survey_run, tmp_path, capfd):
    items = pd.read_parquet(survey_run / "06_survey" / "items.parquet")
    lines = [
        f"anna,{item_id},{question},3,," for item_id in items["item_id"] for question in ("quality", "faithfulness")
    ]
    sheet = tmp_path / "lab.csv"
    sheet.write_text("rater,item_id,question,rating,answered_at,comment\n" + "\n".join(lines), encoding="utf-8")
    run = ["--profile", "smoke", "--run-dir", str(survey_run)]
    assert main(["survey", "import", *run, str(sheet)]) == 0
    out = capfd.readouterr().out
    assert f"{len(lines)} answers of 1 raters" in out and "--from 6" in out
    assert "note: " in out and "rater_1" in out  # whom the survey still waits for
    assert main(["survey", "export", *run, "--out", str(tmp_path / "all.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "all.csv")) == len(lines)
    assert all((tmp_path / f"all_{name}.csv").is_file() for name in ("comments", "consents", "history"))
    assert main(["survey", "export", *run, "--format", "label_studio", "--out", str(tmp_path / "studio")]) == 0
    for survey, part in items.groupby("survey"):
        tasks = (tmp_path / "studio" / survey / "tasks.json").read_text(encoding="utf-8")
        assert sum(item_id in tasks for item_id in items["item_id"]) == len(part)


def test_a_survey_goes_to_google_forms_and_qualtrics_and_a_table_of_any_tool_comes_in(
    survey_run, tmp_path, capfd, fails
):
    items = pd.read_parquet(survey_run / "06_survey" / "items.parquet")
    run = ["--profile", "smoke", "--run-dir", str(survey_run)]
    assert main(["survey", "export", *run, "--format", "google_forms", "--out", str(tmp_path / "google")]) == 0
    assert "--pictures-url" in fails("survey", "export", *run, "--format", "qualtrics", "--out", tmp_path / "q")
    address = ["--pictures-url", "https://example.org/p"]
    assert main(["survey", "export", *run, "--format", "qualtrics", "--out", str(tmp_path / "q"), *address]) == 0
    for survey, part in items.groupby("survey"):
        for path in (tmp_path / "google" / survey / "create_form.gs", tmp_path / "q" / f"{survey}.qsf"):
            text = path.read_text(encoding="utf-8")
            assert {item_id for item_id in items["item_id"] if item_id in text} == set(part["item_id"])
            assert "Taking part is voluntary" in text  # what raters agree to
    sheet = tmp_path / "lab.csv"
    sheet.write_text(f"who,what,q\nanna,{items['item_id'].iloc[0]},3\n", encoding="utf-8")
    capfd.readouterr()
    assert main(["survey", "import", *run, str(sheet), "--map", "rater=who,item=what,rating:quality=q"]) == 0
    assert "1 answers of 1 raters are in" in capfd.readouterr().out


def test_raters_come_and_go_while_a_study_runs(survey_run, capfd, fails):
    run = ["--profile", "smoke", "--run-dir", str(survey_run)]
    assert "say which surveys" in fails("survey", "raters", "add", *run)
    capfd.readouterr()
    assert main(["survey", "raters", "add", *run, "--survey", "survey_2", "-n", "2"]) == 0
    added = [line.split()[0] for line in capfd.readouterr().out.splitlines()]
    assert len(added) == 2 and all(name.startswith("rater_") for name in added)
    assert main(["survey", "raters", "replace", *run, added[0], "--leave-out"]) == 0
    assert f"{added[0]} has left: their answers do not count" in capfd.readouterr().out
    assert main(["survey", "raters", "withdraw", *run, added[1]]) == 0
    assert "no backup" in fails("survey", "restore", *run)


def test_a_wide_file_gets_a_mapping_to_look_at(survey_run, tmp_path, capfd):
    item_id = pd.read_parquet(survey_run / "06_survey" / "items.parquet")["item_id"].iloc[0]
    form = tmp_path / "form.csv"
    form.write_text(f'Timestamp,Picture {item_id} [quality],Remarks\n"2026/05/20 1:43:01 PM GMT+1",2,none\n')
    run = ["--profile", "smoke", "--run-dir", str(survey_run)]
    assert main(["survey", "map", *run, str(form), "--out", str(tmp_path / "mapping.csv")]) == 0
    assert "1 of 3 columns are known" in capfd.readouterr().out
    assert item_id in (tmp_path / "mapping.csv").read_text()
    assert main(["survey", "import", *run, str(form), "--mapping", str(tmp_path / "mapping.csv")]) == 0


def test_there_is_nothing_to_export_before_there_are_answers(survey_run, fails):
    assert "run survey serve" in fails("survey", "export", "--profile", "smoke", "--run-dir", survey_run)


def test_training_needs_the_captions_first(fails, tmp_path):
    open_run("smoke", tmp_path / "run")
    message = fails("finetune", "--profile", "smoke", "--run-dir", tmp_path / "run")
    assert "finetune_train.parquet is missing" in message and "--from 1" in message
