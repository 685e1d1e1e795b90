import random
import signal
import string
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from c2i_lib.config import load_profile
from c2i_lib.errors import CaptionError
from c2i_lib.records.files import sha256_of
from c2i_lib.stages.captions import SPLITS, prepare_captions
from c2i_lib.stages.captions.splits import HashSet

SIZES = {"captions.n_finetune": 20, "captions.eval_share": 0.25, "captions.n_mining": 10, "captions.n_length": 5}


def settings_of(source, **changes):
    values = {"source": str(source), "shrink": False, **changes}
    return load_profile("smoke", {**SIZES, **{f"captions.{key}": value for key, value in values.items()}}).captions


def write_source(path, n=40):
    lines = [f"a cat number {index}" for index in range(n)]
    path.write_text("\n".join(["", "  ", "a  cat number 0", "nude cat", *lines]) + "\n", encoding="utf-8")
    return path


def splits_of(folder):
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in SPLITS}


def prepare(tmp_path, texts, name="out", **changes):
    """Report and splits of ``texts``; with ``urls=`` a Parquet source with URLs."""
    urls = changes.pop("urls", None)
    table = pd.DataFrame({"text": texts, **({"URL": urls} if urls else {})})
    table.to_parquet(tmp_path / "source.parquet")
    report = prepare_captions(tmp_path / name / "01_captions", settings_of(tmp_path / "source.parquet", **changes))
    return report, splits_of(tmp_path / name / "01_captions")


def test_splits_are_disjoint_in_order_and_of_the_right_size(tmp_path):
    report = prepare_captions(tmp_path / "01_captions", settings_of(write_source(tmp_path / "source.txt")))
    tables = splits_of(tmp_path / "01_captions")
    assert [len(table) for table in tables.values()] == [15, 5, 10, 5]
    together = pd.concat(tables.values())
    assert together["caption_id"].is_unique
    assert together["text"].tolist() == [f"a cat number {index}" for index in range(35)]
    assert report["splits"] == {name: len(table) for name, table in tables.items()}
    assert report["dropped"]["empty"] == 2 and report["dropped"]["explicit"] == 1


def test_the_report_adds_up_and_ends_with_the_last_caption_taken(tmp_path):
    report = prepare_captions(tmp_path / "01_captions", settings_of(write_source(tmp_path / "source.txt")))
    assert report["read"] == sum(report["dropped"].values()) + report["kept"] == 4 + 35
    assert report["kept"] == sum(report["splits"].values())


@pytest.mark.parametrize("duplicates", ["none", "url_text", "text", "near"])
def test_batch_size_and_workers_change_no_byte(tmp_path, duplicates):
    texts = [f"a cat number {index % 60}" + "!" * (index % 2) for index in range(200)]
    urls = [f"u{index % 90}" for index in range(200)]
    pd.DataFrame({"text": texts, "url": urls}).to_parquet(tmp_path / "source.parquet")
    hashes, reports = set(), []
    for batch_size, n_workers in ((1000, 1), (7, 3), (1, 2)):
        out = tmp_path / f"{batch_size}" / "01_captions"
        settings = settings_of(tmp_path / "source.parquet", duplicates=duplicates)
        reports.append(prepare_captions(out, settings, batch_size, n_workers))
        hashes.add(tuple(sha256_of(out / f"{name}.parquet") for name in SPLITS))
    assert len(hashes) == 1
    assert reports[0] == reports[1] == reports[2]


@pytest.mark.parametrize("duplicates", ["none", "url_text"])
def test_a_text_that_stays_twice_in_a_split_is_in_no_other_split(tmp_path, duplicates):
    texts = [
        "a dog",
        "a dog",
        *(f"a cat number {index}" for index in range(20)),
        "a dog",
        *map(str, "abcdefghijklmnop"),
    ]
    report, tables = prepare(tmp_path, texts, duplicates=duplicates, urls=[f"u{index}" for index in range(len(texts))])
    assert tables["finetune_train"]["text"].tolist()[:2] == ["a dog", "a dog"]
    assert report["dropped"]["in_other_split"] == 1
    seen = [set(table["text"]) for table in tables.values()]
    assert sum(map(len, seen)) == len(set.union(*seen))


def test_the_same_text_at_the_same_url_is_a_duplicate_under_url_text(tmp_path):
    texts = ["a dog"] * 3 + [f"a cat number {index}" for index in range(40)]
    urls = ["u", "u", "v", *(f"w{index}" for index in range(40))]
    report, tables = prepare(tmp_path, texts, duplicates="url_text", urls=urls)
    assert report["dropped"]["duplicate"] == 1
    assert tables["finetune_train"]["url"].tolist()[:2] == ["u", "v"]


def test_a_caption_keeps_the_quality_of_its_own_picture(tmp_path):
    """Through cleaning, duplicates and splits; null where the source has none."""
    texts = ["", "a dog", "a dog", *(f"a cat number {index}" for index in range(40))]
    table = pd.DataFrame({"text": texts, "aesthetic": [9.0, 8.0, 7.0, *(index / 4 for index in range(40))]})
    table.loc[4, "aesthetic"] = None
    table.to_parquet(tmp_path / "source.parquet")
    settings = settings_of(tmp_path / "source.parquet", quality_column="aesthetic")
    prepare_captions(tmp_path / "01_captions", settings, batch_size=7)
    kept = pd.concat(splits_of(tmp_path / "01_captions").values())
    expected = table.drop(index=[0, 2]).head(35)
    assert kept["text"].tolist() == expected["text"].tolist()
    np.testing.assert_array_equal(kept["quality"], expected["aesthetic"])
    prepare_captions(tmp_path / "none" / "01_captions", settings_of(tmp_path / "source.parquet"))
    for split in splits_of(tmp_path / "none" / "01_captions").values():
        assert split["quality"].dtype == float and split["quality"].isna().all()


