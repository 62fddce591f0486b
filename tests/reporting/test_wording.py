from anchorwise.reporting.wording import counted, listed


def test_a_noun_goes_with_its_number():
    assert [counted(number, "point") for number in (0, 1, 1.0, 0.5, 2_000)] == [
        "0 points",
        "1 point",
        "1 point",
        "0.5 points",
        "2,000 points",
    ]


def test_what_is_listed_is_named_in_the_form_that_goes_with_it():
    assert listed("seed", [0]) == "seed 0"
    assert listed("seed", [1, 2]) == "seeds 1, 2"
