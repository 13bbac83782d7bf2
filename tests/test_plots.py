"""Figures say what the table says, legibly, and nothing on them is clipped or overlaps."""

import dataclasses
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
import pytest
from support.legible import check_legible, texts, words
from support.pictures import pictures_of
from support.selectivity_tables import kinds_of
from support.tables import LONG, NAMES, known_table, random_table

from carviz.class_lists import class_lists
from carviz.plots import plot_bank, plot_classes, plot_filter
from carviz.plots.classes import class_blocks, describe_blocks
from carviz.plots.style import CarvizFigure, write
from carviz.results import CarTable
from carviz.wording import NOT_APART, points


def without_log_p(table):
    return dataclasses.replace(table, log_prob_drop=np.full_like(table.log_prob_drop, np.nan))


CASES = {
    "filter": lambda: plot_filter(
        random_table(), 3, picture=pictures_of(1)[0], selectivity=kinds_of(8)
    ),
    "nothing beside the table": lambda: plot_filter(random_table(), 3),
    "long names, part of the images": lambda: plot_filter(
        random_table(names=LONG, total=12_345), 2, picture=pictures_of(1)[0]
    ),
    "few classes": lambda: plot_filter(random_table(names=NAMES[:4]), 0, selectivity=kinds_of(8)),
    "one class, one image": lambda: plot_filter(random_table(count=1, names=("cat",), n=1), 0),
    "classes without images": lambda: plot_filter(random_table(empty=(0, 4)), 1, k=3),
    "all zero, dead": lambda: plot_filter(
        random_table(strength=0), 5, selectivity=kinds_of(8, dead=(5,)), k=3
    ),
    "many classes": lambda: plot_filter(
        random_table(names=[f"class {i}" for i in range(60)]), 0, k=12
    ),
    "wide picture": lambda: plot_filter(random_table(), 3, picture=pictures_of(1, 3, 9)[0]),
    "classes": lambda: plot_classes(random_table(names=LONG), 7),
    "bank": lambda: plot_bank(
        random_table(count=32), selectivity=kinds_of(32, dead=(3,)), pictures=pictures_of(32)
    ),
    "bank of two indices only": lambda: plot_bank(
        random_table(count=32), selectivity=kinds_of(32, index=np.arange(32) % 2)
    ),
    "bank, table only": lambda: plot_bank(random_table(count=32, total=5000)),
    "bank without kinds": lambda: plot_bank(random_table(count=30), pictures=pictures_of(30)),
    "bank, all zero": lambda: plot_bank(random_table(strength=0), selectivity=kinds_of(8)),
    "bank of one": lambda: plot_bank(
        random_table(count=1), selectivity=kinds_of(1), pictures=pictures_of(1)
    ),
    "some filters of a bank": lambda: plot_bank(
        random_table(count=3, filters=[4, 17, 30]),
        selectivity=kinds_of(32),
        pictures=pictures_of(32),
    ),
    "large bank": lambda: plot_bank(
        random_table(count=256), selectivity=kinds_of(256, dead=(9,)), pictures=pictures_of(256)
    ),
    "large bank, table only": lambda: plot_bank(random_table(count=256)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_word_is_legible_whole_and_by_itself(case):
    check_legible(CASES[case]())


@pytest.mark.parametrize(
    ("x", "y", "wrong", "told"),
    [
        (0.99, 0.5, "outside", "clipped"),
        (0.5, 0.5, "here", "overlap"),
        (0.1, 0.8, "on the picture", "on a picture"),
        (0.55, 0.88, "of the figure", "on a picture or a plot"),
        (0.5, 0.2, "−NaN points", "nan is written"),
    ],
)
def test_what_cannot_be_read_is_found(x, y, wrong, told):
    figure = CarvizFigure(6, 4)
    figure.description = "A picture and a plot."
    write(figure, 0.5, 0.5, "there")
    figure.add_axes((0.05, 0.7, 0.3, 0.25)).imshow(pictures_of(1)[0])
    plot = figure.add_axes((0.5, 0.7, 0.3, 0.25))
    for axes in figure.axes:
        axes.set(xticks=[], yticks=[])
    write(plot, 0.1, 0.2, "in its own plot")
    check_legible(figure)
    text = write(figure, x, y, wrong)
    with pytest.raises(AssertionError, match=told):
        check_legible(figure)
    text.remove()
    write(figure, 0.5, 0.2, "faint", fontsize=11)
    with pytest.raises(AssertionError, match="small"):
        check_legible(figure)


def test_a_filter_at_a_glance_says_its_numbers():
    said = words(plot_filter(known_table(), 0, selectivity=kinds_of(2, "conv1", index=[0.87, 0])))
    assert "Filter 0 of conv1" in said
    assert "+2.0 points" in said  # CAR is (3 - 1) / 100
    # Agresti-Min by hand: N = 102, d = 2/102, se = sqrt(4 + 1 - 4/102)/102.
    half = 1.959964 * np.sqrt(5 - 4 / 102) / 102
    low, high = 100 * (2 / 102 - half), 100 * (2 / 102 + half)
    assert f"\N{MINUS SIGN}{-low:.1f} to +{high:.1f} points" in said
    assert "3 lost, 1 gained of 100 images" in said
    assert NOT_APART in said.replace("\n", " ")
    assert "colour" in said
    assert "0.87" in said
    assert "3 lost of 50" in said
    assert "1 gained of 50" in said
    assert "90.0% right on 100 images" in said


def test_dead_filters_have_no_index_and_ties_are_marked():
    figure = plot_filter(known_table(), 1, selectivity=kinds_of(2, "conv1", dead=(1,)))
    said = words(figure)
    assert "dead" in said
    assert "nan" not in said.lower()
    assert "0.0 points" in said
    assert "cat =" in said
    assert "none lost or gained of 50" in said
    assert "ties with another class" in said


def test_a_table_of_part_of_the_images_says_so():
    for figure in (
        plot_filter(known_table(2000), 0),
        plot_classes(known_table(2000), 0),
        plot_bank(known_table(2000)),
    ):
        assert "100 of 2,000 images so far" in words(figure)
    assert "so far" not in words(plot_bank(known_table()))


def test_each_class_is_shown_once_and_those_without_images_never():
    table = random_table(empty=(2,), seed=4)
    for k in (1, 3, 4, 5, 20):
        shown = [t.get_text().removesuffix(" =") for t in texts(plot_classes(table, 0, k=k))]
        named = [word for word in shown if word in NAMES]
        assert len(named) == len(set(named))
        assert len(named) == 9 if 2 * k >= 9 else 0 < len(named) <= 2 * k
        assert "triangle" not in named


def test_different_long_names_stay_different():
    shown = texts(plot_classes(random_table(names=LONG), 0, k=6))
    named = [t.get_text().removesuffix(" =") for t in shown if "coral" in t.get_text()]
    assert len(set(named)) == 9
    assert any("…" in name for name in named)


def test_a_dollar_in_a_class_name_is_a_dollar():
    names = ("$5 bill$", "a_b^c", "\\alpha")
    figure = plot_classes(random_table(names=names), 0)
    for name in names:
        found = [t for t in texts(figure) if t.get_text().removesuffix(" =") == name]
        assert len(found) == 1
        assert not found[0].get_parse_math()


def test_bars_and_lines_are_where_the_table_says():
    table = known_table()
    axes = plot_classes(table, 0).axes[0]
    widths = [patch.get_width() for patch in axes.patches]
    assert np.allclose(widths, [6.0, -2.0])
    frame = table.top_classes(0, 2)
    ends = [line.get_xdata() for line in axes.lines if line.get_marker() == "|"]
    assert np.allclose(ends, 100 * frame[["low", "high"]].to_numpy())


def test_a_bar_is_filled_only_where_the_test_says_so():
    targets = np.repeat([0, 1], 50)
    predictions = targets[None].copy()
    predictions[0, :20] = 1
    predictions[0, 60] = 0
    table = CarTable(
        "conv", filters=[0], classes=("cat", "dog"), images=np.arange(100), total=100,
        targets=targets, baseline=targets, predictions=predictions,
        log_prob_drop=np.zeros((1, 2)),
    )  # fmt: skip
    sure, unsure = plot_classes(table, 0).axes[0].patches
    assert sure.get_facecolor() != unsure.get_facecolor()
    assert unsure.get_facecolor() == (1, 1, 1, 1)


def test_the_picture_is_crisp():
    picture = np.full((3, 3, 3), 0.5)
    picture[0, 2] = (1, 0, 0)
    figure = plot_filter(known_table(), 0, picture=picture)
    (image,) = [i for axes in figure.axes for i in axes.images]
    box = image.axes.get_window_extent()
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1]
    cell = pixels[int(box.y0 + box.height * 2 / 3) + 3 : int(box.y1) - 3,
                  int(box.x0 + box.width * 2 / 3) + 3 : int(box.x1) - 3, :3]  # fmt: skip
    assert cell.size
    assert (cell == [255, 0, 0]).all()


def test_the_gallery_is_sorted_by_car_with_each_filters_own_picture_and_letter():
    table, pictures = random_table(count=12), pictures_of(12)
    selectivity = kinds_of(12, dead=(2,))
    figure = plot_bank(table, selectivity=selectivity, pictures=pictures)
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(images) == 12
    for image, filter in zip(images, table.order, strict=True):
        assert np.allclose(image, pictures[filter])
    on_page = [t.get_text() for t in figure.texts]
    letters = {"color": "C", "shape": "S", "dead": "×"}
    for filter in table.order.tolist():
        place = on_page.index(str(filter))
        assert on_page[place + 1] == letters[str(selectivity.kind[filter])]
        assert on_page[place + 2] == points(table.car[filter], unit=False)
    said = words(figure)
    assert f"C colour: {(selectivity.kind == 'color').sum()}" in said
    assert "× dead: 1" in said


def test_kinds_differ_in_the_scatter_by_mark_as_well_as_colour():
    figure = plot_bank(random_table(count=12), selectivity=kinds_of(12, dead=(2,)))
    marks = [
        line
        for line in figure.axes[0].lines
        if line.get_linestyle() == "None" and len(line.get_xdata())
    ]
    assert len(marks) == 3
    assert len({line.get_marker() for line in marks}) == 3
    assert len({line.get_color() for line in marks}) == 3
    assert sum(len(line.get_xdata()) for line in marks) == 12


def test_a_large_gallery_says_what_it_leaves_out():
    figure = plot_bank(random_table(count=100), pictures=pictures_of(100))
    shown = [axes for axes in figure.axes if axes.images]
    assert f"({100 - len(shown)} between left out)" in words(figure)


@pytest.mark.parametrize(
    ("fraction", "said"),
    [
        (0.024, "+2.4 points"),
        (-0.003, "\N{MINUS SIGN}0.3 points"),
        (0.0, "0.0 points"),
        (-0.0, "0.0 points"),
        (0.0005, "+0.05 points"),
        (0.00002, "+0.002 points"),
        (0.000998, "+0.1 points"),
        (1.0, "+100.0 points"),
    ],
)
def test_points(fraction, said):
    assert points(fraction) == said


def test_figures_display_in_jupyter_and_leave_pyplot_and_torch_alone():
    code = """
import sys
import numpy as np
from carviz.plots import plot_filter, plot_bank
from carviz.results import CarTable
from carviz.wording import points
table = CarTable("c", filters=[0], classes=("a", "b"), images=[0, 1], total=2, targets=[0, 1],
                 baseline=[0, 1], predictions=[[0, 0]], log_prob_drop=[[0, 1]])
for figure in (plot_filter(table, 0, picture=np.full((3, 3, 3), 0.5)), plot_bank(table)):
    assert figure._repr_png_().startswith(b"\\x89PNG")
print(sorted({"matplotlib.pyplot", "torch", "skimage", "ipywidgets"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_users_dark_style_does_not_turn_the_page_or_the_letters():
    dark = {
        "text.color": "white", "axes.facecolor": "black", "axes.labelcolor": "white",
        "xtick.color": "white", "ytick.color": "white", "figure.facecolor": "black",
        "savefig.facecolor": "black", "axes.edgecolor": "white",
    }  # fmt: skip
    arguments = {"selectivity": kinds_of(2, "conv1"), "pictures": pictures_of(2)}
    for plot in (
        lambda: plot_filter(known_table(), 0),
        lambda: plot_bank(known_table(), **arguments),
        lambda: plot_bank(known_table()),
    ):
        light = plot()._repr_png_()
        with matplotlib.rc_context(dark):
            assert plot()._repr_png_() == light


def test_figures_can_be_made_in_several_threads():
    table = random_table()
    alone = [plot_classes(table, i)._repr_png_() for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda i: plot_classes(table, i)._repr_png_(), range(4))) == alone


def test_bad_arguments_say_rule_and_found():
    table = known_table()
    with pytest.raises(TypeError, match=r"shows a CarTable.*one class an.*found DataFrame"):
        plot_filter(table.to_frame(), 0)
    with pytest.raises(ValueError, match="not 7"):
        plot_filter(table, 7)
    with pytest.raises(ValueError, match="1 or more; found 0"):
        plot_classes(table, 0, k=0)
    with pytest.raises(ValueError, match=r"'features.0'"):
        plot_filter(table, 0, selectivity=kinds_of(2))
    with pytest.raises(ValueError, match="with 1 filters"):
        plot_bank(table, selectivity=kinds_of(1, "conv1"))
    with pytest.raises(TypeError, match="measure_selectivity"):
        plot_bank(table, selectivity=[0.1, 0.2])
    with pytest.raises(TypeError, match="uint8"):
        plot_filter(table, 0, picture=np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(ValueError, match=r"found an array of shape \(3, 3\)"):
        plot_filter(table, 0, picture=np.zeros((3, 3)))
    for wrong in (np.nan, 1.5, -0.1):
        with pytest.raises(ValueError, match=r"in \[0, 1\]"):
            plot_filter(table, 0, picture=np.full((3, 3, 3), wrong))
    with pytest.raises(ValueError, match="found 1 pictures"):
        plot_bank(table, pictures=pictures_of(1))


def test_where_log_p_was_left_out_no_figure_says_that_it_decides():
    table = without_log_p(known_table())
    several = carviz_table_of_many_classes(table)
    for filter in (0, 1):
        for shown in (table, several):
            blocks = class_blocks(shown, filter, 5)
            told = describe_blocks(blocks) + " ".join(title for title, _ in blocks)
            assert "argest fall" not in told
            assert "nan" not in told.lower()
            tied = any(frame["tied"].any() for _, frame in blocks)
            assert ("number decides" in class_lists(shown, filter, 5).tie) == tied
            text = words(plot_classes(shown, filter))
            assert "fall of log p decides" not in text
            assert "nan" not in text.lower()
    ((title, frame),) = class_blocks(several, 1, 5)
    assert title == "CAR is 0 in every class, log p was left out. The first classes"
    assert frame["number"].tolist() == list(range(5))
    assert "log p decides" in class_lists(known_table(), 1, 5).tie


def carviz_table_of_many_classes(table):
    """Return the table with images of 30 classes, on which filter 1 changes nothing."""
    targets = np.arange(100) % 30
    baseline, predictions = targets.copy(), np.stack([targets, targets])
    predictions[0, :4] = 29
    return dataclasses.replace(
        table, classes=tuple(f"class {i}" for i in range(30)), targets=targets,
        baseline=baseline, predictions=predictions, log_prob_drop=np.full((2, 30), np.nan),
    )  # fmt: skip
