"""The jobs that have not ended, in memory: who acts on one of them compares its row first."""

from collections.abc import Iterator

from bot.domain.job import Job, JobState
from bot.ports import Place


class LiveJobs:
    """`gone` are the guilds that the bot is not in any more, as far as this process has heard: who comes back to the
    queue later has to know."""

    def __init__(self) -> None:
        self.gone: set[int] = set()
        self._jobs: dict[str, Job] = {}
        self._of_guild: dict[int, dict[str, Job]] = {}
        self._places: dict[str, Place] = {}

    def update(self, job: Job) -> None:
        """Called after every commit that touched the job."""
        known = self._jobs.get(job.id)
        if job.state not in (JobState.RECEIVED, JobState.QUEUED) or (known and known.request != job.request):
            self._places.pop(job.id, None)
        if job.state.terminal:
            self._remove(job)
        else:
            self._jobs[job.id] = self._of_guild.setdefault(job.to.guild_id, {})[job.id] = job

    def _remove(self, job: Job) -> None:
        if self._jobs.pop(job.id, None) is not None:
            guild = self._of_guild[job.to.guild_id]
            del guild[job.id]
            if not guild:
                del self._of_guild[job.to.guild_id]

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def put_up(self, job: Job, place: Place) -> bool:
        """Note what a job's queue message says of its place; False when it says so already, or the job has moved on."""
        current = self._jobs.get(job.id)
        if current is None or current.state is not JobState.QUEUED or self._places.get(job.id) == place:
            return False
        self._places[job.id] = place
        return True

    def of_member(self, guild_id: int, member_id: int) -> list[Job]:
        return [job for job in self.of_guild(guild_id) if job.to.member_id == member_id]

    def of_guild(self, guild_id: int) -> list[Job]:
        return list(self._of_guild.get(guild_id, {}).values())

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))
