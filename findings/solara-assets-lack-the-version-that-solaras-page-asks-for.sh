#!/usr/bin/env bash
# solara-assets is there so that Solara serves its own scripts where nothing outside can be reached.
# Its newest release holds another version of the app than the one that the page of the newest Solara
# asks for, by name, so that every one of these files is fetched from a CDN all the same: with both
# packages installed and no way out, a browser gets a page without scripts, and no widget is shown.
#
# Versions: solara 1.64.1, solara-assets 1.58.2, Python 3.11.
# Seen: the page asks for solara-vuetify3-app 5.2.0; the assets hold 5.1.1 and no other.
# Expected: the assets hold what the page asks for, as they are the same project's.
# carviz: README says that Solara shows nothing without the CDN.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet solara==1.64.1 solara-assets==1.58.2
cat > "$folder/seen.py" <<'PY'
import re
import sys
from importlib.util import find_spec
from pathlib import Path

APP = re.compile(r"@widgetti/(solara-vuetify3-app)@([0-9.]+)/dist")
server = Path(find_spec("solara").submodule_search_locations[0], "server", "templates")
page = (server / "solara.html.j2").read_text("utf-8")
asked = {version for _, version in APP.findall(page)}
held = {
    path.name.rpartition("@")[2]
    for path in Path(sys.prefix, "share", "solara", "cdn", "@widgetti").iterdir()
    if path.name.startswith("solara-vuetify3-app@")
}
print(f"the page asks for {sorted(asked)}, solara-assets hold {sorted(held)}")
assert asked == {"5.2.0"}, asked
assert held == {"5.1.1"}, held
PY
"$folder/venv/bin/python" "$folder/seen.py"
