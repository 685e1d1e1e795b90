"""A run with a built survey, and its web app in a thread."""

import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import uvicorn
from PIL import Image, PngImagePlugin

from c2i_lib.config import load_profile
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage
from c2i_lib.stages.survey.training import write_training
from c2i_lib.stages.survey.web.server import create_app, listen

ARMS = ("concept_only", "base", "ft", "ft_tags")
SEED = 771234
RESEARCHER = "the-researcher's-token"
SECRETS = [*ARMS, str(SEED), "image-", "repeat", "check"]


def make_run(
    folder: Path, n_items: int = 4, raters=("rater_1", "rater_2"), size: int = 64, shared=True, trained_by=None
) -> Path:
    """A run with a built survey, whose pictures tell everything in their metadata. Raters share all items, or take
    them in turn. ``trained_by``: settings whose training they get; None: a survey from before there was any."""
    random = np.random.default_rng(0)
    with Stage(folder / "06_survey", {}):
        items = pd.DataFrame({"item_id": [f"i{number:012x}" for number in range(1, n_items + 1)]})
        items["survey"], items["kind"], items["sample"] = "survey_1", "image", 0
        items["arm"] = [ARMS[number % len(ARMS)] for number in range(n_items)]
        items["image_id"] = [f"image-{arm}-{SEED}-{number}" for number, arm in enumerate(items["arm"])]
        items["concept"] = ["lighthouse", "<b>cat</b>", "old guitar", "penguin"][:n_items] + ["tree"] * (n_items - 4)
        items.loc[n_items - 1, "kind"], items.loc[n_items - 2, "kind"] = "check", "repeat"
        items["expected_quality"] = items["expected_faithfulness"] = 1
        write_table(folder / "06_survey" / "items.parquet", items)
        ids, step = items["item_id"], 1 if shared else len(raters)
        orders = [
            pd.DataFrame(
                {"rater": rater, "survey": "survey_1", "item_id": random.permutation(ids[index % step :: step])}
            )
            for index, rater in enumerate(raters)
        ]
        orders = pd.concat([order.assign(position=range(1, len(order) + 1)) for order in orders])
        write_table(folder / "06_survey" / "orders.parquet", orders)
        (folder / "06_survey" / "pictures").mkdir()
        for row in items.itertuples():
            told = PngImagePlugin.PngInfo()
            told.add_text("prompt", f"{row.arm}, seed {SEED}, {row.image_id}.png")
            picture = Image.fromarray(random.integers(0, 255, (size, size, 3), dtype=np.uint8))
            picture.save(folder / "06_survey" / "pictures" / f"{row.item_id}.png", pnginfo=told)
        if trained_by:
            write_training(folder / "06_survey", trained_by, SEED)
    return folder


@contextmanager
def served(run_folder: Path, port: int = 0, settings=None):
    """The app in a thread: its base address and its survey."""
    with listen("127.0.0.1", port) as listening:
        base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = create_app(run_folder / "06_survey", settings or load_profile("smoke").survey, RESEARCHER, base_url)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", server_header=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield base_url, app.state.survey
        finally:
            server.should_exit = server.force_exit = True
            thread.join()
            app.state.survey.responses.close()
