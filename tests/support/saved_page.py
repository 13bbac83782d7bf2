"""What stands in a saved page, read as its script reads it."""

import json
import re


def data_of(text):
    """Return the JSON of a page."""
    found = re.findall(
        r'<script type="application/json" id="carviz-data">(.*?)</script>', text, re.S
    )
    assert len(found) == 1
    return json.loads(found[0], parse_constant=lambda word: 1 / 0)  # NaN is no JSON


def sections_of(data, layer, filter):
    """Return the sections of one filter, and those of its bank, by name."""
    bank = next(bank for bank in data["banks"] if bank["layer"] == layer)
    parts = data["parts"]
    own = dict(zip(data["sections"], bank["filters"][filter], strict=True))
    return {name: parts[place] for name, place in {**bank["all"], **own}.items()}


def picture_names(value):
    """Yield the short names of pictures that sections hold."""
    if not isinstance(value, dict):
        return
    for tab in value.get("tabs", []):
        for place in (tab["small"], tab["large"]["picture"], *tab["large"]["items"]):
            if place:
                yield place[0]
    for face in value.get("faces", {}).values():
        yield face[0]
    for sheet in value.get("sheets", []):
        yield sheet[0]
    if "number" in value and "items" in value:  # changed images
        yield from (item[0] for item in value["items"])
