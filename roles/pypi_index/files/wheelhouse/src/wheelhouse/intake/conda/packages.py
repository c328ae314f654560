"""The packages of conda channels: each channel takes the steps by itself."""

from wheelhouse import kept
from wheelhouse.intake.conda.channel import ChannelHalf
from wheelhouse.intake.half import Context
from wheelhouse.intake.lock import Lock
from wheelhouse.intake.outcome import Outcome
from wheelhouse.intake.rollback import Rollback


class Conda:
    """One half of a run, see `half.Half`: a part for each channel."""

    def __init__(self, context: Context) -> None:
        self.outcome = Outcome()
        self.lines = [line for line in context.plan.lines if line.channel]
        names = sorted({*context.plan.channels, *kept.channels(context.shelf)})
        self._channels = [ChannelHalf(name, context, self.outcome) for name in names]

    def hold(self, rollback: Rollback | None) -> list[str]:
        """By leaving it out of the indexes."""
        return [name for channel in self._channels for name in channel.hold(rollback)]

    def resolve(self, before: Lock) -> None:
        """With py-rattler."""
        for channel in self._channels:
            channel.resolve([line for line in self.lines if line.channel == channel.name], before)

    def note(self) -> None:
        """From upstream's indexes, and from what is known of packages on the shelf."""
        for channel in self._channels:
            channel.note()

    def fetch(self) -> None:
        """What neither the shelf nor the quarantine has."""
        for channel in self._channels:
            channel.fetch()

    def check(self) -> None:
        """As a package that is copied in is checked, and by the policy."""
        for channel in self._channels:
            channel.check()

    def publish(self) -> None:
        """All at once, for each channel."""
        for channel in self._channels:
            channel.publish()

    def withdraw(self) -> None:
        """By leaving it out of the indexes; conda knows no other way. It comes back once nothing is held against it."""
        for channel in self._channels:
            channel.withdraw()

    def keep_back(self) -> None:
        """In the journal."""
        for channel in self._channels:
            channel.keep_back()

    def look_back(self) -> None:
        """By the journal."""
        for channel in self._channels:
            channel.look_back()
