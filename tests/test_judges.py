"""The judges tell good pictures from poor ones and matching concepts from others, whatever the batch."""

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from c2i_lib.embedded.captions import DEGRADATIONS, Pair, make_pairs
from c2i_lib.embedded.glyphs import load_glyphs
from c2i_lib.embedded.judge import GlyphJudge, embed_texts, neighbour_radii, realism
from c2i_lib.embedded.models import WEIGHTS
from c2i_lib.embedded.rendering import render
from c2i_lib.errors import C2IError, DamagedStageError, ModelError
from c2i_lib.files import write_table
from c2i_lib.images import save_png
from c2i_lib.judges import ClipJudge, load_judge, score_images
from c2i_lib.stage import Stage

BACKGROUND = "yellow"


@pytest.fixture(scope="module")
def judge():
    return GlyphJudge(WEIGHTS / "judge")


@pytest.fixture(scope="module")
def unseen():
    """60 glyphs that no training picture shows on a yellow background."""
    seen = {code for pair in make_pairs() if pair.background == BACKGROUND for code in pair.codes}
    return random.Random(5).sample([glyph for glyph in load_glyphs() if glyph.code not in seen], 60)


def pictures(glyphs, degradation: str | None = None) -> np.ndarray:
    return np.stack(
        [
            render(Pair(f"unseen-{glyph.code}", "", "background", (glyph.code,), BACKGROUND, degradation=degradation))
            for glyph in glyphs
        ]
    )


def area_under_curve(positive, negative) -> float:
    return roc_auc_score([1] * len(positive) + [0] * len(negative), [*positive, *negative])


def test_a_picture_is_faithful_to_its_own_concept(judge, unseen):
    images, names = pictures(unseen), [glyph.name for glyph in unseen]
    matched, mismatched = judge.faithfulness(images, names), judge.faithfulness(images, names[1:] + names[:1])
    assert area_under_curve(matched, mismatched) > 0.9
    assert (matched >= 0).all() and (matched <= 1).all()


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_a_degraded_picture_has_less_quality(degradation, judge, unseen):
    clean, poor = judge.quality(pictures(unseen)), judge.quality(pictures(unseen, degradation))
    assert area_under_curve(clean, poor) > 0.85


def test_the_glyph_judge_does_not_depend_on_the_batch_size(judge, unseen):
    images, names = pictures(unseen[:7]), [glyph.name for glyph in unseen[:7]]
    np.testing.assert_allclose(judge.quality(images, 3), judge.quality(images, 7), rtol=1e-4)
    np.testing.assert_allclose(judge.faithfulness(images, names, 3), judge.faithfulness(images, names, 7), atol=1e-4)


def test_the_glyph_judge_takes_larger_pictures(judge, unseen):
    """Each pixel four times over: the judge scales it down to the very same picture."""
    images = pictures(unseen[:3])
    large = images.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(judge.quality(large), judge.quality(images), rtol=1e-3)


