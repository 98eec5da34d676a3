"""The quality page at full size: does it open at once, and scroll?

    python benchmarks/quality_page.py [--scans N] [--folder DIR]

Makes that many simulated cards (25 measures each, pictures of the size of real heads at 0.7 mm),
opens the page in headless Chromium by its driver, and prints a table: seconds to the load event
(the browser's own clock, and around the whole call), size of index.html and of the folder a scan,
seconds to scroll to the end window by window and the longest wait for one, and milliseconds to
filter and to open a table of measures.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import QC
from brainage.core.derivatives import PICTURE, derivative
from brainage.core.tables import write_table
from brainage.reporting.quality_page import write_quality_page

SETTINGS: dict[str, Any] = {
    "datasets": {"many": {"kind": "bids"}},
    "report": {"title": "Simulated scans"},
    "statistics": {"groups": ["CN", "MCI", "AD"], "control": "CN"},
    "quality": {"decisions": None},
}
MEASURES = [f"measure_{k}" for k in range(25)]
SCROLL = """
const done = arguments[0], root = document.scrollingElement, start = performance.now();
let steps = 0, longest = 0, last = start;
function step() {
  const now = performance.now();
  longest = Math.max(longest, now - last);
  last = now;
  if (root.scrollTop + innerHeight >= root.scrollHeight - 2) {
    done({seconds: (now - start) / 1000, steps: steps, longest: longest});
    return;
  }
  steps += 1;
  root.scrollBy(0, innerHeight);
  requestAnimationFrame(step);
}
step();
"""
FILTER = """
const start = performance.now(), verdict = document.getElementById('verdict');
verdict.value = arguments[0];
verdict.dispatchEvent(new Event('change', {bubbles: true}));
document.body.getBoundingClientRect();
return performance.now() - start;
"""
OPEN = """
const done = arguments[0], details = document.querySelector('#scans details');
const start = performance.now();
details.addEventListener('toggle', () => requestAnimationFrame(
  () => done([performance.now() - start, details.querySelectorAll('tbody tr').length])));
details.open = true;
"""


def pictures(rng: np.random.Generator, number: int = 20) -> list[bytes]:
    """Return PNGs of grained discs, as large as the check pictures of sharp and noisy heads."""
    import io

    from PIL import Image

    y, x = np.mgrid[:300, :450]
    discs = sum(((x - c) ** 2 + (y - r) ** 2 < 68**2) for c in (75, 225, 375) for r in (75, 225))
    made = []
    for _ in range(number):
        grain = rng.normal(0, 4.4, discs.shape)
        greys = np.clip(discs * (20 + 6 * np.sin(x / 9) * np.sin(y / 7)) + discs * grain, 0, 39)
        image = Image.fromarray(greys.astype(np.uint8), mode="P")
        image.putpalette([round(255 * k / 39) for k in range(40) for _ in range(3)])
        content = io.BytesIO()
        image.save(content, format="PNG", optimize=True)
        made.append(content.getvalue())
    return made


def make_page(folder: Path, scans: int) -> Path:
    """Write tables, pictures and the page; return index.html."""
    rng = np.random.default_rng(0)
    number = np.arange(scans)
    ids = [f"many_sub-{k:05d}_ses-1" for k in number]
    table = pd.DataFrame(
        {
            "scan_id": ids,
            "dataset": "many",
            "participant_id": [f"sub-{k:05d}" for k in number],
            "session_id": "ses-1",
            "t1w": "image.nii.gz",
            "age": rng.uniform(20, 90, scans),
            "age_top_coded": False,
            "healthy": True,
            "always_healthy": True,
            "sex": np.where(number % 2, "F", "M"),
            "site": [f"many/Site {k % 20}, some scanner, 3 T" for k in number],
            "diagnosis": np.array(["CN", "MCI", "AD"])[number % 3],
        }
    ).reindex(columns=SCANS.names)
    verdict = np.where(number % 25 == 0, "fail", np.where(number % 11 == 0, "warn", "pass"))
    reason = (
        "grey and white matter blend: motion or noise (cjv 1.08, median at site Site 7, some "
        "scanner, 3 T 0.822, 6.1 robust SD); signal in the air: motion or noise (air_level 0.126, "
        "median at site Site 7, some scanner, 3 T 0.042, 9.2 robust SD)"
    )
    qc = pd.DataFrame({"scan_id": ids, "verdict": verdict})
    qc["reason"] = [None if v == "pass" else reason for v in verdict]
    for place, name in enumerate(MEASURES):
        qc[name] = rng.normal(10.0 ** (place % 4), 0.1 * 10.0 ** (place % 4), scans)
    write_table(table, folder / "scans.tsv", SCANS)
    write_table(qc, folder / "qc.tsv", QC)
    made = pictures(rng)
    for k, scan_id in enumerate(ids):
        path = derivative(folder / "imaging", scan_id, PICTURE)
        path.parent.mkdir(parents=True)
        path.write_bytes(made[k % len(made)])
    page = folder / "page"
    write_quality_page(folder / "qc.tsv", folder / "scans.tsv", folder / "imaging", page, SETTINGS)
    return page / "index.html"


def browser() -> Any:
    """Return headless Chromium under its driver."""
    from selenium import webdriver

    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        sys.exit("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(flag)
    return webdriver.Chrome(options, webdriver.ChromeService(driver))


def measure(page: Path, scans: int) -> list[tuple[str, str]]:
    """Open the page and return what was measured, in words."""
    rows = []
    index = page.stat().st_size
    whole = sum(path.stat().st_size for path in page.parent.rglob("*.*"))
    rows.append(("size of index.html (MB)", f"{index / 1e6:.2f}"))
    rows.append(("whole folder, a scan (kB)", f"{whole / scans / 1e3:.1f}"))
    driver = browser()
    try:
        driver.get("about:blank")
        start = time.perf_counter()
        driver.get(page.as_uri())
        around = time.perf_counter() - start
        script = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
        rows.append(("seconds to the load event", f"{driver.execute_script(script) / 1000:.2f}"))
        rows.append(("seconds, the whole call", f"{around:.2f}"))
        driver.set_script_timeout(300)
        done = driver.execute_async_script(SCROLL)
        rows.append(("seconds to scroll to the end", f"{done['seconds']:.2f}"))
        rows.append(("windows scrolled", f"{done['steps']}"))
        rows.append(("longest wait for one (ms)", f"{done['longest']:.0f}"))
        rows.append(("filter by verdict (ms)", f"{driver.execute_script(FILTER, 'fail'):.0f}"))
        rows.append(("all shown again (ms)", f"{driver.execute_script(FILTER, ''):.0f}"))
        milliseconds, lines = driver.execute_async_script(OPEN)
        rows.append((f"first table of {lines} measures (ms)", f"{milliseconds:.0f}"))
    finally:
        driver.quit()
    return rows


def main() -> None:
    """Make the page, open it, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="where the page stays (default: nowhere)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        page = make_page(args.folder or Path(temporary), args.scans)
        print(f"what\t{args.scans} scans")
        for name, value in measure(page, args.scans):
            print(f"{name}\t{value}")


if __name__ == "__main__":
    main()
