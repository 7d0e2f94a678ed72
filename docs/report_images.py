"""Write the pictures of the portfolio report in docs/images from the demo's pages; after `make demo`, from the root, with chromium.

The pages are opened from their files, so the pictures show what a reader without a server and without a network sees.
"""

import shutil
import sys
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from warehouse.settings import Settings

IMAGES = Path(__file__).parent / "images"
SIZE = (1440, 900)
PICTURES = {  # name: page, choices
    "report-overview": ("index", "theme=light"),
    "report-regions": ("regions", "theme=dark"),
    "report-risk": ("risk", "theme=light"),
}


def main(pages: Path) -> None:
    """Open each page with its choices and write what the window shows."""
    browser = webdriver.Chrome(options(), webdriver.ChromeService(shutil.which("chromedriver")))
    IMAGES.mkdir(exist_ok=True)
    try:
        for name, (page, choices) in PICTURES.items():
            browser.get("about:blank")
            browser.get(f"{(pages / page).with_suffix('.html').as_uri()}#{choices}")
            WebDriverWait(browser, 60).until(lambda one: one.execute_script("return document.documentElement.dataset.ready") == "yes")
            browser.save_screenshot(str(IMAGES / f"{name}.png"))
            print(f"docs/images/{name}.png {(IMAGES / name).with_suffix('.png').stat().st_size // 1024} KiB")
    finally:
        browser.quit()


def options() -> webdriver.ChromeOptions:
    """A browser without a screen, at the size of a laptop's."""
    chosen = webdriver.ChromeOptions()
    chosen.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={SIZE[0]},{SIZE[1] + 143}"):
        chosen.add_argument(argument)
    return chosen


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Settings.from_env().reports / "portfolio")
