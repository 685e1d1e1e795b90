"""Stage 01 against its peers, on the same captions in one run.

Explicit filter: ours against ``better_profanity.contains_profanity`` and a compiled Python ``re``. Whole stage,
Parquet to Parquet: ours against the same steps as ``datasets.map`` and ``filter`` with Python functions. Growth: ours
with ten times the rows, time and peak memory. The captions given are repeated with a running number, so that they are
all different. The last line printed is one JSON object.
"""

import argparse
import json
import multiprocessing
import platform
import re
import resource
import shutil
import tempfile
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from c2i_lib.config import load_profile
from c2i_lib.records.stage import package_versions
from c2i_lib.stages.captions import is_explicit, prepare_captions
from c2i_lib.stages.captions.sources import Reading, read_batches
from c2i_lib.text.explicit import read_words

ALL_CAPTIONS = 400_000_000  # of LAION-400M


def write_source(captions: pa.Array, path: Path, n_rows: int) -> None:
    """``n_rows`` captions: those given over and over, each copy with a number of its own; a million a row group."""
    with pq.ParquetWriter(path, pa.schema([("TEXT", pa.string())])) as writer:
        parts: list[pa.Array] = []
        for copy, start in enumerate(range(0, n_rows, len(captions))):
            part = captions.slice(0, min(len(captions), n_rows - start))
            parts.append(pc.binary_join_element_wise(part, str(copy), " ") if copy else part)
            if sum(map(len, parts)) >= 1_000_000 or start + len(captions) >= n_rows:
                writer.write_table(pa.table({"TEXT": pa.concat_arrays(parts)}))
                parts = []


def seconds_of(function, *arguments) -> tuple[float, object]:
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def compare_filters(captions: pa.Array, n_slow: int, n_re: int) -> dict:
    """Captions a second of the three filters; ``re`` has to find the same captions as ours."""
    from better_profanity import profanity

    words = read_words(None)
    parts = [re.escape(word.rstrip("*")) + r"\w*" * word.endswith("*") for word in words]
    compiled = re.compile(rf"(?:^|\W)(?:{'|'.join(sorted(parts))})(?:\W|$)", re.IGNORECASE)
    texts = captions.to_pylist()
    is_explicit(captions.slice(0, 100))
    ours_seconds, ours = seconds_of(is_explicit, captions)
    re_seconds, found = seconds_of(lambda: [bool(compiled.search(text)) for text in texts[:n_re]])
    profanity.load_censor_words()
    slow_seconds, _ = seconds_of(lambda: [profanity.contains_profanity(text) for text in texts[:n_slow]])
    speeds = {"ours": len(captions) / ours_seconds, "re": n_re / re_seconds, "better_profanity": n_slow / slow_seconds}
    return {
        **{f"filter_{name}_per_second": round(speed) for name, speed in speeds.items()},
        "filter_times_re": round(speeds["ours"] / speeds["re"], 1),
        "filter_times_better_profanity": round(speeds["ours"] / speeds["better_profanity"], 1),
        "filter_differs_from_re": int((ours[:n_re] != found).sum()),
    }


def profile_for(n_rows: int):
    """Three splits that together take nine tenths of the rows."""
    part = n_rows // 10
    sizes = {"n_finetune": 4 * part, "n_mining": 2 * part, "n_length": 2 * part}
    return load_profile("paper", {f"captions.{key}": value for key, value in {**sizes, "duplicates": "text"}.items()})


def _measured(source: str, folder: str, n_rows: int, queue) -> None:
    start = time.perf_counter()
    report = prepare_captions(source, Path(folder) / "01_captions", profile_for(n_rows))
    seconds = time.perf_counter() - start
    queue.put((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, report))


