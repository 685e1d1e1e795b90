"""Pipelines: any kind of latent TTI model, never modified, and images that follow from their prompt and seed."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from closeness_of_pictures import assert_same_pictures, share_beyond
from tiny_models import make_tti

from c2i_lib.config import Images, load_profile
from c2i_lib.errors import C2IError, ModelError, ProfileError
from c2i_lib.stages import images as images_module
from c2i_lib.stages.images import flag, load_pipeline, render, render_and_flag, to_pixels
from c2i_lib.stages.images.pipelines import SCHEDULERS, precision_of

PROMPTS = ["a red bicycle", "a cat", "blurry photo of an old house", "a dog next to a tree, flat vector icon", "x"]
SEEDS = [1, 2, 3, 4, 5]
SMALL = dict(hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4)
TWICE = dict(block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=4, sample_size=8, attention_head_dim=4)
BLOCKS = dict(
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D")
)


def text_settings(tokenizer):
    from transformers import CLIPTextConfig

    ids = dict(vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    return CLIPTextConfig(max_position_embeddings=16, projection_dim=32, **SMALL, **ids)


def tiny_vae():
    from diffusers import AutoencoderKL

    down, up = ("DownEncoderBlock2D",) * 2, ("UpDecoderBlock2D",) * 2
    return AutoencoderKL(
        block_out_channels=(8, 16), down_block_types=down, up_block_types=up, norm_num_groups=4, sample_size=16
    )


def make_sd1(folder, tokenizer):
    """Noise is predicted; the model brings PNDM and a safety checker that finds everything unsafe or nothing."""
    from diffusers import PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPTextModel

    vision = dict(SMALL, image_size=32, patch_size=16, projection_dim=32)
    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=32))
    with torch.no_grad():
        for name, part in checker.named_parameters():
            if name.endswith("embeds_weights"):  # thresholds of a cosine
                part.fill_(2.0 if folder.name == "safe" else -2.0)
    pipeline = StableDiffusionPipeline(
        vae=tiny_vae(),
        text_encoder=CLIPTextModel(text_settings(tokenizer)),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(cross_attention_dim=32, **TWICE, **BLOCKS),
        scheduler=PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True),
        safety_checker=checker,
        feature_extractor=CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
    )
    pipeline.save_pretrained(folder)


def make_sd2(folder, tokenizer):
    """v-prediction, linear projections, a head number for each block."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel

    settings = TWICE | {"attention_head_dim": (2, 4), "use_linear_projection": True}
    StableDiffusionPipeline(
        vae=tiny_vae(),
        text_encoder=CLIPTextModel(text_settings(tokenizer)),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(cross_attention_dim=32, **settings, **BLOCKS),
        scheduler=DDIMScheduler(prediction_type="v_prediction", beta_schedule="scaled_linear", clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def make_sdxl(folder, tokenizer):
    """Two text encoders, and sizes and the pooled text in the time embedding; its scheduler is a turbo variant's."""
    from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    text = text_settings(tokenizer)
    added = dict(addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=80)
    StableDiffusionXLPipeline(
        vae=tiny_vae(),
        text_encoder=CLIPTextModel(text),
        text_encoder_2=CLIPTextModelWithProjection(text),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=UNet2DConditionModel(cross_attention_dim=64, use_linear_projection=True, **added, **TWICE, **BLOCKS),
        scheduler=EulerAncestralDiscreteScheduler(timestep_spacing="trailing"),
        add_watermarker=False,
    ).save_pretrained(folder)


def make_lcm(folder, tokenizer):
    """Guidance is an embedding; each step draws new noise."""
    from diffusers import LatentConsistencyModelPipeline, LCMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel

    LatentConsistencyModelPipeline(
        vae=tiny_vae(),
        text_encoder=CLIPTextModel(text_settings(tokenizer)),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(cross_attention_dim=32, time_cond_proj_dim=16, **TWICE, **BLOCKS),
        scheduler=LCMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


KINDS = {
    "sd1": (make_sd1, {}),
    "sd2": (make_sd2, {"negative_prompt": "blurry"}),
    "sdxl": (make_sdxl, {}),
    "sdxl turbo": (make_sdxl, {"scheduler": "model", "guidance": 0.0, "steps": 1}),
    "lcm": (make_lcm, {"scheduler": "model"}),
}


@pytest.fixture(scope="module")
def model_of(tmp_path_factory, tiny_tokenizer, tiny_profile):
    """A function from a kind to its settings and its pipeline, loaded as a user's would be."""
    loaded, base = {}, tmp_path_factory.mktemp("kinds")

    def load(kind):
        if kind not in loaded and kind == "embedded":
            settings = load_profile("cpu", {"images.steps": 2, "images.size": 64}).images
            loaded[kind] = settings, load_pipeline(settings)
        elif kind not in loaded:
            make, changed = KINDS[kind]
            folder = base / ("safe" if make is make_sd1 else make.__name__)
            torch.manual_seed(0)
            if not folder.exists():
                make(folder, tiny_tokenizer)
            settings = tiny_profile.images.model_copy(update={"model": str(folder), **changed})
            loaded[kind] = settings, load_pipeline(settings)
        return loaded[kind]

    return load


@pytest.fixture(autouse=True)
def one_thread():
    """So small models are fastest with one thread, above all on a busy machine."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def settings(tiny_profile):
    return tiny_profile.images


@pytest.mark.parametrize("kind", [*KINDS, "embedded"])
def test_an_image_is_the_same_picture_in_any_batch_order_and_number_of_threads(kind, model_of):
    """And the very same bytes where nothing of this changes."""
    settings, pipeline = model_of(kind)

    def rendered(order, batch_size):
        chosen = settings.model_copy(update={"batch_size": batch_size})
        return dict(
            zip(order, render(pipeline, [PROMPTS[i] for i in order], [SEEDS[i] for i in order], chosen), strict=True)
        )

    expected = rendered(range(5), 3)
    np.testing.assert_array_equal(list(rendered(range(5), 3).values()), list(expected.values()))
    for order, batch_size, n_threads in (((4, 2, 0, 1, 3), 1, 1), ((3, 0, 4, 1, 2), 5, 1), ((2, 4, 1), 5, 2)):
        torch.set_num_threads(n_threads)
        assert_same_pictures(rendered(order, batch_size).values(), [expected[index] for index in order])
    pixels = [to_pixels(image) for image in expected.values()]
    assert all(image.shape == (settings.size, settings.size, 3) and image.std() > 1 for image in pixels)
    assert min(share_beyond(pixels[0], other) for other in pixels[1:]) > 0.1  # so that a mistaken one would be seen


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_never_modified(kind, model_of):
    """Its layers compute what their classes say, with the weights that are in its folder."""
    settings, pipeline = model_of(kind)
    own = type(pipeline).from_pretrained(settings.model).components
    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module):
            weights = part.state_dict()
            for key, expected in own[name].state_dict().items():
                assert torch.equal(weights[key], expected), f"{name}.{key}"
            for key, module in part.named_modules():
                assert "forward" not in vars(module), f"{name}.{key}"


def test_an_image_depends_on_its_seed_and_on_the_negative_prompt(model_of):
    settings, pipeline = model_of("sd2")
    one, same, other = render(pipeline, ["a cat"] * 3, [1, 1, 2], settings)
    assert_same_pictures([one], [same])
    assert np.abs(one - other).max() > 0.1
    (without,) = render(pipeline, ["a cat"], [1], settings.model_copy(update={"negative_prompt": ""}))
    assert np.abs(one - without).max() > 1e-3


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_renders_and_keeps_what_the_model_predicts(name, model_of):
    settings, _ = model_of("sd2")
    chosen = settings.model_copy(update={"scheduler": name})
    pipeline = load_pipeline(chosen)
    assert type(pipeline.scheduler).__name__ == SCHEDULERS[name]
    config = pipeline.scheduler.config
    assert (config.prediction_type, config.beta_schedule) == ("v_prediction", "scaled_linear")
    assert render_and_flag(pipeline, ["a cat"], [1], chosen).__next__()[1] == ""


def test_the_default_scheduler_spaces_steps_from_the_last_one(model_of):
    for kind, predicted in (("sd1", "epsilon"), ("sd2", "v_prediction")):
        _, pipeline = model_of(kind)
        assert type(pipeline.scheduler).__name__ == "DPMSolverMultistepScheduler"
        assert pipeline.scheduler.config.timestep_spacing == "trailing"
        assert pipeline.scheduler.config.prediction_type == predicted


def test_turbo_and_lcm_models_keep_their_own_scheduler(model_of):
    assert type(model_of("lcm")[1].scheduler).__name__ == "LCMScheduler"
    assert type(model_of("sdxl turbo")[1].scheduler).__name__ == "EulerAncestralDiscreteScheduler"


def test_an_unknown_scheduler_names_the_known_ones():
    with pytest.raises(ProfileError, match=r"images.scheduler.*'dpm\+\+', 'model', 'ddim'"):
        load_profile("smoke", {"images.scheduler": "ddpm"})
    assert set(get_args(Images.model_fields["scheduler"].annotation)) == {"model", *SCHEDULERS}


def test_a_model_that_is_not_there_is_a_model_error(settings, tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        load_pipeline(settings.model_copy(update={"model": str(tmp_path / "nowhere")}))


def test_a_flow_matching_model_is_told_to_keep_its_scheduler(model_of, monkeypatch, tmp_path):
    from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusionPipeline

    settings, pipeline = model_of("sd2")
    parts = pipeline.components | {"scheduler": FlowMatchEulerDiscreteScheduler()}
    StableDiffusionPipeline(**parts, requires_safety_checker=False).save_pretrained(tmp_path / "flow")
    with pytest.raises(ModelError, match="set images.scheduler to model"):
        load_pipeline(settings.model_copy(update={"model": str(tmp_path / "flow")}))


@pytest.mark.parametrize("scheduler", ["dpm++", "ddim", "euler", "euler_a", "unipc", "lcm"])
def test_the_embedded_model_of_flow_matching_is_drawn_from_by_schedulers_that_know_flows(scheduler, model_of):
    settings, _ = model_of("embedded")
    settings = settings.model_copy(update={"scheduler": scheduler})
    if scheduler in ("dpm++", "unipc"):
        (image,) = render(load_pipeline(settings), PROMPTS[:1], SEEDS[:1], settings)
        assert flag(image) == ""
    else:
        with pytest.raises(ModelError, match="flow matching, which .* is not: set images.scheduler to model, dpm"):
            load_pipeline(settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this device has fp16")
def test_fp16_without_a_gpu_is_refused(settings):
    with pytest.raises(C2IError, match="needs a GPU.*set it to auto"):
        load_pipeline(settings.model_copy(update={"precision": "fp16"}))


def test_auto_takes_what_the_hardware_has(settings, monkeypatch):
    auto = settings.model_copy(update={"precision": "auto"})
    place = images_module.pipelines
    for has_bf16, kind, expected in ((True, "cpu", "bf16"), (False, "cpu", "fp32"), (False, "cuda", "fp16")):
        monkeypatch.setattr(place, "has_bf16", lambda has=has_bf16: has)
        monkeypatch.setattr(place, "device", lambda kind=kind: torch.device(kind))
        assert precision_of(auto) == expected


def test_bf16_renders(model_of):
    settings, _ = model_of("sd1")
    half = settings.model_copy(update={"precision": "bf16"})
    pipeline = load_pipeline(half)
    assert pipeline.unet.dtype == torch.bfloat16
    assert [flagged for _, flagged in render_and_flag(pipeline, PROMPTS[:2], SEEDS[:2], half)] == ["", ""]


def test_saving_memory_decodes_in_tiles(model_of):
    settings, _ = model_of("sd2")
    saving = settings.model_copy(update={"save_memory": True, "size": 32})
    pipeline = load_pipeline(saving)
    assert pipeline.vae.use_tiling and pipeline.vae.use_slicing
    assert render(pipeline, ["a cat"], [1], saving)[0].shape == (32, 32, 3)


def test_too_small_a_gpu_is_told_what_to_change(model_of, monkeypatch):
    settings, pipeline = model_of("sd2")

    def full(*arguments, **named):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(pipeline.unet), "forward", full)
    with pytest.raises(C2IError, match="smaller images.batch_size, or images.save_memory"):
        render(pipeline, ["a cat"], [1], settings)


def test_what_the_models_own_checker_finds_is_flagged(tmp_path, tiny_tokenizer, model_of):
    settings, safe = model_of("sd1")
    assert safe.safety_checker is not None  # kept
    assert [flagged for _, flagged in render_and_flag(safe, PROMPTS[:2], SEEDS[:2], settings)] == ["", ""]
    make_sd1(tmp_path / "unsafe", tiny_tokenizer)
    settings = settings.model_copy(update={"model": str(tmp_path / "unsafe")})
    rendered = list(render_and_flag(load_pipeline(settings), PROMPTS[:2], SEEDS[:2], settings))
    assert [flagged for _, flagged in rendered] == ["unsafe", "unsafe"]
    assert max(image.max() for image, _ in rendered) == 0  # what was found is not in the file either


@pytest.mark.parametrize(
    ("pixels", "expected"), [(math.nan, "nan"), (math.inf, "nan"), (0.5, "blank"), (0.0, "blank"), (None, "")]
)
def test_flag_names_what_is_wrong(pixels, expected):
    image = np.random.default_rng(0).random((8, 8, 3)).astype(np.float32)
    if pixels is not None and math.isfinite(pixels):
        image[:] = pixels
    elif pixels is not None:
        image[3, 4, 1] = pixels
    assert flag(image) == expected
    assert flag(image, unsafe=True) == "unsafe"


def test_the_tiny_model_of_all_tests_predicts_velocity(tmp_path, tiny_tokenizer, settings):
    folder = make_tti(tmp_path / "tti", tiny_tokenizer)
    pipeline = load_pipeline(settings.model_copy(update={"model": str(folder)}))
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
