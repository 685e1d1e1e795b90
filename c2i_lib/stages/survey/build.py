"""Blind surveys: which picture is shown in which survey, in which order to which rater, under which opaque id.

In: ``images.parquet``. Out, in ``06_survey/``: ``items.parquet`` (``survey, item_id, kind, image_id, arm, concept,
sample, prompt_id, expected_quality, expected_faithfulness``: for the researcher only), ``orders.parquet`` (``rater,
survey, position, item_id``) and ``pictures/<item_id>.png`` without metadata, so that nothing tells a rater the arm or
the prompt. Kinds: ``image``; ``repeat`` (an image again, for a rater's self-agreement); ``check`` (a picture that asks
for a certain answer). Ignored: ratings.
"""

from __future__ import annotations

import math
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from c2i_lib.config import Profile, Survey
from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path, hash_of, seed_of, write_table
from c2i_lib.records.stage import Stage, check_input, read_table

QUESTIONS = ("quality", "faithfulness")
_CHECK_SIZE = 384  # pixels


def _item_id(*parts: object) -> str:
    return "i" + hash_of([str(part) for part in parts])[:12]


def assign(images: pd.DataFrame, n_surveys: int, seed: int) -> pd.DataFrame:
    """Images of all surveys: ``survey, item_id, image_id, arm, concept, sample, prompt_id``. Arms, concepts, samples
    and their pairs are spread evenly.

    Images are dealt to the surveys in turn, arm by arm and concept by concept. When whole arms, or whole concepts, fill
    a round of surveys, the deal moves on by one, so that neither a concept nor a sample always begins in one survey.
    """
    arms, concepts = sorted(set(images["arm"])), sorted(set(images["concept"]))
    per_arm, per_pair = images.groupby("arm").size().max(), images.groupby(["arm", "concept"]).size().max()
    arm_period, concept_period = (math.lcm(int(size), n_surveys) // int(size) for size in (per_arm, per_pair))
    in_order = images.sort_values(["concept", "sample", "image_id"])
    rows = []
    for number, arm in enumerate(arms):
        for image in in_order[in_order["arm"] == arm].itertuples():
            shift = (number // arm_period) * int(per_pair) + concepts.index(image.concept) // concept_period
            survey = f"survey_{(len(rows) + shift) % n_surveys + 1}"
            item_id = _item_id(seed, image.image_id, image.sha256)
            rows.append((survey, item_id, image.image_id, image.arm, image.concept, image.sample, image.prompt_id))
    names = ["survey", "item_id", "image_id", "arm", "concept", "sample", "prompt_id"]
    return pd.DataFrame(rows, columns=names).sort_values(["survey", "item_id"], ignore_index=True)


def add_repeats(items: pd.DataFrame, n_repeats: int, seed: int) -> pd.DataFrame:
    """``n_repeats`` images of each survey once more, under ids of their own; ``kind`` says which they are."""
    random = np.random.default_rng(seed)
    parts = [items.assign(kind="image")]
    for _, survey in items.groupby("survey"):
        again = survey.iloc[np.sort(random.choice(len(survey), n_repeats, replace=False))]
        parts.append(again.assign(kind="repeat", item_id=[_item_id("repeat", name) for name in again["item_id"]]))
    return pd.concat(parts, ignore_index=True)


def make_checks(settings: Survey, seed: int) -> pd.DataFrame:
    """Attention checks of every survey, with the points that their pictures ask for."""
    rows = []
    for survey in range(1, settings.n_surveys + 1):
        for number in range(1, settings.attention_checks + 1):
            random = np.random.default_rng(seed_of(seed, "check", survey, number))
            name = f"check-{survey}-{number}"
            expected = random.integers(1, settings.scale_points + 1, size=2).astype(float)
            rows.append((f"survey_{survey}", _item_id(seed, name), name, "check", "this picture asks you something"))
            rows[-1] += (*expected,)
    names = ["survey", "item_id", "image_id", "kind", "concept", "expected_quality", "expected_faithfulness"]
    return pd.DataFrame(rows, columns=names)


def draw_check(settings: Survey, expected_quality: float, expected_faithfulness: float) -> Image.Image:
    """A picture that asks for one answer to each question by the name of its point."""
    first = settings.quality.labels[int(expected_quality) - 1]
    second = settings.faithfulness.labels[int(expected_faithfulness) - 1]
    text = f'To show that you read this, please answer "{first}" to the first question and "{second}" to the second.'
    picture = Image.new("RGB", (_CHECK_SIZE, _CHECK_SIZE), "white")
    lines = "\n".join(textwrap.wrap(text, 26))
    font = ImageFont.load_default(26)
    ImageDraw.Draw(picture).multiline_text((_CHECK_SIZE // 2,) * 2, lines, "black", font, "mm", 8, "center")
    return picture


def name_raters(settings: Survey) -> dict[str, list[str]]:
    """The surveys that each rater takes: the first raters take all, the others one each."""
    surveys = [f"survey_{number}" for number in range(1, settings.n_surveys + 1)]
    raters = [surveys] * settings.raters_in_all_surveys
    raters += [
        [survey] for survey in surveys for _ in range(settings.raters_per_survey - settings.raters_in_all_surveys)
    ]
    width = len(str(len(raters)))
    return {f"rater_{number:0{width}d}": taken for number, taken in enumerate(raters, start=1)}


def _shuffled(items: pd.DataFrame, random: np.random.Generator) -> list[str]:
    """Item ids of one survey in an order of their own: an image that is repeated comes in the first half, and its
    repeat in the last third."""
    repeated = set(items.loc[items["kind"] == "repeat", "image_id"])
    is_first = (items["kind"] == "image") & items["image_id"].isin(repeated)
    early, late = (items.loc[part, "item_id"].tolist() for part in (is_first, items["kind"] == "repeat"))
    order = random.permutation(items.loc[~is_first & (items["kind"] != "repeat"), "item_id"]).tolist()
    for item_id in early:
        order.insert(int(random.integers(0, max(1, len(items) // 2 - len(early)))), item_id)
    for item_id in late:
        order.insert(int(random.integers(min(len(items) * 2 // 3 - 1, len(order)), len(order) + 1)), item_id)
    return order


def order_items(items: pd.DataFrame, settings: Survey, seed: int) -> pd.DataFrame:
    """``rater, survey, position, item_id``: every rater sees the items of a survey in another order."""
    parts = []
    for number, (rater, surveys) in enumerate(name_raters(settings).items()):
        rotated = surveys[number % len(surveys) :] + surveys[: number % len(surveys)]
        rows = []
        for survey in rotated:
            random = np.random.default_rng(seed_of(seed, rater, survey))
            rows += [(rater, survey, item_id) for item_id in _shuffled(items[items["survey"] == survey], random)]
        parts.append(pd.DataFrame(rows, columns=["rater", "survey", "item_id"]))
        parts[-1].insert(2, "position", np.arange(1, len(rows) + 1))
    return pd.concat(parts, ignore_index=True)


def _shown(images: pd.DataFrame, settings: Survey) -> pd.DataFrame:
    """The rows of ``images.parquet`` that raters see: of the survey's arms, of each arm's first model, not flagged.

    Raises ``C2IError`` where too few are left to repeat ``repeated_images`` of them in every survey.
    """
    of_arms = images[images["arm"].isin(settings.arms) & (images["replicate"] == 1)]
    shown = of_arms[of_arms["flagged"] == ""]
    if len(shown) < len(of_arms):
        print(f"{len(of_arms) - len(shown)} flagged images are left out of the surveys")
    needed = settings.n_surveys * max(settings.repeated_images, 1)
    if len(shown) < needed:
        raise C2IError(
            f"{settings.n_surveys} surveys that repeat {settings.repeated_images} images each need {needed} images, "
            f"found {len(shown)} of {len(of_arms)} that are not flagged (images.parquet says as what): for "
            "NaN try images.precision fp32; else another TTI model, other prompts, or fewer survey.repeated_images"
        )
    return shown


def _save_picture(picture: Image.Image, path: Path) -> None:
    with atomic_path(path) as temporary:
        Image.fromarray(np.asarray(picture.convert("RGB"))).save(temporary)  # from pixels: no metadata comes along


def build_surveys(images_file: Path, out_dir: Path, profile: Profile) -> pd.DataFrame:
    """Write the surveys of the arms in ``profile.survey`` into ``out_dir``. Flagged images are not shown, and of an arm
    with several models only those of the first.

    Returns ``items.parquet``. Raises ``DamagedStageError`` when a picture is not the one that was rendered, and
    ``C2IError`` where too few are not flagged.
    """
    folder, settings = Path(out_dir), profile.survey
    key = {"seed": profile.seed, **settings.model_dump(exclude={"simulate_raters"})}
    with Stage(folder, key, [images_file], __name__) as stage:
        if not stage.done:
            shown = _shown(read_table(images_file), settings)
            items = add_repeats(assign(shown, settings.n_surveys, profile.seed), settings.repeated_images, profile.seed)
            items = pd.concat([items, make_checks(settings, profile.seed)], ignore_index=True)
            items = items.astype({"sample": "Int64", "expected_quality": float, "expected_faithfulness": float})
            path_of = shown.set_index("image_id")["path"]
            for item in items.itertuples():
                if item.kind == "check":
                    picture = draw_check(settings, item.expected_quality, item.expected_faithfulness)
                else:
                    source = Path(images_file).parent / path_of[item.image_id]
                    check_input(source)
                    picture = Image.open(source)
                _save_picture(picture, folder / "pictures" / f"{item.item_id}.png")
            write_table(folder / "orders.parquet", order_items(items, settings, profile.seed))
            write_table(folder / "items.parquet", items)
    return pd.read_parquet(folder / "items.parquet")
