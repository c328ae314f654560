"""Has what is to come been upstream long enough for others to notice what is wrong with it?"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

from wheelhouse.intake.checks.release import Finding, Release, World


def check(release: Release, world: World) -> Iterator[Finding]:
    """At most one finding, on the youngest file."""
    days = world.policy.minimum_age
    if not days:
        return
    coming = {name: file for name, file in release.files.items() if name not in release.shelved}
    undated = sorted(name for name, file in coming.items() if file.upload_time is None)
    if undated:
        yield Finding("age", f"Upstream does not say when {undated[0]} was uploaded.")
        return
    # Times of pages are naive and in UTC. The end of today: what was let in early in the day stays let in.
    now = min(datetime.now(UTC).replace(tzinfo=None), datetime.combine(world.today, time.max))
    youngest = max(coming.values(), key=lambda file: file.upload_time or now, default=None)
    if youngest and youngest.upload_time and youngest.upload_time + timedelta(days=days) > now:
        yield Finding(
            "age", f"{youngest.filename} was uploaded on {youngest.upload_time:%Y-%m-%d}, less than {days} days ago."
        )
