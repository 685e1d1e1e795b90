import pandas as pd
import pytest

from c2i_lib.captions import SPLITS, clean_captions, is_explicit, prepare_captions, read_captions
from c2i_lib.config import load_profile
from c2i_lib.errors import CaptionError
from c2i_lib.files import sha256_of

SIZES = {"captions.n_finetune": 20, "captions.eval_share": 0.25, "captions.n_mining": 10, "captions.n_length": 5}
TEXTS = ["a red bicycle", "ein schönes Haus, 1925", 'a "quoted" cat']


@pytest.fixture
def profile():
    return load_profile("smoke", SIZES)


def write_source(path, n=40):
    lines = [f"a cat number {index}" for index in range(n)]
    path.write_text("\n".join(["", "  ", "a  cat number 0", "nude cat", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("text", ["porn gif", "PORN gif", "a gif: porn.", "(nude) drawing", "s.h.i.t. happens"])
def test_a_blacklisted_word_is_explicit_in_any_case(text):
    assert is_explicit([text]).tolist() == [True]


def test_a_word_that_only_contains_a_blacklisted_one_is_not_explicit():
    fine = ["Scunthorpe", "a classic assembly", "an analytic cockpit", "bass guitar", ""]
    assert is_explicit(fine).tolist() == [False] * len(fine)


def test_clean_captions_counts_what_it_drops_and_stops_in_time():
    captions = ["a cat", " ", "a\t cat ", "porn cat", "a dog", "a cow"]
    kept, counts = clean_captions(iter(captions), n_wanted=2)
    assert kept == ["a cat", "a dog"]
    assert counts == {"read": 5, "empty": 1, "duplicate": 1, "explicit": 1, "kept": 2}


def test_splits_are_disjoint_in_order_and_of_the_right_size(tmp_path, profile):
    report = prepare_captions(str(write_source(tmp_path / "source.txt")), tmp_path / "01_captions", profile)
    tables = {name: pd.read_parquet(tmp_path / "01_captions" / f"{name}.parquet") for name in SPLITS}
    assert [len(table) for table in tables.values()] == [15, 5, 10, 5]
    together = pd.concat(tables.values())
    assert together["text"].is_unique and together["caption_id"].is_unique
    assert together["text"].tolist() == [f"a cat number {index}" for index in range(35)]
    assert {name: report[name] for name in SPLITS} == {name: len(table) for name, table in tables.items()}


def test_the_report_adds_up(tmp_path, profile):
    report = prepare_captions("embedded", tmp_path / "01_captions", profile)
    assert report["read"] == sum(report[key] for key in ("empty", "duplicate", "explicit", "kept"))
    assert report["kept"] == sum(report[name] for name in SPLITS)


def test_the_same_source_gives_the_same_bytes(tmp_path, profile):
    for run in ("one", "two"):
        prepare_captions("embedded", tmp_path / run / "01_captions", profile)
    for name in SPLITS:
        paths = [tmp_path / run / "01_captions" / f"{name}.parquet" for run in ("one", "two")]
        assert sha256_of(paths[0]) == sha256_of(paths[1])


def test_a_changed_source_file_is_read_again(tmp_path, profile):
    source = write_source(tmp_path / "source.txt")
    before = prepare_captions(str(source), tmp_path / "01_captions", profile)
    source.write_text("\n" + source.read_text())
    assert prepare_captions(str(source), tmp_path / "01_captions", profile)["empty"] == before["empty"] + 1


@pytest.mark.parametrize("column", ["text", "TEXT", "caption"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_captions_are_read_from_tables(tmp_path, suffix, column):
    path = tmp_path / f"source{suffix}"
    table = pd.DataFrame({"url": ["u"] * 4, column: [*TEXTS, None]})
    if suffix == ".parquet":
        table.to_parquet(path)
    elif suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    assert list(read_captions(str(path))) == [*TEXTS, ""]


def test_captions_are_read_from_text(tmp_path):
    (tmp_path / "source.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    assert list(read_captions(str(tmp_path / "source.txt"))) == TEXTS


def test_the_profile_can_name_the_column(tmp_path):
    path = tmp_path / "source.csv"
    pd.DataFrame({"text": ["wrong"], "alt": ["right"]}).to_csv(path, index=False)
    assert list(read_captions(str(path), text_column="alt")) == ["right"]


def test_embedded_captions_are_those_of_the_embedded_world():
    from c2i_lib.embedded.captions import make_pairs

    assert list(read_captions("embedded")) == [pair.caption for pair in make_pairs()]


def test_a_missing_file_is_named(tmp_path, profile):
    with pytest.raises(CaptionError, match="none.csv does not exist"):
        prepare_captions(str(tmp_path / "none.csv"), tmp_path / "01_captions", profile)


def test_a_file_of_another_kind_is_refused_with_the_known_kinds(tmp_path):
    (tmp_path / "source.docx").write_text("a cat")
    with pytest.raises(CaptionError, match=r"\.txt, \.parquet, \.csv"):
        list(read_captions(str(tmp_path / "source.docx")))


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_a_broken_file_is_a_caption_error(tmp_path, suffix):
    (tmp_path / f"source{suffix}").write_bytes(b"")
    with pytest.raises(CaptionError, match="source"):
        list(read_captions(str(tmp_path / f"source{suffix}")))


@pytest.mark.parametrize("wanted", [None, "alt"])
def test_a_missing_column_lists_those_found(tmp_path, wanted):
    path = tmp_path / "source.csv"
    pd.DataFrame({"url": ["u"], "title": ["a cat"]}).to_csv(path, index=False)
    with pytest.raises(CaptionError, match=r"captions\.text_column.*'url', 'title'"):
        list(read_captions(str(path), text_column=wanted))


def test_too_few_captions_are_told_with_numbers(tmp_path, profile):
    source = write_source(tmp_path / "source.txt", n=30)
    with pytest.raises(CaptionError, match="30 captions are left of 34.* asks for 35"):
        prepare_captions(str(source), tmp_path / "01_captions", profile)
    assert not (tmp_path / "01_captions" / "stage.json").exists()
