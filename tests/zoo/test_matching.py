"""Classes of the data find the network's logits, or are told why not."""

import pytest
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from carviz.zoo import matching
from carviz.zoo.imagenet import SYNSETS, imagenet_names
from carviz.zoo.matching import match_classes, plain
from carviz.zoo.sources import NamedClass


class Network(nn.Linear):
    """A network that names its logits."""

    def __init__(self, classes, synsets=None):
        super().__init__(2, len(classes))
        self.classes = tuple(classes)
        self.synsets = synsets


PETS = Network(["tabby cat", "tiger cat", "beagle", "crane", "crane"])
IMAGENET = Network(imagenet_names(), SYNSETS)


def match(names, model=None, mapped=None):
    found = [name if isinstance(name, NamedClass) else NamedClass(name) for name in names]
    return match_classes(found, model, mapped)


def test_the_synsets_are_imagenets_thousand_in_order():
    assert len(SYNSETS) == 1000 == len(set(SYNSETS))
    assert list(SYNSETS) == sorted(SYNSETS)
    assert (SYNSETS[0], SYNSETS[-1]) == ("n01440764", "n15075141")
    assert imagenet_names()[SYNSETS.index("n02123045")] == "tabby"


MODELS = {
    "with synsets": IMAGENET,
    "with names alone": Network(imagenet_names()),
    "torchvision's own": torchvision.models.squeezenet1_1(),
}


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 999), unique=True, min_size=1, max_size=30))
def test_any_of_imagenets_synsets_find_their_logits(numbers):
    for model in MODELS.values():
        labels, classes = match([SYNSETS[n] for n in numbers], model)
        assert labels == numbers
        assert classes == IMAGENET.classes


def test_a_networks_own_synsets_count():
    model = Network(["goldfish", "tench"], ("n01443537", "n01440764"))
    assert match(["n01440764"], model)[0] == [1]
    with pytest.raises(ValueError, match="1 of 2 are not: 'n02123045'"):
        match(["n01440764", "n02123045"], model)


names = st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=6)