def run_ours(source: Path, folder: Path, n_rows: int) -> tuple[float, float, dict]:
    """Seconds, peak megabytes and report of the stage, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measured, args=(str(source), str(folder), n_rows, queue))
    process.start()
    result = queue.get()
    process.join()
    return result


def run_peer(source: Path, folder: Path, n_rows: int, n_kept: int) -> tuple[float, list[str]]:
    """The same steps as ``datasets`` with Python functions: clean, filter, drop duplicates, split, write."""
    import html
    import unicodedata

    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    parts = [re.escape(word.rstrip("*")) + r"\w*" * word.endswith("*") for word in read_words(None)]
    compiled = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(parts))})(?!\w)", re.IGNORECASE)
    seen: set[str] = set()

    def clean(row: dict) -> dict:
        text = re.sub(r"</?[a-zA-Z][^<>]*>", " ", html.unescape(html.unescape(row["TEXT"])))
        return {"text": " ".join(unicodedata.normalize("NFC", text).split())}

    def keep(row: dict) -> bool:
        text = row["text"]
        if len(text) > 2000 or not any(map(str.isalpha, text)) or compiled.search(text) or text in seen:
            return False
        seen.add(text)
        return True

    start = time.perf_counter()
    data = Dataset.from_parquet(str(source), cache_dir=str(folder / "cache")).map(clean).filter(keep)
    data = data.select(range(min(n_kept, len(data))))
    data.to_parquet(str(folder / "peer.parquet"))
    return time.perf_counter() - start, data["text"][:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", default="embedded", help="caption source to repeat (default: embedded)")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows; growth takes ten times as many")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, within a minute")
    args = parser.parse_args()
    n_rows, n_peer, n_slow = args.rows, 100_000, 2000
    if args.quick:
        n_rows, n_peer, n_slow = n_rows // 10, 10_000, 200
    settings = load_profile("paper", {"captions.source": args.captions}).captions
    texts = [text for batch in read_batches(settings, 10_000, Reading()) for text in batch["text"].to_pylist() if text]
    captions = pa.array(texts, pa.string())
    folder = Path(tempfile.mkdtemp())
    figures = {"machine": f"{platform.processor() or platform.machine()}, {multiprocessing.cpu_count()} cores"}
    figures |= {"captions": args.captions, "packages": package_versions()["pandas"]}
    many = pa.concat_arrays([captions] * (1 + 200_000 // len(captions)))
    figures |= compare_filters(many, n_slow, min(20_000, len(many)))
    for name, n in (("peer", n_peer), ("one", n_rows), ("ten", 10 * n_rows)):
        write_source(captions, folder / f"{name}.parquet", n)
    ours_seconds, _, report = run_ours(folder / "peer.parquet", folder / "a", n_peer)
    peer_seconds, peer_texts = run_peer(folder / "peer.parquet", folder, n_peer, report["kept"])
    names = ("finetune_train", "finetune_eval", "mining", "length")
    tables = [pd.read_parquet(folder / "a" / "01_captions" / f"{name}.parquet") for name in names]
    same = pd.concat(tables)["text"].tolist()
    figures |= {"stage_rows_vs_peer": n_peer, "stage_times_datasets": round(peer_seconds / ours_seconds, 1)}
    figures["share_of_same_captions"] = round(len(set(same) & set(peer_texts)) / len(set(same)), 4)
    one_seconds, one_mb, one_report = run_ours(folder / "one.parquet", folder / "b", n_rows)
    ten_seconds, ten_mb, ten_report = run_ours(folder / "ten.parquet", folder / "c", 10 * n_rows)
    rate = ten_report["read"] / ten_seconds
    figures |= {"stage_rows": one_report["read"], "stage_seconds": round(one_seconds, 2), "stage_mb": round(one_mb)}
    figures |= {"ten_rows": ten_report["read"], "ten_seconds": round(ten_seconds, 2), "ten_mb": round(ten_mb)}
    figures |= {"stage_rows_per_second": round(rate), "ten_times_the_rows": round(ten_seconds / one_seconds, 2)}
    figures["hours_for_400_million"] = round(ALL_CAPTIONS / rate / 3600, 2)
    shutil.rmtree(folder)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
