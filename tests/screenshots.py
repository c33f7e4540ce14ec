"""Pictures of a running console: every page and dialog, in both languages, light and dark.

.venv/bin/python -m tests.screenshots --home .oceanus --to DIRECTORY
"""

import argparse
import json
import re
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip
LANGUAGES = {"en": "en-US", "zh": "zh-CN"}
TABS = {"overview": "", "draft": "draft/", "versions": "versions/", "snapshots": "snapshots/", "runs": "runs/",
        "events": "events/", "operations": "operations/", "monitoring": "monitoring/"}  # fmt: skip
DIALOGS = ["publish", "run", "stop", "snapshot", "copy", "delete"]
PLACES = ["jobs/", "jobs/new/", "batches/", "operations/", "clusters/", "members/"]


def sign_in(browser: Browser, url: str, user: dict[str, str], locale: str, scheme: str, width: int) -> Page:
    context = browser.new_context(
        locale=locale,
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 860},
        base_url=url,
    )
    page = context.new_page()
    page.goto("/login/")
    page.fill("input[name=username]", user["username"])
    page.fill("input[name=password]", user["password"])
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/jobs/**")
    return page


def take(page: Page, to: Path, suffix: str) -> None:
    """Go through the pages of the first workspace and of the job that runs (else the first one)."""
    workspace = re.search(r"/spaces/[^/]+/", page.url)
    assert workspace
    rows = page.locator("tr", has_text=re.compile("Running|运行中")).locator("a[href^='/jobs/']")
    job = (rows if rows.count() else page.locator("a[href^='/jobs/']")).first.get_attribute("href") or ""
    job = re.sub(r"(/jobs/[^/]+/).*", r"\1", job)
    places = {place.strip("/").replace("/", "-"): workspace.group() + place for place in PLACES}
    places |= {f"job-{name}": job + tab for name, tab in TABS.items()}
    places |= {f"dialog-{name}": f"{job}{name}/" for name in DIALOGS}
    batches = page.request.get(workspace.group() + "batches/").text()
    if batch := re.search(r"/batches/batch-\w+/", batches):
        places["batch"] = batch.group()
    for name, address in places.items():
        answer = page.goto(address)
        assert answer is not None
        assert answer.ok, (address, answer.status)
        page.wait_for_load_state("networkidle") if name == "job-draft" else None
        page.screenshot(path=to / f"{name}-{suffix}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="home of the running console")
    parser.add_argument("--to", type=Path, required=True, help="directory for the pictures")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    credentials = json.loads((options.home / "credentials.json").read_text())
    user = next(one for one in credentials["users"] if one["role"] == "developer")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=ARGUMENTS)
        for language, locale in LANGUAGES.items():
            for scheme in ("light", "dark"):
                page = sign_in(browser, credentials["url"], user, locale, scheme, 1280)
                take(page, options.to, f"{language}-{scheme}")
                page.context.close()
        browser.close()


if __name__ == "__main__":
    main()
