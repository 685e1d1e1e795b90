"""Judges made of CLIP models: their scores are the published formulas, whatever the batch, and of the concept."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny_models import make_tokenizer

from c2i_lib.config.judges import JudgeModel
from c2i_lib.errors import ModelError
from c2i_lib.models.judges import load_judge, picture_features, score_pictures
from c2i_lib.models.judges.aesthetic import head_file, load_head

CONCEPTS = ["cat", "a red bicycle", "a dog next to a tree", "cat", "x"]
DIMENSIONS = 16
WIDTHS = {"layers.0": 24, "layers.2": 12, "layers.4": 8, "layers.6": 4, "layers.7": 1}


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """A random CLIP model with its processor, as on the hub: texts end with eos, where CLIP reads their features."""
    from tokenizers.processors import TemplateProcessing
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 0), ("<eos>", 1)]
    )
    small = dict(hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4)
    ids = dict(vocab_size=len(tokenizer), eos_token_id=1, bos_token_id=0, pad_token_id=1)
    config = CLIPConfig(
        text_config=dict(max_position_embeddings=32, **small, **ids),
        vision_config=dict(image_size=32, patch_size=8, **small),
        projection_dim=DIMENSIONS,
        logit_scale_init_value=1.0,  # small, so that quality does not saturate
    )
    folder = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(folder)
    scaling = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(image_processor=scaling, tokenizer=tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def features(clip_folder):
    """A function: unit features of one picture and of one text by the model's own forward pass."""
    from transformers import AutoProcessor, CLIPModel

    model, processor = CLIPModel.from_pretrained(clip_folder).eval(), AutoProcessor.from_pretrained(clip_folder)

    @torch.inference_mode()
    def of(picture, text):
        output = model(
            **processor(text=[text], images=[Image.fromarray(picture)], truncation=True, return_tensors="pt")
        )
        return output.image_embeds[0], output.text_embeds[0]

    return of


@pytest.fixture(scope="module")
def pictures():
    """Noise in different sizes."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (40 + 4 * place, 48, 3), dtype=np.uint8) for place in range(len(CONCEPTS))]


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    """Files of a random linear head and of a random one of five layers, with their layers."""
    random, found = torch.Generator().manual_seed(1), {}
    for name, widths in (("linear", {"": 1}), ("mlp", WIDTHS)):
        size, layers = DIMENSIONS, {}
        for key, width in widths.items():
            key = f"{key}." if key else ""
            layers[f"{key}weight"] = torch.randn(width, size, generator=random)
            layers[f"{key}bias"] = torch.randn(width, generator=random)
            size = width
        file = tmp_path_factory.mktemp(name) / "head.safetensors"
        save_file(layers, file)
        found[name] = (file, list(layers.values()))
    return found


def make(kind, folder, **settings):
    return load_judge(JudgeModel(kind=kind, model=str(folder), **settings))


@pytest.mark.parametrize("kind", ["clip_score", "clip_iqa", "pickscore", "hpsv2", "aesthetic"])
def test_scores_do_not_depend_on_the_batch_size(kind, clip_folder, pictures, heads):
    judge = make(kind, clip_folder, head=str(heads["mlp"][0]) if kind == "aesthetic" else None)
    one, two, all_ = (score_pictures(judge, pictures, CONCEPTS, size) for size in (1, 2, 5))
    unit = np.ptp(all_)  # an aesthetic score is hundreds of times larger than a cosine, and so is its rounding
    assert one.shape == (5,) and unit > 0
    for scores in (one, two):
        np.testing.assert_allclose(scores, all_, rtol=1e-4, atol=1e-4 * unit)


def test_clip_score_is_the_clipped_cosine_with_the_concepts_caption(clip_folder, pictures, features):
    """Hessel et al. 2021: 2.5 · max(cosine, 0)."""
    scores = score_pictures(make("clip_score", clip_folder), pictures, CONCEPTS, 5)
    for picture, concept, score in zip(pictures, CONCEPTS, scores, strict=True):
        image, text = features(picture, f"a photo depicts {concept}")
        assert score == pytest.approx(2.5 * max((image @ text).item(), 0), abs=1e-5)


def test_clip_iqa_is_the_share_of_a_good_photo(clip_folder, pictures, features):
    scores = score_pictures(make("clip_iqa", clip_folder), pictures, CONCEPTS, 5)
    for picture, score in zip(pictures, scores, strict=True):
        image, good = features(picture, "Good photo.")
        bad = features(picture, "Bad photo.")[1]
        logits = torch.stack([image @ good, image @ bad]) * np.exp(1.0)
        assert score == pytest.approx(logits.softmax(0)[0].item(), abs=1e-5)


@pytest.mark.parametrize(("kind", "scale"), [("pickscore", np.exp(1.0)), ("hpsv2", 1.0)])
def test_preference_is_the_cosine_with_the_bare_concept(kind, scale, clip_folder, pictures, features):
    scores = score_pictures(make(kind, clip_folder), pictures, CONCEPTS, 5)
    for picture, concept, score in zip(pictures, CONCEPTS, scores, strict=True):
        image, text = features(picture, concept)
        assert score == pytest.approx(scale * (image @ text).item(), abs=1e-5)


@pytest.mark.parametrize("kind", ["clip_score", "pickscore", "hpsv2"])
def test_pictures_are_compared_by_the_models_own_features(kind, clip_folder, pictures, features):
    found = picture_features(make(kind, clip_folder), pictures, 2)
    for picture, own in zip(pictures, found, strict=True):
        assert own == pytest.approx(features(picture, "x")[0].numpy(), abs=1e-5)


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_an_aesthetic_head_is_applied_to_unit_features(name, clip_folder, pictures, features, heads):
    file, layers = heads[name]
    scores = score_pictures(make("aesthetic", clip_folder, head=str(file.parent)), pictures, CONCEPTS, 5)
    for picture, score in zip(pictures, scores, strict=True):
        value = features(picture, "x")[0]
        assert value.norm().item() == pytest.approx(1, abs=1e-5)
        for weight, bias in zip(layers[::2], layers[1::2], strict=True):
            value = weight @ value + bias
        assert score == pytest.approx(value.item(), rel=1e-4, abs=1e-4)


def test_judges_say_what_they_measure(clip_folder, heads):
    assert make("clip_score", clip_folder).measures == "faithfulness"
    assert make("clip_iqa", clip_folder).measures == "quality"
    assert make("aesthetic", clip_folder, head=str(heads["mlp"][0])).measures == "quality"
    assert {make(kind, clip_folder).measures for kind in ("pickscore", "hpsv2")} == {"preference"}


def test_a_processor_may_come_from_elsewhere(clip_folder, tmp_path, pictures):
    """PickScore's own page takes the processor of the CLIP model that it started from."""
    from transformers import CLIPModel

    CLIPModel.from_pretrained(clip_folder).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="processor its own"):
        make("pickscore", tmp_path)
    scores = score_pictures(make("pickscore", tmp_path, processor=str(clip_folder)), pictures, CONCEPTS, 5)
    own = score_pictures(make("pickscore", clip_folder), pictures, CONCEPTS, 5)
    np.testing.assert_allclose(scores, own, atol=1e-5)


