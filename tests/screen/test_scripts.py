"""The scripts and the style that a browser gets are there, whole, and small."""

from carviz.screen.scripts import SCRIPT, STYLE


def test_the_bundle_is_one_module_that_loads_no_other():
    code = SCRIPT.read_text("utf-8")
    assert len(code.encode()) < 150_000
    assert "export{" in code
    for loaded in ("import(", "import{", "sourceMappingURL", "http://unpkg", "eval("):
        assert loaded not in code
    assert STYLE.read_text("utf-8").count("{") == STYLE.read_text("utf-8").count("}") > 10
