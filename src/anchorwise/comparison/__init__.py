"""Comparisons of objectives: each at its own best setting, chosen on validation images, judged over fresh seeds."""

from anchorwise import _extras

_extras.needed("pydantic")

from anchorwise.comparison.compare import Workplace, compare
from anchorwise.comparison.recipes import RECIPES, study_recipe
from anchorwise.comparison.study import Contender, Halving, Study, load_study
from anchorwise.comparison.summary import Summary
from anchorwise.comparison.verdict import Outcome, Verdict

__all__ = [
    "RECIPES",
    "Contender",
    "Halving",
    "Outcome",
    "Study",
    "Summary",
    "Verdict",
    "Workplace",
    "compare",
    "load_study",
    "study_recipe",
]
