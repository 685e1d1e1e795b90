"""Blind surveys: which picture is shown in which survey, in which order to which rater, under which opaque id.

In: ``images.parquet``. Out, in ``06_survey/``: ``items.parquet`` (``ITEMS_COLUMNS``: for the researcher only),
``orders.parquet`` (``ORDERS_COLUMNS``) and ``pictures/<item_id>.png`` without metadata, so that nothing tells a rater
the arm or the prompt; nobody sees a concept twice in a row where that can be avoided. Kinds: ``image``; ``repeat`` (an
image again, for a rater's self-agreement); ``check`` (a picture that asks for a certain answer); ``pair`` (of
``pairs.py``). What raters are trained with lies beside it (``training.py``). Ignored: ratings.
"""

from __future__ import annotations

import json
import math
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path, hash_of, read_record, seed_of, write_table
from c2i_lib.records.stage import Stage, check_input, read_table
from c2i_lib.stages.survey.pairs import PAIRS_COLUMNS, differ, is_pairwise, make_pairs, other_pairs, pair_pictures
from c2i_lib.stages.survey.responses import PAIRS_FILE, answers_fingerprint
from c2i_lib.stages.survey.training import write_training
from c2i_lib.stages.survey.web.texts import load_texts
from c2i_lib.study import QUESTIONS

ITEMS_COLUMNS = {"survey": "str", "item_id": "str", "image_id": "str", "arm": "str", "concept": "str"}
ITEMS_COLUMNS |= {"sample": "Int64", "prompt_id": "str", "kind": "str"}
ITEMS_COLUMNS |= {f"expected_{question}": "float64" for question in QUESTIONS}
ORDERS_COLUMNS = {"rater": "str", "survey": "str", "position": "int64", "item_id": "str"}
_CHECK_SIZE = 384  # pixels
_SWAPS = 300  # tried for each item of a survey, before neighbours of one concept are left as they are
# Settings of no picture and no question: they may change while people answer.
_NOT_BUILT = ("simulate_raters", "exclusions", "place_minutes", "completion_url", "completion_code", "screen_out_url")
_NOT_BUILT += ("break_every", "time_limit_minutes")
_OF_RATERS = ("raters_per_survey", "raters_in_all_surveys")  # settings that change no item


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
            # Not from the file's hash: that holds versions of packages, and an upgrade would orphan answers.
            item_id = _item_id(seed, image.image_id)
            rows.append((survey, item_id, image.image_id, image.arm, image.concept, image.sample, image.prompt_id))
    names = ["survey", "item_id", "image_id", "arm", "concept", "sample", "prompt_id"]
    return pd.DataFrame(rows, columns=names).sort_values(["survey", "item_id"], ignore_index=True)


def add_repeats(items: pd.DataFrame, n_repeats: int, seed: int) -> pd.DataFrame:
    """``n_repeats`` images of each survey once more, under ids of their own; ``kind`` says which they are."""
    random = np.random.default_rng(seed)
    parts = [items.assign(kind="image")]
    for _, survey in items.groupby("survey"):
        again = survey.iloc[np.sort(random.choice(len(survey), n_repeats, replace=False))]
        # With the seed: from the image's id alone, which the page's source holds, a rater could work out its repeat's.
        parts.append(again.assign(kind="repeat", item_id=[_item_id(seed, "repeat", name) for name in again["item_id"]]))
    return pd.concat(parts, ignore_index=True)


def make_checks(settings: Survey, seed: int) -> pd.DataFrame:
    """Attention checks of every survey, with the points that their pictures ask for."""
    rows, texts = [], load_texts(settings.texts)
    for survey in range(1, settings.n_surveys + 1):
        for number in range(1, settings.attention_checks + 1):
            random = np.random.default_rng(seed_of(seed, "check", survey, number))
            name = f"check-{survey}-{number}"
            expected = random.integers(1, settings.scale_points + 1, size=2).astype(float)
            rows.append((f"survey_{survey}", _item_id(seed, name), name, "check", texts["check_concept"]))
            rows[-1] += (*expected,)
    names = ["survey", "item_id", "image_id", "kind", "concept", "expected_quality", "expected_faithfulness"]
    return pd.DataFrame(rows, columns=names)


