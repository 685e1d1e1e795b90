"""Make a prompt writer that learned from pictures, ``ft_reward``: ``ft_good`` and preferences between its own prompts.

    python tools/make_reward_writer.py FOLDER [--run-dir RUN] [--concepts 100] [--leave-out FILE]

Takes the commonest things of the captions that RUN's writer learned from (default: the ready writer's), without the
run's own concepts and those in the files that are left out (default: the concepts of ``benchmarks/writers.py``).
Writes eight prompts for each, renders and scores them with the judges that select, and trains on which ones drew
better. FOLDER gets ``scores.parquet``, ``preferences.parquet``, ``training_log.parquet``, and ``model``, and prints
the arm to put into a profile.
Sixty concepts took 14 minutes on two cores beside other work.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import pandas as pd
import yaml

from c2i_lib.generator.preferences import preferences_of, score_texts
from c2i_lib.models.device import quiet_libraries
from c2i_lib.models.language_model import load_tokenizer
from c2i_lib.records.stage import read_table
from c2i_lib.run.places import Run
from c2i_lib.run.ready import ARM, READY, find_tool
from c2i_lib.stages.finetuning.preferences import PreferenceTraining, learn_preferences, tags_of
from c2i_lib.text.noun_phrases.topics import topics

LEAVE_OUT = Path(__file__).resolve().parents[1] / "benchmarks" / "writers_concepts.txt"


def training_concepts(run: Run, n: int, leave_out: Path) -> list[str]:
    """The commonest topics of the captions that are neither the run's concepts nor in the file."""
    lines = leave_out.read_text(encoding="utf-8").lower().splitlines()
    known = {line.strip() for line in lines if not line.startswith("#")}
    own = run.folder(3) / "concepts.yaml"
    if own.is_file():
        known |= {str(word).lower() for word in yaml.safe_load(own.read_text(encoding="utf-8"))["concepts"]}
    counted = Counter(topics(read_table(run.folder(1) / "finetune_train.parquet")["text"].tolist(), 1))
    return [topic for topic, _ in counted.most_common() if topic and topic.lower() not in known][:n]


def arm_of(model: Path, tokenizer_bos: str) -> str:
    """The entry of a profile's ``prompts.models``."""
    template = tokenizer_bos + tags_of("{concept}")
    entry = {"ft_reward": {"model": str(model), "template": template, "keep_concept": True}}
    return yaml.safe_dump({"prompts": {"models": entry}}, sort_keys=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run-dir", default=READY)
    parser.add_argument("--concepts", type=int, default=100)
    parser.add_argument("--texts", type=int, default=8, help="of each concept")
    parser.add_argument("--leave-out", type=Path, default=LEAVE_OUT, help="a file of concepts that are reported on")
    args = parser.parse_args()
    quiet_libraries()
    run, scores = find_tool(None, args.run_dir), args.folder / "scores.parquet"
    args.folder.mkdir(parents=True, exist_ok=True)
    if not scores.is_file():
        concepts = training_concepts(run, args.concepts, args.leave_out)
        score_texts(run, ARM, concepts, args.texts).to_parquet(scores)
    preferences = preferences_of(pd.read_parquet(scores))
    preferences.to_parquet(args.folder / "preferences.parquet")
    model, checkpoint = args.folder / "model", run.folder(2) / ARM
    log = learn_preferences(checkpoint, preferences, model, run.profile.language_model, PreferenceTraining())
    log.to_parquet(args.folder / "training_log.parquet")
    print(f"{len(preferences)} preferences; told right: {log['accuracy'].tail(len(log) // 2).mean():.2f} at the end")
    print(arm_of(model.resolve(), load_tokenizer(str(model)).bos_token))


if __name__ == "__main__":
    main()
