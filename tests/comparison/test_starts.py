from pathlib import Path

from anchorwise.comparison import Study
from anchorwise.comparison.runs import StudyRun, study_run


def _run(study: Study, start: Path) -> StudyRun:
    encoder = study.encoder.model_copy(update={"pretrained": start})
    begun = study.model_copy(update={"encoder": encoder})
    return study_run(begun, "digits", "arctanh", {}, seed=1, is_final=True)


def test_a_result_is_found_again_by_the_weights_it_began_with_and_not_by_their_place(study: Study, tmp_path: Path):
    keys = []
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"other")):
        (tmp_path / name).write_bytes(content)
        keys.append(_run(study, tmp_path / name).key)
    assert keys[0] == keys[1] != keys[2]
