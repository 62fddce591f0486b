"""What runs cost, and how it is written."""

from anchorwise.evaluation.base import Metric

STEP_S = Metric("step_s", "step", "ms", higher_is_better=False, digits=1)
STEP_PEAK_MIB = Metric("step_peak_mib", "peak memory of a step", "MiB", higher_is_better=False, digits=0)
TRAIN_S = Metric("train_s", "training", "s", higher_is_better=False, digits=0)
JUDGE_S = Metric("judge_s", "judgement", "s", higher_is_better=False, digits=0)
COSTS = (STEP_S, STEP_PEAK_MIB, TRAIN_S, JUDGE_S)