def test_realism_equals_its_definition():
    """Kynkäänniemi et al. 2019, equation 3, as a plain double loop."""
    generator = torch.Generator().manual_seed(0)
    features, real = torch.randn(7, 5, generator=generator), torch.randn(11, 5, generator=generator)
    radii = neighbour_radii(real)
    for one, radius in zip(real, radii, strict=True):
        distances = sorted((one - other).norm().item() for other in real if other is not one)
        others = distances[1:]  # without itself
        assert radius.item() == pytest.approx(others[2], rel=1e-4)
    expected = [
        max(radius / (feature - one).norm() for one, radius in zip(real, radii, strict=True)) for feature in features
    ]
    torch.testing.assert_close(realism(features, real, radii), torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_a_real_picture_lies_inside_the_manifold():
    real = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    assert (realism(real, real, neighbour_radii(real)) >= 1).all()


def test_sentence_embeddings_have_length_one_and_do_not_depend_on_the_batch():
    texts = ["cat", "a small cat on a sofa", "red bicycle", "cat"]
    embeddings = embed_texts(texts, 4)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(embeddings, embed_texts(texts, 1), atol=1e-5, rtol=0)
    assert embeddings[0] @ embeddings[1] > embeddings[0] @ embeddings[2]
    assert torch.equal(embeddings[0], embeddings[3])


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory, tiny_tokenizer):
    """A random CLIP model with its processor, as on the hub."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

    torch.manual_seed(0)
    small = dict(hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4)
    ids = dict(vocab_size=len(tiny_tokenizer), eos_token_id=1, bos_token_id=0, pad_token_id=1)
    config = CLIPConfig(
        text_config=dict(max_position_embeddings=32, **small, **ids),
        vision_config=dict(image_size=32, patch_size=8, **small),
        projection_dim=16,
        logit_scale_init_value=1.0,  # small, so that quality does not saturate
    )
    folder = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(folder)
    scaling = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(image_processor=scaling, tokenizer=tiny_tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip_judge(clip_folder, tiny_profile):
    return load_judge(tiny_profile.judges.model_copy(update={"model": str(clip_folder)}))


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).integers(0, 256, (5, 48, 40, 3), dtype=np.uint8)


def test_any_clip_model_is_a_judge(clip_judge, noise):
    concepts = ["cat", "a red bicycle", "a dog next to a tree", "old house", "x"]
    quality, faithfulness = clip_judge.quality(noise, 2), clip_judge.faithfulness(noise, concepts, 2)
    assert isinstance(clip_judge, ClipJudge)
    assert quality.shape == faithfulness.shape == (5,)
    assert (quality > 0).all() and (quality < 1).all() and np.ptp(quality) > 0
    assert (faithfulness >= 0).all() and (faithfulness <= 2.5).all()


def test_clip_scores_do_not_depend_on_the_batch_size(clip_judge, noise):
    concepts = ["cat", "a red bicycle", "a dog next to a tree", "old house", "x"]
    np.testing.assert_allclose(clip_judge.quality(noise, 1), clip_judge.quality(noise, 5), atol=1e-5)
    one, five = (clip_judge.faithfulness(noise, concepts, batch_size) for batch_size in (1, 5))
    np.testing.assert_allclose(one, five, atol=1e-5)


def test_clip_faithfulness_is_clipscore(clip_judge, noise):
    """Hessel et al. 2021: 2.5 · max(cosine, 0), here of the model's own embeddings of one image and one text."""
    inputs = clip_judge.processor(text=["a photo depicts cat"], images=[noise[0]], return_tensors="pt")
    with torch.inference_mode():
        output = clip_judge.model(**inputs)
    cosine = torch.cosine_similarity(output.image_embeds, output.text_embeds).item()
    assert clip_judge.faithfulness(noise[:1], ["cat"], 1)[0] == pytest.approx(2.5 * max(cosine, 0), abs=1e-5)


def test_a_judge_that_is_not_there_is_a_model_error(tiny_profile, tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        load_judge(tiny_profile.judges.model_copy(update={"model": str(tmp_path / "nowhere")}))


def write_images(folder, glyphs, flags) -> Path:
    """Pictures of ``glyphs`` as a finished stage 05, with these flags."""
    with Stage(folder, {}):
        for number, image in enumerate(pictures(glyphs)):
            save_png(image / 255, folder / f"base-{number}.png", {})
        table = pd.DataFrame({"concept": [glyph.name for glyph in glyphs], "flagged": flags, "arm": "base"})
        table["sample"] = range(len(table))
        table["image_id"] = [f"base-{number}" for number in table["sample"]]
        write_table(folder / "images.parquet", table.assign(path=table["image_id"] + ".png"))
    return folder / "images.parquet"


@pytest.fixture
def images_file(tmp_path, unseen):
    """Four pictures; the second is flagged, and its file is gone, so reading it would raise."""
    file = write_images(tmp_path / "05_images", unseen[:4], ["", "blank", "", ""])
    (file.parent / "base-1.png").unlink()
    return file


def test_flagged_images_get_no_score(images_file, tmp_path, tiny_profile, judge, unseen):
    scores = score_images(images_file, tmp_path / "08_judges" / "scores", tiny_profile)
    assert scores["image_id"].tolist() == ["base-0", "base-2", "base-3"]
    shown = [unseen[number] for number in (0, 2, 3)]
    names = [glyph.name for glyph in shown]
    np.testing.assert_allclose(scores["quality"], judge.quality(pictures(shown)), atol=1e-4)
    np.testing.assert_allclose(scores["faithfulness"], judge.faithfulness(pictures(shown), names), atol=1e-4)


def test_a_picture_that_was_changed_is_not_scored(images_file, tmp_path, tiny_profile):
    save_png(np.zeros((64, 64, 3)), images_file.parent / "base-2.png", {})
    with pytest.raises(DamagedStageError, match="base-2.png"):
        score_images(images_file, tmp_path / "08_judges" / "scores", tiny_profile)


def test_a_run_with_only_flagged_images_is_told_so(tmp_path, tiny_profile, unseen):
    """As when a model gives NaN throughout in half precision."""
    file = write_images(tmp_path / "05_images", unseen[:2], ["nan", "nan"])
    with pytest.raises(C2IError, match="flagged"):
        score_images(file, tmp_path / "08_judges" / "scores", tiny_profile)


def test_the_reference_pictures_of_quality_are_distinct(judge):
    """A duplicate would have a radius of zero and would count for nothing."""
    assert (judge.radii > 0).all()
    assert len(judge.real.unique(dim=0)) == len(judge.real) > 1000
