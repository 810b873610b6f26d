"""What the state machine of sending knows that no process knows, and its rules of planning in ranges."""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from mailer.models import Delivery, Send
from mailer.sending import ranges
from mailer.sending.claiming import Claim
from mailer.sending.ranges import plan_next_range
from subscribers import optin
from subscribers.models import Subscriber
from tests import readers


@dataclass
class Request:
    """A request as only the provider and an all-knowing test see it."""

    claim: Claim
    accepted: bool = False
    answered: bool = False  # or its worker died
    lost: bool = False  # the answer was none, so the provider may still take it

    @property
    def readers(self) -> list[int]:
        return list(self.claim.members.deliveries)


@dataclass
class World:
    send: Send
    audience: dict[int, object]  # those subscribed when the plan was begun: id → reader
    people: dict[int, object] = field(default_factory=dict)  # delivery → reader
    requests: list[Request] = field(default_factory=list)
    mailed: Counter = field(default_factory=Counter)  # delivery → times, the provider's own log
    left: set[int] = field(default_factory=set)
    resent: Counter = field(default_factory=Counter)  # delivery → times that the editor accepted a second mail
    refused: set[int] = field(default_factory=set)  # named, or alone when refused
    gone: set[int] = field(default_factory=set)  # ids of readers who left
    unplanned: set[int] = field(default_factory=set)  # ids of those who left before they were planned
    stopped: bool = False


class PlanningInRanges(RuleBasedStateMachine):
    world: World
    outcomes: dict[int, object]
    waverer: Subscriber | None  # signed up before the plan, and did not confirm yet

    def state(self):
        return Send.objects.values_list("state", flat=True).get(pk=self.world.send.pk)

    def look_at_the_plan(self):
        """Get to know the deliveries that are new, and whether the plan is right once it is whole."""
        new = Delivery.objects.exclude(pk__in=self.world.people).select_related("subscriber")
        for delivery in new:
            assert delivery.subscriber_id in self.world.audience.keys() - self.world.gone
            self.world.people[delivery.pk] = self.world.audience[delivery.subscriber_id]
            self.outcomes[delivery.pk] = None
        if self.state() not in ("planning", "cancelled"):
            planned_ = [reader.pk for reader in self.world.people.values()]
            assert sorted(planned_) == sorted(self.world.audience.keys() - self.world.unplanned)  # I5

    @precondition(lambda self: self.state() == "planning")
    @rule()
    def a_worker_plans_a_range(self):
        more = plan_next_range(self.world.send.pk)
        end = "finished" if not Delivery.objects.exists() else "paused" if self.world.stopped else "sending"
        assert self.state() == ("planning" if more else end)
        self.look_at_the_plan()

    @precondition(lambda self: self.state() == "planning")
    @rule()
    def a_worker_dies_over_a_range(self):
        make_deliveries, before = ranges.make_deliveries, Send.objects.values("state", "planned").get()

        def killed(*chosen):
            make_deliveries(*chosen)
            raise KeyboardInterrupt

        ranges.make_deliveries = killed
        try:
            plan_next_range(self.world.send.pk)
        except KeyboardInterrupt:
            assert Send.objects.values("state", "planned").get() == before
        finally:
            ranges.make_deliveries = make_deliveries

    @precondition(lambda self: self.waverer)
    @rule()
    def somebody_who_signed_up_before_confirms(self):
        optin.confirm(self.waverer.public_id, "weekly", readers.LINK)
        self.waverer = None
