"""Comparisons of objectives: each at its own best setting, chosen on validation samples, judged over fresh seeds."""

from anchorwise import _extras

_extras.needed("pydantic")

from anchorwise.comparison.compare import compare
from anchorwise.comparison.recipes import RECIPES, study_recipe
from anchorwise.comparison.study import Contender, Halving, Study, load_study, study_of
from anchorwise.comparison.summary import Summary
from anchorwise.comparison.verdict import Decision, Verdict
from anchorwise.comparison.workplace import Workplace

__all__ = [
    "RECIPES",
    "Contender",
    "Decision",
    "Halving",
    "Study",
    "Summary",
    "Verdict",
    "Workplace",
    "compare",
    "load_study",
    "study_of",
    "study_recipe",
]