def _check_font(settings: Survey, text: str) -> ImageFont.FreeTypeFont:
    """The font of attention checks. Raises ``C2IError`` where it lacks letters of ``text``, or is no font."""
    try:
        font = ImageFont.truetype(settings.check_font, 26) if settings.check_font else ImageFont.load_default(26)
    except OSError as error:
        raise C2IError(f"survey.check_font: {settings.check_font} is no font file ({error})") from None
    unknown = bytes(font.getmask("\U0010fffd"))  # how the font draws what it does not have
    lacking = sorted({letter for letter in text if not letter.isspace() and bytes(font.getmask(letter)) == unknown})
    if lacking:
        raise C2IError(
            f"the font of attention checks cannot write {' '.join(lacking[:5])}: give a font file that can "
            "(survey.check_font, such as NotoSansCJK-Regular.ttc), or no checks (survey.attention_checks 0)"
        )
    return font


def draw_check(settings: Survey, expected_quality: float, expected_faithfulness: float) -> Image.Image:
    """A picture that asks for one answer to each question by the name of its point."""
    first = settings.quality.labels[int(expected_quality) - 1]
    second = settings.faithfulness.labels[int(expected_faithfulness) - 1]
    text = load_texts(settings.texts)["check"].format(first=first, second=second)
    picture = Image.new("RGB", (_CHECK_SIZE, _CHECK_SIZE), "white")
    draw, font = ImageDraw.Draw(picture), _check_font(settings, text)
    for width in (26, 20, 14, 10, 7):  # characters in a line: those of some scripts are wide
        lines = "\n".join(textwrap.wrap(text, width))
        if draw.multiline_textbbox((0, 0), lines, font, spacing=8)[2] <= _CHECK_SIZE - 16:
            break
    draw.multiline_text((_CHECK_SIZE // 2,) * 2, lines, "black", font, "mm", 8, "center")
    return picture


def name_raters(settings: Survey) -> dict[str, list[str]]:
    """The surveys that each rater takes: the first raters take all, the others one each."""
    surveys = [f"survey_{number}" for number in range(1, settings.n_surveys + 1)]
    raters = [surveys] * settings.raters_in_all_surveys
    # Survey by survey in turn, so that with more raters per survey nobody gets another name.
    raters += [
        [survey] for _ in range(settings.raters_per_survey - settings.raters_in_all_surveys) for survey in surveys
    ]
    return {f"rater_{number}": taken for number, taken in enumerate(raters, start=1)}


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


def _zones(order: list[str], items: pd.DataFrame) -> list[tuple[int, int]]:
    """The first and the last position that each item of ``order`` may take: a repeated image and its repeat stay in the
    parts of the survey that ``_shuffled`` gave them, all others may be anywhere."""
    kinds, images = (items.set_index("item_id")[name][order].tolist() for name in ("kind", "image_id"))
    repeated = {image for kind, image in zip(kinds, images, strict=True) if kind == "repeat"}
    early = [place for place, kind in enumerate(kinds) if kind == "image" and images[place] in repeated]
    late = [place for place, kind in enumerate(kinds) if kind == "repeat"]
    last = len(order) - 1
    zones = [(0, last)] * len(order)
    for place in early:
        zones[place] = (0, max(len(order) // 2 - 1, *early))
    for place in late:
        zones[place] = (min(len(order) * 2 // 3, *late), last)
    return zones


def _apart(
    concepts: list[str], zones: list[tuple[int, int]], before: str | None, random: np.random.Generator
) -> list[int]:
    """Which item of ``concepts`` comes at each position, so that no two neighbours have one concept, or as few as swaps
    find. ``zones``: where each item may be; ``before``: the concept that is shown before the first.

    Two items are swapped when that makes no more clashes than there were; equally many will do, because a clash may
    have to wander to where it can be undone.
    """
    order, shown = list(range(len(concepts))), [before, *concepts, None]  # shown[i + 1] is at position i
    most = max(map(concepts.count, set(concepts)), default=0)
    least = max(0, 2 * most - len(concepts) - 1)  # so many stay, however they are arranged
    clashes = [place for place in order if shown[place] == shown[place + 1]]
    for _ in range(_SWAPS * len(order)):
        if len(clashes) <= least:
            break
        one = max(0, clashes[random.integers(len(clashes))] - int(random.integers(2)))
        near = min(one + 1, len(order) - 1)  # a clash of two concepts wanders only so
        two = near if random.random() < 0.5 else int(random.integers(len(order)))
        if not all(zones[order[old]][0] <= new <= zones[order[old]][1] for old, new in ((one, two), (two, one))):
            continue
        edges = {one, one + 1, two, two + 1}
        clashing = sum(shown[place] == shown[place + 1] for place in edges)
        shown[one + 1], shown[two + 1] = shown[two + 1], shown[one + 1]
        if sum(shown[place] == shown[place + 1] for place in edges) > clashing:
            shown[one + 1], shown[two + 1] = shown[two + 1], shown[one + 1]
            continue
        order[one], order[two] = order[two], order[one]
        clashes = [place for place in range(len(order)) if shown[place] == shown[place + 1]]
    return order


def order_of(items: pd.DataFrame, rater: str, surveys: list[str], seed: int) -> pd.DataFrame:
    """One rater's ``rater, survey, position, item_id``: the items of ``surveys``, each in an order of their own, in
    which no concept comes twice in a row where that is possible."""
    rows, before = [], None
    for survey in surveys:
        random = np.random.default_rng(seed_of(seed, rater, survey))
        own = items[items["survey"] == survey]
        order = _shuffled(own, random)
        concepts = own.set_index("item_id")["concept"][order].tolist()
        places = _apart(concepts, _zones(order, own), before, random)
        before = concepts[places[-1]] if places else before
        rows += [(rater, survey, order[place]) for place in places]
    order = pd.DataFrame(rows, columns=["rater", "survey", "item_id"])
    order.insert(2, "position", np.arange(1, len(rows) + 1))
    return order


def order_items(items: pd.DataFrame, settings: Survey, seed: int) -> pd.DataFrame:
    """``rater, survey, position, item_id``: every rater sees the items of a survey in another order."""
    parts = []
    for number, (rater, surveys) in enumerate(name_raters(settings).items()):
        turn = number % len(surveys)
        parts.append(order_of(items, rater, surveys[turn:] + surveys[:turn], seed))
    return pd.concat(parts, ignore_index=True)


def _choose_images(images: pd.DataFrame, settings: Survey) -> pd.DataFrame:
    """The rows of ``images.parquet`` that raters see: of the survey's arms, of each arm's first model, not flagged.

    Raises ``C2IError`` where too few are left to repeat ``repeated_images`` of them in every survey.
    """
    of_arms = images[images["arm"].isin(settings.arms) & (images["replicate"] == 1)]
    sound = of_arms[of_arms["flagged"] == ""]
    if len(sound) < len(of_arms):
        print(f"{len(of_arms) - len(sound)} flagged images are left out of the surveys")
    needed = settings.n_surveys * max(settings.repeated_images, 1)
    if len(sound) < needed:
        raise C2IError(
            f"{settings.n_surveys} surveys that repeat {settings.repeated_images} images each need {needed} images, "
            f"found {len(sound)} of {len(of_arms)} that are not flagged (images.parquet says as what): for "
            "NaN try images.precision fp32; else another TTI model, other prompts, or fewer survey.repeated_images"
        )
    return sound


def _save_picture(picture: Image.Image, path: Path) -> None:
    with atomic_path(path) as temporary:
        Image.fromarray(np.asarray(picture.convert("RGB"))).save(temporary)  # from pixels: no metadata comes along


def _pixels(path: Path) -> np.ndarray:
    """The pixels of a picture of the image stage, which must be the one that was rendered."""
    check_input(path)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _others(folder: Path, images: pd.DataFrame, images_folder: Path) -> list[str]:
    """The images of a built survey that are others now, or gone, and those that are in it no more."""
    items = read_table(folder / "items.parquet")
    shown = items[items["kind"] == "image"].set_index("image_id")["item_id"]
    path_of = images.set_index("image_id")["path"]
    others = sorted(set(shown.index) ^ set(path_of.index))
    for image_id in sorted(set(shown.index) & set(path_of.index)):
        with Image.open(folder / "pictures" / f"{shown[image_id]}.png") as picture:
            before = np.asarray(picture)
        if differ(before, _pixels(images_folder / path_of[image_id])):
            others.append(image_id)
    return others


def _is_frozen(folder: Path, key: dict, images_file: Path, settings: Survey) -> bool:
    """Whether people have answered the survey in ``folder``: it then stays as it is, byte by byte, also under another
    version of c2i. Raises ``C2IError`` where other pictures or settings ask for another survey."""
    record = read_record(folder / "stage.json") if (folder / "stage.json").is_file() else {}
    if settings.simulate_raters or "outputs" not in record or not answers_fingerprint(folder):
        return False
    before, after = record.get("settings", {}), json.loads(json.dumps(key))
    changed = [name for name in after if name in before and before[name] != after[name] and name not in _OF_RATERS]
    images, images_folder = _choose_images(read_table(images_file), settings), Path(images_file).parent
    if is_pairwise(settings) and "mode" not in changed:
        others = other_pairs(folder, make_pairs(images, settings.n_surveys, key["seed"])[1], images, images_folder)
    else:
        others = _others(folder, images, images_folder)
    if changed or others:
        what = [f"the settings {', '.join(changed)}"] if changed else []
        what += (
            [f"{len(others)} pictures ({', '.join(others[:3])}{', …' if len(others) > 3 else ''})"] if others else []
        )
        raise C2IError(
            f"people have answered the survey in {folder}, so it cannot be built again with other content, but "
            f"{' and '.join(what)} have changed: put them back as they were, or make another run (--run-dir)"
        )
    if any(before.get(name) != after[name] for name in _OF_RATERS):
        print("the survey has answers and keeps its raters; to add one: python -m c2i_lib survey raters add")
    return True


def build_surveys(images_file: Path, out_dir: Path, settings: Survey, seed: int) -> pd.DataFrame:
    """Write the surveys of the arms in ``settings`` into ``out_dir``. Flagged images are not shown, and of an arm
    with several models only those of the first. A survey that people have answered is not built again.

    Returns ``items.parquet``. Raises ``DamagedStageError`` when a picture is not the one that was rendered, and
    ``C2IError`` where too few are not flagged, or where a survey with answers would become another.
    """
    folder = Path(out_dir)
    key = {"seed": seed, **settings.model_dump(exclude=set(_NOT_BUILT))}
    if _is_frozen(folder, key, images_file, settings):
        return read_table(folder / "items.parquet")
    own = [Path(item.picture) for item in settings.training.items if Path(item.picture).is_file()]
    with Stage(folder, key, [images_file], __name__, others=own) as stage:
        if not stage.done:
            write_training(folder, settings, seed)  # of pairs: an empty table
        if not stage.done and is_pairwise(settings):
            images = _choose_images(read_table(images_file), settings)
            items, pairs = make_pairs(images, settings.n_surveys, seed)
            for item_id, picture in pair_pictures(pairs, images, Path(images_file).parent):
                _save_picture(picture, folder / "pictures" / f"{item_id}.png")
            write_table(folder / PAIRS_FILE, pairs, PAIRS_COLUMNS)
            items = items.reindex(columns=list(ITEMS_COLUMNS))
            write_table(folder / "orders.parquet", order_items(items, settings, seed), ORDERS_COLUMNS)
            write_table(folder / "items.parquet", items, ITEMS_COLUMNS)
        elif not stage.done:
            images = _choose_images(read_table(images_file), settings)
            items = add_repeats(assign(images, settings.n_surveys, seed), settings.repeated_images, seed)
            items = pd.concat([items, make_checks(settings, seed)], ignore_index=True)
            path_of = images.set_index("image_id")["path"]
            for item in items.itertuples():
                if item.kind == "check":
                    picture = draw_check(settings, item.expected_quality, item.expected_faithfulness)
                else:
                    source = Path(images_file).parent / path_of[item.image_id]
                    check_input(source)
                    picture = Image.open(source)
                _save_picture(picture, folder / "pictures" / f"{item.item_id}.png")
            write_table(folder / "orders.parquet", order_items(items, settings, seed), ORDERS_COLUMNS)
            write_table(folder / "items.parquet", items, ITEMS_COLUMNS)
    return pd.read_parquet(folder / "items.parquet")
