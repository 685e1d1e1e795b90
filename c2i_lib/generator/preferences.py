"""Which of two prompts draws better: preferences for a prompt writer to learn from.

In: a run and concepts to train on. Out: a table of pairs, with the selecting judges' scores. All pictures of a concept
start from the same noise. A prompt is good when its picture shows the concept as well as the bare concept's does, and
the better the higher its quality; one that lost the concept is worse than all that kept it. The judges that report take
no part, and the concepts should be none of those that are reported on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from tqdm import tqdm

from c2i_lib.generator.rendering import Renderer
from c2i_lib.generator.writing import PromptWriter
from c2i_lib.models.judges import load_judge, score_pictures
from c2i_lib.records.files import seed_of
from c2i_lib.run.places import Run
from c2i_lib.stages.images import to_pixels

SLACK = 0.02  # of faithfulness below the bare concept's picture that is still as good


def _texts(run: Run, arm: str, concepts: Sequence[str], n: int, seed: int) -> pd.DataFrame:
    """``concept`` and ``prompt``: the bare concept and up to ``n`` different texts for each."""
    prompts = run.profile.prompts.model_copy(update={"candidates": {}})
    writer = PromptWriter(Run(run.directory, run.profile.model_copy(update={"prompts": prompts}), run.name), arm)
    rows = []
    for concept in tqdm(concepts, desc="texts", mininterval=5):
        texts = [concept, *(one.prompt for one in writer.write(concept, n, seed))]
        rows += [{"concept": concept, "prompt": text} for text in dict.fromkeys(texts)]
    return pd.DataFrame(rows)


def score_texts(run: Run, arm: str, concepts: Sequence[str], n: int = 8, seed: int = 0) -> pd.DataFrame:
    """``concept``, ``prompt``, ``quality``, ``faithfulness``: the bare concept and ``n`` texts of ``arm`` for each.

    Raises ``ProfileError`` where the profile has no judges that select.
    """
    judges = run.profile.judges.need_selection()
    table, renderer = _texts(run, arm, concepts, n, seed), Renderer(run)
    seeds = [seed_of(seed, "preference", concept) for concept in table["concept"]]
    drawn = renderer.draw(table["prompt"].tolist(), seeds, renderer.settings)
    pictures = np.stack([to_pixels(image) for image, _ in tqdm(drawn, total=len(table), desc="pictures")])
    for name in ("quality", "faithfulness"):
        judge = load_judge(getattr(judges, name))
        table[name] = score_pictures(judge, pictures, table["concept"].tolist(), 64, name)
    return table


def preferences_of(scored: pd.DataFrame) -> pd.DataFrame:
    """``concept``, ``chosen``, ``rejected``: for each concept the best text with the worst, and the second with the
    second worst. ``scored``: as ``score_texts`` gives it, the bare concept first in each concept's rows."""
    rows = []
    for concept, own in scored.groupby("concept", sort=False):
        kept = own["faithfulness"] >= own["faithfulness"].iloc[0] - SLACK
        written = own.assign(kept=kept).iloc[1:].sort_values(["kept", "quality"], ascending=False, kind="stable")
        for place in range(min(2, len(written) // 2)):
            better, worse = written.iloc[place], written.iloc[-1 - place]
            if better["kept"]:
                rows.append({"concept": concept, "chosen": better["prompt"], "rejected": worse["prompt"]})
    return pd.DataFrame(rows, columns=["concept", "chosen", "rejected"])
