"""The README's picture of the survey: a rater's page on a desktop and on a phone, as Chromium shows it.

Needs a finished run (``make run``), the packages of requirements-test.txt and Chromium. Answers go into a copy of the
run's survey, which is thrown away.
"""

import argparse
import io
import shutil
import tempfile
import threading
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from c2i_lib.run.places import find_run
from c2i_lib.stages import FOLDERS
from c2i_lib.stages.survey.web.server import create_app, listen

SIZES = ((1100, 640), (360, 640))  # pixels of the desktop's and of the phone's window
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def shoot(page: Page, link: str, number: int) -> Image.Image:
    """The page of picture ``number``, with its first question answered."""
    page.goto(link)
    if page.locator("#begin").is_visible():
        page.locator("#begin").click()
    page.wait_for_selector("#rating:not([hidden])")
    for _ in range(number):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("3")
    page.locator("#saved", has_text="Stored").wait_for()
    page.wait_for_load_state("networkidle")  # the picture is there
    return Image.open(io.BytesIO(page.screenshot()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="cpu")
    parser.add_argument("--run-dir", type=Path)
    parser.add_argument("--picture", type=int, default=3, help="which picture of the first rater (default: 3)")
    parser.add_argument("--out", type=Path, default=Path("figures/survey.png"))
    args = parser.parse_args()
    run = find_run(args.profile, args.run_dir)
    with tempfile.TemporaryDirectory() as folder, listen("127.0.0.1", 0) as listening, sync_playwright() as playwright:
        # Without practice: the picture shows what counts.
        shutil.copytree(run.folder(6), Path(folder) / FOLDERS[6], ignore=shutil.ignore_patterns("training*"))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = create_app(Path(folder) / FOLDERS[6], run.profile.survey, "researcher", url)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        serving.start()
        link = app.state.survey.progress(url)[0]["link"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        pages = [browser.new_page(viewport={"width": width, "height": height}) for width, height in SIZES]
        shots = [shoot(page, link, args.picture) for page in pages]
        browser.close()
        server.should_exit = True
        serving.join()
    picture = Image.new("RGB", (sum(width for width, _ in SIZES) + 24, SIZES[0][1]), "white")
    picture.paste(shots[0], (0, 0))
    picture.paste(shots[1], (SIZES[0][0] + 24, 0))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    picture.save(args.out, optimize=True)
    print(args.out)


if __name__ == "__main__":
    main()
