"""The build hook: a wheel, and an editable install, hold the pages, so that nobody who uses the package needs Node."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGES = "src/headwater/pages"


class PagesHook(BuildHookInterface[BuilderConfig]):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Builds the pages, and puts them into the wheel though git ignores them.

        A wheel is not made without them. A checkout is installed all the same: its server runs, and says where a page
        would be that there are none.
        """
        root = Path(self.root)
        built = subprocess.run([sys.executable, root / "tools" / "pages.py"], check=False)
        build_data["artifacts"].append(f"/{PAGES}/")
        if built.returncode == 0 and (root / PAGES / "index.html").is_file():
            return
        if version == "editable":
            self.app.display_warning("This checkout has no pages; what went wrong is above.")
        else:
            self.app.abort("A wheel without its pages is not built; what went wrong is above.")
