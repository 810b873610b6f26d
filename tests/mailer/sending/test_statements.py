import pytest

from mailer.sending.statements import as_bytes


def test_an_id_of_another_length_is_refused_before_it_shifts_the_links_of_others():
    assert as_bytes(["00" * 16, "ff" * 16]) == [b"\0" * 16, b"\xff" * 16]
    for odd in (["00" * 15, "ff" * 17], ["00" * 15, "ff" * 16], ["00" * 15] * 2):
        with pytest.raises(ValueError, match="another length"):
            as_bytes(odd)
