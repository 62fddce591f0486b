"""A study and where it is worked on: its folders, what is known, and what comes next."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from anchorwise import _files, _outputs
from anchorwise._config import key_of
from anchorwise.comparison.results import ResultStore, RunResult
from anchorwise.comparison.runs import StudyRun
from anchorwise.comparison.schedule import Progress, Schedule
from anchorwise.comparison.study import Study, load_study
from anchorwise.comparison.work import Places

COMMAND = "compare"
STUDY_FILE, RUNS_FOLDER, RESULTS_FOLDER = "study.json", "runs", "results"


@dataclass(frozen=True)
class Workplace:
    """A study and where it is worked on.

    Attributes:
        study: What is compared.
        out: Folder of the run directories and of what is written at the end.
        results: Folder of the results; `results` in `out` if left out. One in a repository is shared by machines.
    """

    study: Study
    out: Path
    results: Path | None = None

    @property
    def study_file(self) -> Path:
        """The resolved study."""
        return self.out / STUDY_FILE

    @property
    def is_begun(self) -> bool:
        """Whether a study was written here before: this one, or another that shares what both ask for."""
        try:
            load_study(self.study_file)
        except (FileNotFoundError, ValueError):
            return False
        return True

    @property
    def places(self) -> Places:
        """Absolute, so that workers elsewhere mean the same folders."""
        results = self.results or self.out / RESULTS_FOLDER
        return Places((self.out / RUNS_FOLDER).absolute(), results.absolute())

    def progress(self, results: Mapping[str, RunResult]) -> list[Progress]:
        """Return how far every objective is on every data set (`anchorwise.comparison.schedule`)."""
        return self._schedule.progress(results)

    def wanted(self, results: Mapping[str, RunResult]) -> list[StudyRun]:
        """Return the runs that can start now, once where two objectives ask for the same."""
        return list({run.key: run for of in self.progress(results) for run in of.wanted}.values())

    @cached_property
    def _schedule(self) -> Schedule:
        return Schedule(self.study)

    def known(self) -> dict[str, RunResult]:
        """Return the results that are there; a run that failed, but did not diverge, is tried again."""
        store, found = ResultStore(self.places.results), dict[str, RunResult]()
        while True:  # A choice that is made opens further runs.
            there = store.all_of(self.wanted(found))
            more = {key: result for key, result in there.items() if result.status != "failed"}
            if not more:
                return found
            found |= more

    def prepare(self) -> None:
        """Write the resolved study, from which single runs and another machine start.

        Raises:
            ValueError: If the folder holds what is not a study's.
        """
        _outputs.claim_folder(self.out, COMMAND, is_own=self.is_begun)
        with _files.writing(self.places.results):
            self.places.results.mkdir(parents=True, exist_ok=True)
        _files.write_text(self.study_file, self._text)

    def keep_for_jobs(self) -> Path:
        """Write the study once more, under a name of its own, and return where.

        Jobs may start long after they were printed, when `study_file` is of another call in the same folder.
        """
        file = self.study_file.with_stem(f"{self.study_file.stem}-{key_of(self.study.model_dump(mode='json'))}")
        _files.write_text(file, self._text)
        return file

    @property
    def _text(self) -> str:
        return self.study.model_dump_json(indent=2) + "\n"
