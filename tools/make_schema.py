"""Writes spec/events.schema.json: the form of every record, from the structs of `headwater.domain.event`.

python tools/make_schema.py           writes the file
python tools/make_schema.py --check   ends with 1 where the file is not what would be written
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from headwater.domain.event import EVENT_TYPES, FINAL_TYPES, RECORD_BYTES_MAX, FlatUsage, SnapshotEvent, UsageReport
from headwater.domain.snapshot import Snapshot

FILE = Path(__file__).resolve().parent.parent / "spec" / "events.schema.json"


class SnapshotData(msgspec.Struct):
    """The data of a `snapshot` record, whose struct takes any value lest events depend on their own fold."""

    snapshot: Snapshot


#: Where the data on the wire has another form than the event's struct.
ON_THE_WIRE: dict[type[Any], type[Any]] = {UsageReport: FlatUsage, SnapshotEvent: SnapshotData}


def schema() -> dict[str, Any]:
    """A JSON schema (2020-12) of records. Types that it does not know are records too, with any data."""
    data_types = [ON_THE_WIRE.get(cls, cls) for cls in EVENT_TYPES.values()]
    data, components = msgspec.json.schema_components(data_types, ref_template="#/$defs/{name}")
    for name, cls in zip(EVENT_TYPES, data_types, strict=True):
        about = (EVENT_TYPES[name].__doc__ or "").strip()
        components[cls.__name__]["description" if about else "title"] = about or name
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:headwater:schema:record:1",
        "title": "Record",
        "description": (
            f"One record of a run's log: an event with its place and time. At most {RECORD_BYTES_MAX} bytes of JSON. "
            f"A record of type {', '.join(sorted(FINAL_TYPES))} is the last of its run. Readers pass over types and "
            "fields that they do not know."
        ),
        "type": "object",
        "required": ["seq", "t", "type", "data"],
        "properties": {
            "seq": {"type": "integer", "minimum": 1, "description": "1, 2, 3 … without gap within a run"},
            "t": {
                "type": "integer",
                "minimum": 0,
                "description": "milliseconds since the run was created, never decreasing",
            },
            "type": {"type": "string"},
            "data": True,
        },
        "oneOf": [
            *(
                {"title": name, "properties": {"type": {"const": name}, "data": form}}
                for name, form in zip(EVENT_TYPES, data, strict=True)
            ),
            {"title": "unknown", "properties": {"type": {"not": {"enum": list(EVENT_TYPES)}}}},
        ],
        "$defs": components,
    }


def rendered() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        return 0 if FILE.is_file() and FILE.read_text(encoding="utf-8") == rendered() else 1
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(rendered(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
