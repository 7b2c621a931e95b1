"""The server as the relay benchmark measures it: `python -m benchmarks.relay_server PORT DIR UPSTREAM [--memory]`.

The whole product with one model, `mock-model`, at the base URL UPSTREAM. Its log is in DIR and synced at each commit;
with `--memory` the reference engine is below it, in the same rhythm, and nothing is kept: what is left out then is
what keeping costs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from headwater.app import make_storage, serve
from headwater.settings import ModelSettings, ServerSettings, Settings
from headwater.storage.contract import Storage
from headwater.storage.memory import MemoryStorage
from headwater.telemetry import Observer

MODEL = "mock-model"


def in_memory(settings: Settings, observer: Observer) -> Storage:
    return MemoryStorage(commit_delay=lambda: settings.log.commit_interval_ms / 1000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("directory", type=Path)
    parser.add_argument("upstream")
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args()
    settings = Settings(
        data=given.directory,
        server=ServerSettings(port=given.port),
        models=(ModelSettings(name=MODEL, provider="openai_chat", base_url=given.upstream, allow_private=True),),
    )
    return serve(settings, make=in_memory if given.memory else make_storage)


if __name__ == "__main__":
    sys.exit(main())
