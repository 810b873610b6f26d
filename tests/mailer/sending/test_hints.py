from mailer.sending import hints


def test_a_large_send_wakes_slots_and_does_not_flood_the_broker(hinted):
    assert hints.enqueue(3, 1000)
    assert hinted == [3] * hints.MOST
