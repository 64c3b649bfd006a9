"""The jobs that have not ended, in memory: for completion and for queue messages, never for a decision."""

from collections.abc import Iterator

from bot.domain.job import Job


class LiveJobs:
    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def update(self, job: Job) -> None:
        """Called after every commit that touched the job."""
        if job.state.terminal:
            self._jobs.pop(job.id, None)
        else:
            self._jobs[job.id] = job

    def of_member(self, guild_id: int, member_id: int) -> list[Job]:
        return [job for job in self.of_guild(guild_id) if job.to.member_id == member_id]

    def of_guild(self, guild_id: int) -> list[Job]:
        return [job for job in self._jobs.values() if job.to.guild_id == guild_id]

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))
