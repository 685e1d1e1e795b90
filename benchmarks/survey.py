"""The survey under load: 100 raters at once, each with 75 pictures and two questions, against the server itself.

Each rater has a connection and does what the page does: reads the state, agrees, loads each picture, and puts each
answer when the one before is stored. First without a pause, which gives the server's limit; then at the pace of people,
an answer every two seconds from each. Afterwards the database is compared with what the raters were told is stored. For
comparison: SQLite alone, writing as many answers just as durably. The last line printed is one JSON object.
"""

import argparse
import asyncio
import json
import multiprocessing
import platform
import random
import signal
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from PIL import Image

from c2i_lib.config import load_profile
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage
from c2i_lib.stages.survey.web.server import serve
from c2i_lib.stages.survey.web.store import Responses, read_answers
from c2i_lib.study import QUESTIONS

SIZE = 768  # pixels of a picture's side, as in the paper profile


def make_survey(run_folder: Path, n_raters: int, n_images: int) -> None:
    folder, noise = run_folder / "06_survey", np.random.default_rng(0)
    with Stage(folder, {}):
        item_ids = [f"i{number:012x}" for number in range(n_images)]
        items = pd.DataFrame({"item_id": item_ids, "survey": "survey_1", "concept": "a lighthouse by the sea"})
        write_table(folder / "items.parquet", items)
        orders = [
            pd.DataFrame({"rater": f"rater_{rater}", "survey": "survey_1", "item_id": noise.permutation(item_ids)})
            for rater in range(n_raters)
        ]
        orders = pd.concat([order.assign(position=range(1, n_images + 1)) for order in orders])
        write_table(folder / "orders.parquet", orders)
        (folder / "pictures").mkdir()
        for item_id in item_ids:
            small = Image.fromarray(noise.integers(0, 255, (SIZE // 4, SIZE // 4, 3), dtype=np.uint8))
            small.resize((SIZE, SIZE), Image.BICUBIC).save(folder / "pictures" / f"{item_id}.png")


async def ask(connection, method: str, path: str, body: dict | None = None) -> bytes:
    """One HTTP request on a connection that stays open, by hand: a client library would cost more than the server."""
    reader, writer = connection
    content = json.dumps(body).encode() if body is not None else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    answer_head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    answer = await reader.readexactly(int(answer_head.split("content-length: ")[1].split("\r\n")[0]))
    if " 200 " not in answer_head.split("\r\n")[0]:
        raise RuntimeError(f"{method} {path}: {answer_head}{answer[:200]!r}")
    return answer


async def rate(port: int, rater: str, token: str, pause: float, stored: dict, waits: dict, pictures: bool) -> None:
    """A rater at work; ``stored`` gets each answer that the server has confirmed, ``waits`` the seconds it took."""
    connection = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    await ask(connection, "POST", f"/r/{token}/consent", {})
    state = json.loads(await ask(connection, "GET", f"/r/{token}/state"))
    chooser = random.Random(rater)
    if pause:
        await asyncio.sleep(chooser.uniform(0, pause))
    for item in state["items"]:
        if pictures:
            start = time.perf_counter()
            await ask(connection, "GET", f"/r/{token}/pictures/{item['item_id']}.png")
            waits["picture"].append(time.perf_counter() - start)
        for question in QUESTIONS:
            rating = chooser.choice([None, 1, 2, 3, 4])
            body = {"question": question, "rating": rating, "version": 1}
            start = time.perf_counter()
            await ask(connection, "PUT", f"/r/{token}/answers/{item['item_id']}", body)
            waits["answer"].append(time.perf_counter() - start)
            stored[rater, item["item_id"], question] = rating
            if pause:
                await asyncio.sleep(pause * chooser.uniform(0.5, 1.5))
    connection[1].close()


async def rate_all(port: int, tokens: dict[str, str], pause: float, pictures: bool) -> tuple[dict, dict, float]:
    stored, waits, start = {}, {"answer": [], "picture": []}, time.perf_counter()
    await asyncio.gather(*(rate(port, *rater, pause, stored, waits, pictures) for rater in tokens.items()))
    return stored, waits, time.perf_counter() - start


def milliseconds(waits: list[float], share: float) -> float:
    return round(1000 * float(np.percentile(waits, share)), 1)


def lost_answers(database: Path, stored: dict) -> int:
    """How many confirmed answers are not in the database as they were given."""
    table = read_answers(database)
    found = {(row.rater, row.item_id, row.question): row.rating for row in table.itertuples()}
    missing = object()
    as_read = {key: None if value != value else value for key, value in found.items()}
    return sum(as_read.get(key, missing) != rating for key, rating in stored.items())


def bare_writes(folder: Path, n_answers: int) -> float:
    """Answers per second that the store takes without a server."""
    responses = Responses(folder / "bare.sqlite")
    responses.add_raters(["rater_1"])
    start = time.perf_counter()
    for number in range(n_answers):
        responses.answer("rater_1", f"i{number}", "quality", 3)
    return n_answers / (time.perf_counter() - start)


def run(folder: Path, n_raters: int, n_images: int, pause: float, pictures: bool) -> dict:
    """A server in a process of its own, raters in this one; the server is killed, then its database is read."""
    make_survey(folder, n_raters, n_images)
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(folder, load_profile("smoke").survey), kwargs={"port": 0}, daemon=True
    )
    server.start()
    links = folder / "06_responses" / "links.csv"
    while not links.is_file():
        time.sleep(0.05)
    time.sleep(0.5)
    table = pd.read_csv(links).query("rater != 'anyone'")  # without the entry link
    tokens = {row.rater: row.link.rsplit("/", 1)[1] for row in table.itertuples()}
    port = urlsplit(table["link"][0]).port
    stored, waits, seconds = asyncio.run(rate_all(port, tokens, pause, pictures))
    server.kill()
    server.join()
    assert server.exitcode == -signal.SIGKILL
    answers = waits["answer"]
    figures = {"answers": len(stored), "lost": lost_answers(folder / "06_responses" / "responses.sqlite", stored)}
    figures |= {"answers_per_second": round(len(stored) / seconds)}
    figures |= {f"answer_p{share}_ms": milliseconds(answers, share) for share in (50, 99)}
    if pictures:
        figures["picture_p99_ms"] = milliseconds(waits["picture"], 99)
    return figures


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--raters", type=int, default=100)
    options.add_argument("--images", type=int, default=75)
    options.add_argument("--quick", action="store_true", help="15 images, within a minute")
    args = options.parse_args()
    n_images = 15 if args.quick else args.images
    n_cores = multiprocessing.cpu_count()
    figures = {"machine": f"{platform.processor() or platform.machine()}, {n_cores} cores", "raters": args.raters}
    with tempfile.TemporaryDirectory() as folder:
        figures["no_pause"] = run(Path(folder) / "no_pause", args.raters, n_images, 0, False)
        figures["people"] = run(Path(folder) / "people", args.raters, 5 if args.quick else 15, 2, True)
        figures["sqlite_alone_per_second"] = round(bare_writes(Path(folder), 1000))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
