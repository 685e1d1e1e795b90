import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from c2i_lib.reporting import figures
from c2i_lib.reporting.style import save_figure

ARMS = ["concept_only", "base", "ft", "ft_tags"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_log():
    log = pd.DataFrame({"step": range(1, 41), "loss": np.linspace(5, 3, 40), "eval_loss": np.nan})
    log.loc[[19, 39], "eval_loss"] = [4.0, 3.5]
    return log


def test_a_figure_of_the_same_data_has_the_same_bytes(tmp_path):
    contents = []
    for folder in ("one", "two"):
        paths = save_figure(figures.plot_training({"ft": make_log()}), tmp_path / folder, "02_t", "label")
        assert [path.name for path in paths] == ["02_t.pdf", "02_t.png"]
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]


def test_saving_one_figure_twice_gives_the_same_bytes(tmp_path):
    figure = figures.plot_training({"ft": make_log()})
    first = [path.read_bytes() for path in save_figure(figure, tmp_path, "f", "label")]
    assert first == [path.read_bytes() for path in save_figure(figure, tmp_path, "f", "label")]


def test_pdfs_embed_truetype_fonts_and_no_date(tmp_path):
    pdf, _ = save_figure(figures.plot_training({"ft": make_log()}), tmp_path, "f", "label")
    content = pdf.read_bytes()
    assert b"/FontFile2" in content and b"/Type3" not in content
    assert b"CreationDate" not in content


def test_pngs_have_the_papers_resolution_and_no_software_version(tmp_path):
    _, png = save_figure(figures.plot_training({"ft": make_log()}), tmp_path, "f")
    info = Image.open(png).info
    assert info["dpi"] == pytest.approx((300, 300), abs=0.1) and "Software" not in info


def test_the_label_is_printed(tmp_path):
    for label in ("", "smoke profile; simulated raters"):
        _, png = save_figure(figures.plot_training({"ft": make_log()}), tmp_path / (label or "none"), "f", label)
        height = Image.open(png).height
        with_label = height if label else (without := height)
    assert with_label > without


def test_training_has_a_line_and_the_evaluations_per_arm():
    figure = figures.plot_training({"ft": make_log(), "ft_tags": make_log()})
    (axes,) = figure.axes
    assert [len(line.get_xdata()) for line in axes.lines] == [40, 2, 40, 2]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["ft", "ft_tags"]
    colors = [line.get_color() for line in axes.lines]
    assert colors[0] == colors[1] != colors[2] == colors[3]


def test_candidates_name_the_chosen_ones():
    table = pd.DataFrame(
        {"phrase": list("abcde"), "document_frequency": [50, 40, 30, 20, 10], "senses": [1, 2, 3, 1, 0]}
    )
    figure = figures.plot_candidates(table.assign(chosen=[False, True, False, True, True]), n_labels=2)
    (axes,) = figure.axes
    assert [len(points.get_offsets()) for points in axes.collections] == [5, 2]
    assert [text.get_text() for text in axes.texts] == ["b", "d"]
    np.testing.assert_array_equal(axes.collections[1].get_offsets()[:, 0], [40, 20])
    assert axes.get_xscale() == "log"


def test_prompts_have_points_and_a_median_per_arm():
    prompts = pd.DataFrame(
        {"arm": np.repeat(ARMS, 3), "perplexity": [1, 10, 100] * 4, "similarity": [0.1, 0.5, 0.6] * 4}
    )
    figure = figures.plot_prompt_statistics(prompts)
    assert len(figure.axes) == 2
    for axis, median in zip(figure.axes, (10, 0.5), strict=True):
        assert [tick.get_text() for tick in axis.get_xticklabels()] == ARMS
        points, lines = axis.collections[::2], axis.collections[1::2]
        assert [len(group.get_offsets()) for group in points] == [3] * 4
        assert {line.get_segments()[0][0, 1] for line in lines} == {median}