def test_a_judge_that_is_not_there_is_a_model_error(tmp_path):
    with pytest.raises(ModelError, match="judge clip_score cannot load .*nowhere"):
        make("clip_score", tmp_path / "nowhere")


def test_a_judge_in_a_pickle_is_refused(clip_folder, tmp_path):
    from transformers import AutoProcessor, CLIPModel

    model = CLIPModel.from_pretrained(clip_folder)
    model.config.save_pretrained(tmp_path)
    AutoProcessor.from_pretrained(clip_folder).save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        make("clip_score", tmp_path)


def test_an_aesthetic_head_in_a_pickle_is_refused_with_the_way_to_convert_it(tmp_path):
    torch.save({"weight": torch.ones(1, DIMENSIONS)}, tmp_path / "head.pth")
    for head in (tmp_path / "head.pth", tmp_path):
        with pytest.raises(ModelError, match="weights_only=True.*head.safetensors"):
            head_file(str(head))


def test_a_head_that_is_nowhere_is_a_model_error():
    with pytest.raises(ModelError, match="no file, folder or hub id in reach"):
        head_file("nobody/has-this-head")


@pytest.mark.parametrize(
    "tensors",
    [
        {"weight": torch.ones(1, DIMENSIONS + 1), "bias": torch.ones(1)},
        {"weight": torch.ones(2, DIMENSIONS), "bias": torch.ones(2)},
        {"layers.0.weight": torch.ones(1, DIMENSIONS), "layers.0.bias": torch.ones(1)},
        {"weight": torch.ones(1, DIMENSIONS), "bias": torch.ones(1), "more": torch.ones(1)},
    ],
    ids=["other features", "two scores", "other layers", "more tensors"],
)
def test_a_head_of_another_shape_is_refused(tensors, tmp_path):
    save_file(tensors, tmp_path / "head.safetensors")
    with pytest.raises(ModelError, match=f"from {DIMENSIONS} features to one score"):
        load_head(tmp_path / "head.safetensors", DIMENSIONS)


def test_a_file_that_only_says_safetensors_is_a_model_error(tmp_path):
    (tmp_path / "head.safetensors").write_bytes(b"no tensors here")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        load_head(tmp_path / "head.safetensors", DIMENSIONS)
