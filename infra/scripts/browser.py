"""The browser of the stories that are told in JavaScript, what drives it, and the fonts it writes with.

A Chrome or Chromium that is installed is used as it is. Fonts come as Debian's packages where there is apt, so that
pictures look alike wherever they are taken, and every script and emoji has its letters.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Dict, Optional

import packages
from node import modules, node
from processes import Failure, output_of, run, say, step
from settings import ROOT, Settings

PUPPETEER = "puppeteer-core@25.16.0"
AXE = "axe-core@4.14.1"
SHOWN_ORIGIN = "http://localhost:8080"
SCREENSHOTS = ROOT / "functions/web/screenshots"
INSTALLED = ("google-chrome-stable", "google-chrome", "chromium", "chromium-browser")
OF_MACOS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
FONTS = ("fonts-inter", "fonts-dejavu-core", "fonts-noto-color-emoji")
FONT_SETTINGS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
  <alias binding="same"><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
  <alias binding="same"><family>sans-serif</family><prefer><family>Inter</family><family>DejaVu Sans</family></prefer></alias>
  <alias binding="same"><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
"""


def environment(settings: Settings) -> Dict[str, str]:
    """What the stories are told of it."""
    fonts = font_settings(settings.tools_dir)
    return {
        "TEST_NODE": str(node(settings)),
        "TEST_NODE_PATH": str(modules(settings, "browser", [PUPPETEER, AXE])),
        **chromium(settings.tools_dir),
        **({"TEST_FONTCONFIG_FILE": str(fonts)} if fonts else {}),
        **({"TEST_BROWSER_VISIBLE": "yes"} if settings.test_browser == "visible" else {}),
    }


def chromium(tools_dir: Path) -> Dict[str, str]:
    """The program, and where it finds its libraries when it is not installed but unpacked."""
    candidates = [*filter(None, map(shutil.which, INSTALLED)), *(path for path in OF_MACOS if Path(path).exists())]
    # Ubuntu's only says that there is a snap.
    found = next((path for path in candidates if output_of([path, "--version"]) is not None), None)
    if found:
        return {"TEST_CHROMIUM": found}
    if packages.has_apt():
        home = packages.debian_packages(tools_dir, ["chromium", "chromium-common"])
        program = home / "usr/lib/chromium/chromium"
        if program.exists():  # Ubuntu's package only leads to a snap
            libraries = packages.debian_environment(program)["LD_LIBRARY_PATH"]
            return {"TEST_CHROMIUM": str(program), "TEST_CHROMIUM_LIBRARY_PATH": libraries}
    say("    Chrome is missing: the stories in a browser will fail; install it, or Chromium")
    return {}


def font_settings(tools_dir: Path) -> Optional[Path]:
    """The file that leads the browser to the fonts; none where there is no apt, and it finds the machine's own."""
    if not packages.has_apt():
        return None
    try:
        home = packages.debian_packages(tools_dir, FONTS)
    except Failure as failure:
        say(f"    The machine's own fonts are used: {failure}")
        return None
    path = tools_dir / "fonts.conf"
    settings = FONT_SETTINGS.format(fonts=home / "usr/share/fonts", cache=tools_dir / "fonts-cache")
    path.write_text(settings, encoding="utf-8")
    return path


def take_screenshots(tools: Dict[str, str], addresses: Dict[str, str]) -> None:
    """Has a script write pictures of the pages of a stack, whose functions take them for those of `SHOWN_ORIGIN`."""
    if "TEST_CHROMIUM" not in tools:
        raise Failure("there is no browser to take pictures in")
    told = {
        "NODE_PATH": tools["TEST_NODE_PATH"],
        "STORY_CHROMIUM": tools["TEST_CHROMIUM"],
        "STORY_ORIGIN": SHOWN_ORIGIN,
        "STORY_URL": addresses["url"],
        "STORY_WEBSOCKET_URL": addresses["websocket_url"],
        "STORY_CONSOLE_URL": addresses["console_url"],
        "STORY_FOLDER": str(SCREENSHOTS),
    }
    for name, tool in (("LD_LIBRARY_PATH", "TEST_CHROMIUM_LIBRARY_PATH"), ("FONTCONFIG_FILE", "TEST_FONTCONFIG_FILE")):
        if tool in tools:
            told[name] = tools[tool]
    with step("Pictures"):
        command = [tools["TEST_NODE"], ROOT / "tests/browser/screenshots.js"]
        run(command, problem="the pictures could not be taken", env={**os.environ, **told}, cwd=ROOT)
