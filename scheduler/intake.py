"""From a file to a promise: keep it, look at it once, judge it, and hold the earliest place, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import BadStep, LabError, Refused
from fablab.claims import calendar
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.jobs.use import Appraisal, Wishes
from fablab.claims.models import Claim, ClaimKind, ClaimState, Need
from fablab.people.access import Right, require
from fablab.programs import gcode
from fablab.programs.models import Program
from fablab.programs.store import Store, check_extension, clean_name
from fablab.runs import attempts
from fablab.runs.models import Run
from scheduler import planner

OFFERS = 3  # places that a draft is shown, the promised one among them
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a draft would get if it were submitted now. `promise` is None where something stands against it. `offers`:
    other places it could have."""

    job: Job
    appraisal: Appraisal
    promise: planner.Promise | None
    reasons: tuple[dict[str, object], ...]
    offers: tuple[planner.Offer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Where files go and how large they may be."""

    database: Database
    store: Store
    limit_bytes: int

    def receive(
        self,
        actor: Actor,
        chunks: Iterable[bytes],
        file_name: str,
        *,
        progress: Callable[[float], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Job:
        """A draft with its analysis. `progress` is told the part of the file that has been looked at, 0..1.

        The same content is stored and looked at once, whoever sends it. Raises `Invalid` for what is no program.
        """
        require(actor, Right.SUBMIT)
        name = clean_name(file_name)
        check_extension(name)
        sha256 = self.look_at(actor, chunks, progress=progress, cancelled=cancelled)
        return self.database.write(lambda uow: self._draft(uow, sha256, name), actor)

    def look_at(
        self,
        actor: Actor,
        chunks: Iterable[bytes],
        *,
        progress: Callable[[float], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> str:
        """The SHA-256 of a program that is kept and known from now on; nobody wants it made yet."""
        kept = self.store.keep(chunks, limit_bytes=self.limit_bytes)
        with self.database.read(actor) as uow:
            known = uow.session.get(Program, kept.sha256) is not None
        if not known:
            self._look(actor, kept.sha256, kept.size_bytes, progress, cancelled)
        return kept.sha256

    def _draft(self, uow: UnitOfWork, sha256: str, name: str) -> Job:
        program = uow.session.get(Program, sha256)
        assert program is not None
        return jobs.draft(uow, program, name)

    def _look(
        self,
        actor: Actor,
        sha256: str,
        size_bytes: int,
        progress: Callable[[float], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        def told(done_bytes: int) -> None:
            if progress is not None:
                progress(done_bytes / max(1, size_bytes))

        pictures: list[gcode.Thumbnail] = []
        try:
            with self.store.open(sha256) as stream:
                analysis = gcode.analyse(
                    stream, progress=told, cancelled=cancelled, on_thumbnail=pictures.append
                )
        except (LabError, gcode.Cancelled):
            self.store.forget(sha256)  # no program, and nothing refers to it
            raise
        for picture in pictures:
            self.store.save_thumbnail(sha256, picture)
        media = MEDIA_TYPES[pictures[-1].format] if pictures else None
        self.database.write(lambda uow: jobs.keep_program(uow, sha256, size_bytes, analysis, media), actor)

    def preview(self, actor: Actor, job_id: str, wishes: Wishes) -> Preview:
        """Nothing is written. Raises `Invalid` for wishes that cannot be understood."""
        with self.database.read(actor) as uow:
            job = jobs.may_see(uow, job_id)
            appraisal = jobs.appraise(uow, job, wishes)
            if any(not refusal.waivable for refusal in appraisal.verdict.refusals):
                return Preview(job=job, appraisal=appraisal, promise=None, reasons=())
            claim = _imagined(uow, job, wishes, appraisal)
            promise = planner.preview(uow, claim, weight_g=appraisal.wish.weight_g)
            offers = planner.options(uow, claim, OFFERS)[1:] if promise is not None else ()
            reasons = tuple(claim.reasons)
            return Preview(job=job, appraisal=appraisal, promise=promise, reasons=reasons, offers=offers)

    def options(
        self, actor: Actor, job_id: str, n: int, *, wishes: Wishes | None = None, displacing: int = 0
    ) -> tuple[planner.Offer, ...]:
        """The best distinct places for a job that waits, or for a draft with these wishes; nothing is written.

        Raises `Refused` for a draft that cannot be submitted as it is, and `BadStep` once nothing is to be placed.
        """
        with self.database.read(actor) as uow:
            job = jobs.may_see(uow, job_id)
            if job.state is not JobState.DRAFT:
                if job.state is not JobState.QUEUED:
                    raise BadStep("job.not_waiting")
                return planner.options(uow, calendar.claim(uow, job_id), n, displacing=displacing)
            wishes = wishes or Wishes()
            appraisal = jobs.appraise(uow, job, wishes)
            against = [refusal for refusal in appraisal.verdict.refusals if not refusal.waivable]
            if against:
                raise Refused(against)
            claim = _imagined(uow, job, wishes, appraisal)
            return planner.options(uow, claim, n, displacing=displacing)

    def explain(
        self, actor: Actor, job_id: str, knows: Callable[[int | None], bool]
    ) -> list[dict[str, object]]:
        """Why the job is where it is as the calendar is now, as `planner.explain` says it; nothing for one that is over
        or was never submitted. `knows`: whose jobs may be named."""
        with self.database.read(actor) as uow:
            job = jobs.may_see(uow, job_id)
            if job.state is not JobState.QUEUED:
                return []
            weight_g = jobs.analysis_of(job.program).filament_g
            return planner.explain(uow, calendar.claim(uow, job_id), weight_g=weight_g, knows=knows)

    def submit(self, actor: Actor, job_id: str, wishes: Wishes) -> tuple[Job, planner.Promise | None]:
        """The job with its place held, or queued without one where `claim.reasons` says why there is none.

        Raises `Refused` with every reason; a place taken meanwhile by somebody faster only means the next one.
        """

        def work(uow: UnitOfWork) -> tuple[Job, planner.Promise | None]:
            job = jobs.submit(uow, job_id, wishes)
            return job, planner.insert(uow, calendar.claim(uow, job.id))

        return self.database.write(work, actor)

    def cancel(self, actor: Actor, job_id: str) -> Run | None:
        """Whatever the job is doing; a live run is asked to stop and returned."""
        return self.database.write(lambda uow: attempts.cancel_job(uow, job_id), actor)

    def decide(self, actor: Actor, job_id: str, accept: bool, why: str) -> Job:
        return self.database.write(lambda uow: jobs.decide(uow, job_id, accept, why), actor)


def _imagined(uow: UnitOfWork, job: Job, wishes: Wishes, appraisal: Appraisal) -> Claim:
    """The claim a submission would make, never added to the session."""
    analysis = jobs.analysis_of(job.program)
    verdict = appraisal.verdict
    return Claim(
        id=job.id,
        kind=ClaimKind.JOB,
        state=ClaimState.OPEN,
        title=job.file_name,
        priority=wishes.priority,
        release_at=uow.now,
        due_at=wishes.due_at,
        estimate_s=max(1, round(appraisal.wish.duration_s)),
        estimate_source=analysis.duration_source,
        attended=jobs.is_attended(appraisal.wish.technology),
        material_id=appraisal.wish.material_id,
        colour=appraisal.wish.colour,
        nozzle_mm=appraisal.wish.nozzle_mm,
        made_at=uow.now,
        reasons=[],
        needs=[
            Need(
                quantity=1,
                eligible=list(verdict.eligible),
                barred={str(resource_id): code for resource_id, code in verdict.barred.items()},
            )
        ],
    )
