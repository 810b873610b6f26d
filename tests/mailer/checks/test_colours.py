def test_a_colour_that_cannot_be_read_on_white_is_told_with_what_stands_in_for_it(findings):
    (told,) = findings("Text.", accent_color="#ffcc00")
    assert told.rule == "contrast"
    assert "1.5 to 1" in told.message


def test_a_colour_that_carries_neither_white_nor_ink_is_told(findings):
    (told,) = findings("Text.", accent_color="#808080")
    assert told.rule == "contrast"
    assert "text on accent_color" in told.message


def test_a_colour_that_reads_is_fine(rules):
    assert rules("Text.", accent_color="#0f766e") == []
