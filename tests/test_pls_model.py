"""The model language of PLS: what it accepts and how it refuses."""

import pytest

from qa_lib.effects.composites.pls_model import parse_model
from qa_lib.errors import ModelError


def test_blocks_modes_and_paths_are_read():
    model = parse_model(
        "A =~ a1 + a2  # reflective\nB <~ b1 +\n  b2\n\nY ~ A + B; A ~ B", ["a1", "a2", "b1", "b2", "Y"]
    )
    assert model.constructs == ("A", "B", "Y")
    assert model.items == ("a1", "a2", "b1", "b2", "Y")
    assert model.mode_b.tolist() == [False, True, False]
    assert model.block(2).tolist() == [4]
    assert set(model.edges) == {(0, 2), (1, 2), (1, 0)}


def test_an_item_may_serve_two_constructs_as_higher_order_models_need():
    model = parse_model("A =~ a1 + a2; ALL =~ a1 + a2; ALL ~ A")
    assert model.items == ("a1", "a2")
    assert model.membership.all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A =~ a1 + a2; B =~ b1; A ~ B; B ~ A", "circle"),
        ("A =~ a1 + a2; Y ~ A; Y ~ Y", "circle"),
        ("A =~ a1; A =~ a2; Y ~ A", "second time"),
        ("A =~ a1 + a1; Y ~ A", "stands twice"),
        ("A =~ a1 + a2; Y ~ A + C", "C stands in a path"),
        ("A =~ a1 + a9; Y ~ A", "no column a9"),
        ("A =~ a1; B =~ b1; Y ~ A", "Construct B has no path"),
        ("A =~ a1 + a2", "no path"),
        ("A =~ 0.7*a1 + a2; Y ~ A", "not a name"),
        ("A := a1", "line 1: 'A := a1' cannot be read"),
        ("\nA =~ a1 +", "line 2"),
        ("", "no path"),
    ],
)
def test_what_cannot_be_estimated_is_refused_by_name(text, message):
    with pytest.raises(ModelError, match=message):
        parse_model(text, ["a1", "a2", "b1", "Y"])


def test_a_model_that_is_not_text_is_refused():
    with pytest.raises(ModelError, match="a text is needed"):
        parse_model(["A =~ a1"])
