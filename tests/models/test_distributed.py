"""Several processes share a training: they take the steps that one process takes, whoever launches them."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from launching import launch_two
from safetensors.torch import load_file

from c2i_lib.models.distributed import Processes, stage_of_all

TRAINING = """
import sys; from pathlib import Path; sys.path.insert(0, {tests!r})
from tiny_models import CAPTIONS; from c2i_lib.config import load_profile
from c2i_lib.stages.finetuning.rows import make_rows; from c2i_lib.stages.finetuning.split_model import SplitModel
from c2i_lib.stages.finetuning.training import Trainer
from c2i_lib.models.language_model import freeze_lower_layers, load_language_model, load_tokenizer
from safetensors.torch import save_file
import torch; torch.set_num_threads(1)
model = load_language_model({model!r}); freeze_lower_layers(model, 2)
for part in model.modules():
    if isinstance(part, torch.nn.Dropout): part.p = 0.0  # its draws depend on how a batch is shared
rows = make_rows("ft_tags", CAPTIONS * 5, load_tokenizer({model!r}), 16)
update = dict(batch_size=3, block_length=16, checkpoint_every=7, learning_rate=1e-2, epochs=3, precision="fp32")
settings = load_profile("smoke").finetuning.model_copy(update=update)
folder = Path(sys.argv[1]); folder.mkdir(exist_ok=True)
trainer = Trainer(SplitModel(model, 2), rows, rows, settings, 0, folder)
log = trainer.train()
rank = trainer.processes.rank
log.to_parquet(folder / f"log-{{rank}}.parquet")
save_file({{name: part.detach() for name, part in trainer.trainable.items()}}, folder / f"trained-{{rank}}.safetensors")
"""


def run(command, folder):
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def trained(tiny_language_model, tmp_path_factory):
    """Folders of the same training, by one process and by two."""
    folder = tmp_path_factory.mktemp("processes")
    script = folder / "training.py"
    script.write_text(TRAINING.format(tests=str(Path(__file__).parents[1]), model=str(tiny_language_model)))
    run([sys.executable, str(script)], folder / "one")
    run([*launch_two(), str(script)], folder / "two")
    return folder


@pytest.mark.parametrize("rank", (0, 1))
def test_two_processes_have_the_loss_curve_of_one(rank, trained):
    one, two = (pd.read_parquet(trained / path) for path in ("one/log-0.parquet", f"two/log-{rank}.parquet"))
    assert one["tokens"].tolist() == two["tokens"].tolist()
    for column in ("loss", "eval_loss"):
        assert one[column].isna().equals(two[column].isna())
        assert (one[column] - two[column]).abs().max() < 1e-3
    assert one["loss"].dropna().iloc[-1] < one["loss"].dropna().iloc[0] - 1  # something was learned


def test_all_processes_end_with_the_very_same_weights(trained):
    first, second = (load_file(trained / f"two/trained-{rank}.safetensors") for rank in (0, 1))
    for name, weights in first.items():
        assert torch.equal(weights, second[name]), name


def test_one_process_shares_nothing():
    processes = Processes()
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.tensor([1.0, 2.0])
    processes.sum_gradients([weight])
    assert (processes.count, processes.rank, processes.is_main) == (1, 0, True)
    assert processes.share([1, 2, 3]) == [1, 2, 3]
    assert processes.total(1.5, 2) == [1.5, 2]
    assert weight.grad.tolist() == [1, 2]
    assert processes.same("a") == "a"


def test_a_stage_of_all_processes_has_one_record(tmp_path):
    for expected in (False, True):
        with stage_of_all(Processes(), tmp_path / "05_images", {"steps": 1}, [], "c2i_lib.stages.images") as done:
            assert done == expected
            (tmp_path / "05_images" / "a.txt").write_text("a", encoding="utf-8")
    assert (tmp_path / "05_images" / "stage.json").is_file()


def test_several_machines_are_refused(monkeypatch):
    class Elsewhere:
        num_processes, process_index, local_process_index, is_main_process = 2, 1, 0, False

    monkeypatch.setattr("c2i_lib.models.distributed.PartialState", lambda cpu: Elsewhere())
    with pytest.raises(Exception, match="on one machine"):
        Processes()