def test_quality_and_faithfulness_have_a_point_with_both_intervals_per_arm():
    means = pd.DataFrame({"arm": ARMS, "mean": [0.2, 0.3, 0.4, 0.5], "low": 0.1, "high": 0.9})
    figure = figures.plot_quality_faithfulness(means, means.assign(mean=means["mean"] + 0.1))
    (axes,) = figure.axes
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ARMS
    assert len(axes.containers) == 4 and all(bar.has_xerr and bar.has_yerr for bar in axes.containers)
    first = axes.containers[0].lines[0]
    assert (first.get_xdata()[0], first.get_ydata()[0]) == pytest.approx((0.3, 0.2))


def test_the_image_grid_shows_the_sample_asked_for_with_its_prompt(tmp_path):
    rows = []
    for number, (concept, arm, sample) in enumerate((c, a, s) for c in ("cat", "dog") for a in ARMS for s in (0, 1)):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / f"{number}.png")
        rows.append((concept, arm, sample, f"{number}.png", f"prompt {number} " + "and more " * 20))
    images = pd.DataFrame(rows, columns=["concept", "arm", "sample", "path", "prompt"]).assign(flagged="")
    figure = figures.plot_image_grid(images, tmp_path, ["dog", "cat"], sample=1)
    assert len(figure.axes) == 8
    assert [axis.get_title() for axis in figure.axes[:4]] == ARMS
    assert [figure.axes[place].get_ylabel() for place in (0, 4)] == ["dog", "cat"]
    shown = [int(axis.images[0].get_array()[0, 0, 0]) for axis in figure.axes]
    assert shown == [9, 11, 13, 15, 1, 3, 5, 7]
    for axis, number in zip(figure.axes, shown, strict=True):
        assert axis.get_xlabel().startswith(f"prompt {number} ") and axis.get_xlabel().count("\n") <= 2


def test_a_flagged_picture_says_so_in_figures(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "black.png")
    row = {"arm": "ft", "concept": "cat", "sample": 0, "prompt": "a cat", "path": "black.png", "flagged": "nan"}
    images = pd.DataFrame([row])
    (axis,) = figures.plot_image_grid(images, tmp_path, ["cat"]).axes
    assert axis.get_xlabel() == "[flagged: nan] a cat"
    overview = figures.plot_overview(images, tmp_path)
    assert "[flagged: nan] a cat" in [text.get_text() for axis in overview.axes for text in axis.texts]


def test_pictures_fill_a_grid_and_leave_the_rest_empty():
    pictures = [np.zeros((4, 4, 3), np.uint8)] * 5
    figure = figures.plot_pictures(pictures, [f"caption {number}" for number in range(5)], columns=3)
    assert [len(axis.images) for axis in figure.axes] == [1, 1, 1, 1, 1, 0]
    assert figure.axes[4].get_title() == "caption 4"


def test_the_lengths_figure_shows_mean_and_tail():
    lengths = pd.DataFrame({"n_tokens": [5, 8, 90], "captions": [60, 39, 1]})
    measured = {"captions": 100, "mean_tokens": 7.02, "p95_tokens": 8.0}
    figure = figures.plot_lengths(lengths, measured)
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [0.6, 0.39]
    assert "longer than 16: 1.0%" in axes.get_xlabel()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["mean 7.0", "95 % have at most 8"]


def test_the_overview_shows_one_concept_with_the_prompt_and_picture_of_every_arm(tmp_path):
    rows = []
    for place, arm in enumerate(ARMS):
        Image.new("RGB", (8, 8), (place, 0, 0)).save(tmp_path / f"{arm}.png")
        rows.append((arm, "a red fox", f"a red fox, as {arm} writes it", f"{arm}.png"))
    pictures = pd.DataFrame(rows, columns=["arm", "concept", "prompt", "path"]).assign(flagged="")
    figure = figures.plot_overview(pictures, tmp_path)
    texts = [text.get_text().replace("\n", " ") for axis in figure.axes for text in axis.texts]
    assert texts.count("a red fox") == 1
    assert {row[2] for row in rows} <= set(texts) and set(ARMS) <= set(texts)
    assert [axis.images[0].get_array()[0, 0, 0] for axis in figure.axes if axis.images] == [0, 1, 2, 3]


def test_a_picture_grid_may_be_saved_coarser(tmp_path):
    _, png = save_figure(figures.plot_training({"ft": make_log()}), tmp_path, "f", dpi=100)
    assert Image.open(png).info["dpi"] == pytest.approx((100, 100), abs=0.1)