@settings(deadline=None)
@given(st.lists(names, unique=True, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_names_are_matched_whatever_their_case_and_order(words, random):
    classes = [f"{word} thing" for word in words]
    numbers = list(range(len(words)))
    random.shuffle(numbers)
    written = [
        random.choice(["_", "-", " "]).join(classes[n].split()).replace("t", random.choice("tT"))
        for n in numbers
    ]
    assert match(written, Network(classes))[0] == numbers


def test_exact_names_count_before_folded_ones():
    assert match(["A", "a"], Network(["a", "A"]))[0] == [1, 0]


def test_synonyms_and_numbers_of_a_data_set_count():
    tench = NamedClass("tench", ("n01440764", "Tinca tinca"))
    crane = NamedClass("crane", ("n02012849",))
    assert match([tench, crane], IMAGENET)[0] == [0, 134]
    assert match([tench], Network(["goldfish", "tinca tinca"]))[0] == [1]
    assert match([NamedClass("0 - zero", ("0", "zero"))], Network(["one", "zero"]))[0] == [1]


def test_what_fits_nothing_is_told_with_the_nearest_and_a_mapping():
    with pytest.raises(ValueError, match="nearest") as error:
        match(["beagle", "cat", "tigercat", "unicorn"], PETS)
    told = str(error.value)
    assert "3 of 4 are not: 'cat' (nearest: tabby cat, tiger cat), 'tigercat' (nearest" in told
    assert "'unicorn'" in told
    assert "classes={'cat': 'tabby cat'}" in told
    assert "None of" not in told


def test_a_name_that_several_logits_have_is_not_guessed():
    with pytest.raises(ValueError, match=r"'crane' \(logits 3 and 4 go by that name\)"):
        match(["crane"], PETS)
    assert match(["crane"], PETS, {"crane": 4})[0] == [4]
    with pytest.raises(ValueError, match=r"are logits 3 and 4\. Give a number"):
        match(["bird"], PETS, {"bird": "crane"})


def test_other_classes_altogether_are_told():
    words = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "lorry",
    ]
    with pytest.raises(ValueError, match=r"10 of 10 .*a network of 1,000 other classes"):
        match(words, IMAGENET)


def test_a_mapping_counts_first_and_leaves_out():
    mapped = {"cat": "Tiger_Cat", "beagle": 0, "unicorn": None}
    labels, classes = match(["beagle", "cat", "unicorn"], PETS, mapped)
    assert labels == [0, 1, None]
    assert classes == PETS.classes
    assert match(["beagle", "cat", "unicorn"], PETS, {"*": None})[0] == [2, None, None]
    assert match(["beagle", "cat"], PETS, {"*": "tabby cat"})[0] == [2, 0]
    assert match(["n01443537"], PETS, {"n01443537": 2})[0] == [2]
    assert match(["fish"], IMAGENET, {"fish": "n01443537"})[0] == [1]


@pytest.mark.parametrize(
    ("mapped", "kind", "words"),
    [
        ({"dog": 0}, ValueError, "there is no 'dog'. Nearest: beagle"),
        ({"beagle": 5}, ValueError, "numbers are 0 to 4, found 5"),
        ({"beagle": -1}, ValueError, "found -1"),
        ({"beagle": "beagel"}, ValueError, "no class 'beagel'. Nearest: beagle"),
        ({"beagle": 1.0}, TypeError, "found float"),
        ({"beagle": True}, TypeError, "found bool"),
        (["beagle"], TypeError, "found list"),
    ],
)
def test_mappings_that_mean_nothing_are_told(mapped, kind, words):
    with pytest.raises(kind, match=words):
        match(["beagle", "cat"], PETS, mapped)


def test_without_a_network_classes_are_numbered():
    assert match(["b", "a"]) == ([0, 1], ("b", "a"))
    assert match(["b", "a"], nn.Linear(2, 1000)) == ([0, 1], ("b", "a"))
    assert match(["b", "a"], None, {"b": 3, "a": None}) == ([3, None], ("0", "1", "2", "b"))
    for mapped, words in (
        ({"b": 0}, "'a' is missing"),
        ({"*": "cat"}, "mapped to the name 'cat'"),
        ({"*": -1}, "mapped to -1"),
    ):
        with pytest.raises(ValueError, match=words):
            match(["b", "a"], None, mapped)


def test_logits_without_names_take_as_many_classes_in_order():
    unnamed = Network(["0", "1", "2"])
    assert match(["cat", "cow", "dog"], unnamed) == ([0, 1, 2], ("cat", "cow", "dog"))
    assert match(["2", "0"], unnamed)[0] == [2, 0]
    with pytest.raises(ValueError, match="2 of 2 are not"):
        match(["cat", "cow"], unnamed)
    with pytest.raises(ValueError, match=r"have no names, .* where these are 3 as well; found 2"):
        match(["cat", "cow"], unnamed)


def test_classes_without_images_need_fit_nothing():
    found = [NamedClass("beagle"), NamedClass("unicorn")]
    assert match_classes(found, PETS, None, filled={0})[0] == [2, None]


@given(st.text(max_size=20))
def test_folding_twice_is_folding_once(name):
    assert plain(plain(name)) == plain(name)


FIRST_NAMES = tuple(
    {134: "crane", 639: "maillot"}.get(n, name) for n, name in enumerate(IMAGENET.classes)
)
"""ImageNet's names as timm has them: WordNet's first, of which two stand for two classes each."""


def refused(folders, model):
    """Return the folders that are refused when each comes alone."""
    gone = []
    with pytest.MonkeyPatch.context() as patch:
        # What a network calls its logits is the same for all of them: it is looked up once.
        known = matching.known_of(model, [])
        patch.setattr(matching, "known_of", lambda *_: known)
        for name in folders:
            try:
                match([name], model)
            except ValueError:
                gone.append(name)
    return gone


def test_a_name_that_imagenet_has_twice_is_refused_with_both():
    with pytest.raises(
        ValueError, match=r"logits 134, 'crane bird', and 517, 'crane', may"
    ) as told:
        match(["crane"], IMAGENET)
    assert "classes={'crane': 134}" in str(told.value)
    assert "cannot tell them apart" not in str(told.value)
    with pytest.raises(ValueError, match="638, 'maillot', and 639, 'maillot tank suit', may go by"):
        match(["Maillot", "dalmatian"], IMAGENET)
    assert match(["crane"], IMAGENET, {"crane": 517})[0] == [517]
    assert match(["kranich"], IMAGENET, {"kranich": "crane bird"})[0] == [134]
    # A network of a thousand other classes has its own cranes.
    others = Network([f"thing {n}" for n in range(999)] + ["crane"])
    assert match(["crane"], others)[0] == [999]


def test_what_another_folder_is_for_certain_leaves_no_doubt():
    assert match(["crane", "crane bird"], IMAGENET)[0] == [517, 134]
    assert match(["crane", "n02012849"], IMAGENET)[0] == [517, 134]
    assert match([NamedClass("crane", ("n03126707",))], IMAGENET)[0] == [517]


@pytest.mark.parametrize("also", ["crane bird", "crane (bird)", "Crane, bird", "crane_machine"])
def test_a_word_that_only_tells_apart_does_not_decide(also):
    with pytest.raises(ValueError, match=r"logits 0, .*, and 1, 'crane', may go by that name"):
        match(["crane", "dog"], Network([also, "crane", "dog"]))
    assert match(["crane", also, "dog"], Network([also, "crane", "dog"]))[0] == [1, 0, 2]


def test_other_classes_that_begin_alike_are_others():
    classes = [
        "bee eater",
        "bee",
        "tiger cat",
        "tiger",
        "bow",
        "bow tie",
        "iron",
        "hen-of-the-woods",
    ]
    assert match(["bee", "tiger", "bow", "iron"], Network(classes))[0] == [1, 3, 4, 6]
    with pytest.raises(ValueError, match="nearest: hen-of-the-woods"):
        match(["hen"], Network(classes))


def test_capital_letters_decide_only_where_the_data_writes_as_the_network_does():
    # A dog and a piece of clothing.
    assert match(["cardigan"], IMAGENET)[0] == [474]
    assert match(["Cardigan", "Siberian_husky"], IMAGENET)[0] == [264, 250]
    with pytest.raises(ValueError, match="264, 'Cardigan', and 474, 'cardigan', may go by"):
        match(["cardigan", "siberian husky"], IMAGENET)
    assert match(["cardigan", "Cardigan", "siberian husky"], IMAGENET)[0] == [474, 264, 250]


def test_all_of_imagenets_names_as_folders_are_refused_only_where_two_classes_have_them():
    assert match(IMAGENET.classes, IMAGENET)[0] == list(range(1000))
    assert refused(IMAGENET.classes, IMAGENET) == ["crane", "maillot"]
    assert set(refused(FIRST_NAMES, IMAGENET)) == {"crane", "maillot"}
    timm = Network(FIRST_NAMES)
    assert set(refused(FIRST_NAMES, timm)) == {"crane", "maillot"}
    assert not refused(SYNSETS, timm)