def test_near_duplicates_differ_in_case_punctuation_and_accents_only(tmp_path):
    texts = ["A café, red!", "a cafe red", *(f"a cat number {index}" for index in range(40))]
    report, _ = prepare(tmp_path, texts, duplicates="near")
    assert report["dropped"]["duplicate"] == 1


def test_too_few_captions_are_told_with_numbers(tmp_path):
    source = write_source(tmp_path / "source.txt", n=30)
    with pytest.raises(CaptionError, match="30 captions are left of 34.*asks for 35: 5 are missing.*captions.shrink"):
        prepare_captions(tmp_path / "01_captions", settings_of(source))
    assert list((tmp_path / "01_captions").glob("*.parquet")) == []
    assert not (tmp_path / "01_captions" / "stage.json").exists()


def test_splits_shrink_in_proportion_where_the_profile_allows_it(tmp_path):
    sizes = {"n_finetune": 400, "n_mining": 200, "n_length": 100}
    source = write_source(tmp_path / "source.txt", n=350)
    report = prepare_captions(tmp_path / "01_captions", settings_of(source, shrink=True, **sizes))
    assert report["splits"] == {"finetune_train": 150, "finetune_eval": 50, "mining": 100, "length": 50}
    assert report["asked_for"]["finetune_train"] == 300


def test_a_changed_source_file_is_read_again(tmp_path):
    source = write_source(tmp_path / "source.txt")
    before = prepare_captions(tmp_path / "01_captions", settings_of(source))
    source.write_text("\n" + source.read_text())
    after = prepare_captions(tmp_path / "01_captions", settings_of(source))
    assert after["dropped"]["empty"] == before["dropped"]["empty"] + 1


def test_an_own_word_list_replaces_the_default(tmp_path):
    (tmp_path / "words.txt").write_text("zebra\n")
    texts = ["a zebra", "a nude", *(f"a cat number {index}" for index in range(40))]
    report, tables = prepare(tmp_path, texts, explicit_words=str(tmp_path / "words.txt"))
    assert report["dropped"]["explicit"] == 1 and "a nude" in set(tables["finetune_train"]["text"])


def test_embedded_captions_fill_the_smoke_profile(tmp_path):
    report = prepare_captions(tmp_path / "01_captions", load_profile("smoke").captions)
    assert report["dropped"]["duplicate"] > 0 and report["dropped"]["explicit"] > 0
    assert report["splits"] == report["asked_for"]


def test_killed_at_random_moments_a_restart_ends_with_the_same_bytes(tmp_path):
    source = tmp_path / "source.txt"
    source.write_text("".join(f"a cat number {index}\n" for index in range(400_000)))
    settings = settings_of(source, n_finetune=200_000, n_mining=100_000, n_length=90_000)
    prepare_captions(tmp_path / "whole" / "01_captions", settings)
    code = (
        "from pathlib import Path; from c2i_lib.stages.captions import prepare_captions;"
        "from c2i_lib.config import Captions;"
        f"prepare_captions(Path({str(tmp_path / 'killed' / '01_captions')!r}), Captions(**{settings.model_dump()!r}))"
    )
    killed = tmp_path / "killed" / "01_captions"
    for delay in random.Random(3).choices([0.0, 0.1, 0.2, 0.4], k=10):
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, cwd=Path.cwd())
        while process.poll() is None and not (killed / "started.json").is_file():
            time.sleep(0.02)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (killed / "stage.json").is_file():
            (killed / "stage.json").unlink()
    prepare_captions(killed, settings)
    for name in SPLITS:
        assert sha256_of(killed / f"{name}.parquet") == sha256_of(
            tmp_path / "whole" / "01_captions" / f"{name}.parquet"
        )


def test_a_full_disk_is_told_and_leaves_nothing_half_written(tmp_path, small_disk):
    generator = np.random.default_rng(0)
    letters = np.frombuffer((string.ascii_letters + string.digits).encode(), np.uint8)
    letters = generator.choice(letters, 80_000_000).tobytes().decode()  # hardly compressible
    texts = [letters[start : start + 1000] for start in range(0, len(letters), 1000)]
    pd.DataFrame({"text": texts}).to_parquet(tmp_path / "source.parquet")
    settings = settings_of(tmp_path / "source.parquet", n_finetune=40_000, n_mining=20_000, n_length=20_000)
    folder = small_disk / "01_captions"
    with pytest.raises(OSError, match="No space left"):
        prepare_captions(folder, settings)
    assert [path.name for path in folder.iterdir()] == ["started.json"]
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    prepare_captions(folder, settings)
    prepare_captions(tmp_path / "01_captions", settings)
    for name in SPLITS:
        assert sha256_of(folder / f"{name}.parquet") == sha256_of(tmp_path / "01_captions" / f"{name}.parquet")


def test_the_hash_set_is_a_set():
    """Against Python's own, over batches with repeats, through several growths."""
    generator, mine, known = np.random.default_rng(0), HashSet(capacity=8), set()
    for _ in range(50):
        hashes = generator.integers(0, 5000, 200).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        expected, seen_here = [], set()
        for value in hashes.tolist():
            expected.append(value not in known and value not in seen_here)
            seen_here.add(value)
        assert mine.is_new(hashes).tolist() == expected
        mine.add(hashes)
        known |= seen_here
        assert mine.contains(hashes).all()
    assert mine.size == len({max(value, 1) for value in known})
