import numpy as np
import pytest
import torch
from rich.console import Console

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.classification import Classification
from anchorwise.evaluation.evaluate import evaluate
from anchorwise.evaluation.knn import knn_accuracy
from anchorwise.evaluation.linear import fit_probe
from anchorwise.evaluation.results import Evaluation, JudgeResult, evaluation_config
from anchorwise.evaluation.rows import numbered_classes
from anchorwise.evaluation.statistics import wilson_interval
from anchorwise.evaluation.table import evaluation_table
from anchorwise.evaluation.transfer import Transfer

SETTINGS = {"split_seeds": (0, 1, 2), "penalties": (1.0, 0.1, 0.01)}
CONFIG = (Classification.Config(**SETTINGS), "geometry")


def clustered(num_rows, seed, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_rows) % 3
    centres = torch.randn(3, 8, generator=torch.Generator().manual_seed(7))
    rows = centres[labels] + spread * torch.randn(num_rows, 8, generator=generator)
    return Embeddings((rows.numpy(),), labels.numpy(), class_names=("ant", "bee", "cat"))


def tensors(embeddings):
    return torch.from_numpy(embeddings.views[0]), torch.from_numpy(embeddings.labels)


@pytest.fixture(scope="module")
def judged():
    train, test = clustered(300, 0), clustered(100, 1)
    return train, test, evaluate(train, test, CONFIG)


def test_every_test_row_is_scored_by_a_classifier_of_all_training_rows(judged):
    train, test, result = judged
    assert (result.num_train, result.num_test) == (300, 100)
    for penalty, accuracy in zip(result.linear.chosen, result.linear.accuracies, strict=True):
        probe = fit_probe(*tensors(train), penalty=penalty)
        assert accuracy == pytest.approx(probe.accuracy(*tensors(test)))
    for k, accuracy in zip(result.knn.chosen, result.knn.accuracies, strict=True):
        expected = knn_accuracy(*tensors(train), *tensors(test), num_neighbors=int(k))
        assert accuracy == expected


def test_fixed_k_are_reported_beside_the_chosen_one(judged):
    train, test, result = judged
    assert list(result.knn_accuracy) == [1, 5, 10, 20, 50, 200]
    expected = knn_accuracy(*tensors(train), *tensors(test), num_neighbors=20)
    assert result.knn_accuracy[20] == expected
    assert list(result.recall) == [1, 2, 5, 10, 20, 50]


def test_a_fixed_k_beyond_the_chosen_range_is_still_reported(judged):
    train, test, result = judged
    config = Classification.Config(split_seeds=(0,), penalties=(0.1,), knn_max_neighbors=3, knn_neighbors=(1, 50))
    narrow = evaluate(train, test, config)
    assert narrow.knn_accuracy == {k: result.knn_accuracy[k] for k in (1, 50)}
    assert narrow.knn.chosen[0] <= 3


def test_class_accuracies_average_to_the_probes(judged):
    _, test, result = judged
    counts = np.bincount(test.labels).tolist()
    mean = sum(a * n for a, n in zip(result.class_accuracy.values(), counts, strict=True)) / sum(counts)
    assert list(result.class_accuracy) == ["ant", "bee", "cat"]
    assert mean == pytest.approx(result.linear.accuracy.mean)


def test_an_evaluation_survives_its_file(judged, tmp_path):
    *_, result = judged
    result.save(tmp_path / "evaluation.json")
    assert Evaluation.load(tmp_path / "evaluation.json") == result


def test_the_same_features_give_the_same_evaluation(judged):
    train, test, result = judged
    assert evaluate(train, test, CONFIG) == result


def test_test_labels_do_not_reach_the_choice_of_settings(judged):
    train, _, result = judged
    other = evaluate(train, clustered(100, 5), CONFIG)
    assert other.linear.chosen == result.linear.chosen
    assert other.knn.chosen == result.knn.chosen


def test_small_sets_report_the_k_they_can(judged):
    result = evaluate(clustered(30, 0), clustered(9, 1), Classification.Config(split_seeds=(0,), penalties=(0.1,)))
    assert list(result.knn_accuracy) == [1, 5, 10, 20]
    assert list(result.recall) == [1, 2, 5]
    assert result.linear.accuracy.half_width is None


def test_a_class_only_in_the_test_set_is_scored_as_wrong():
    train, test = clustered(60, 0), clustered(30, 1)
    few = train.labels < 2
    train = Embeddings((train.views[0][few],), train.labels[few], class_names=train.class_names)
    result = evaluate(train, test, Classification.Config(split_seeds=(0,), penalties=(0.1,)))
    assert result.class_accuracy["cat"] == 0.0
    assert result.notes == ("10 of 30 test rows are of classes that no training row has, and count as wrong.",)


def test_classes_are_not_told_apart_where_there_is_one():
    train, test = clustered(60, 0), clustered(30, 1)
    alone = Embeddings(train.views, np.zeros(60, int))
    with pytest.raises(ValueError, match=r"labels of training rows must be of two classes or more, .* all 60 rows;"):
        evaluate(alone, test)
    assert Classification(Classification.Config()).watch(alone) == {}
    assert evaluate(alone, test, "geometry").numbers


def test_rows_that_stand_on_both_sides_are_named():
    train, test = clustered(60, 0), clustered(30, 1)
    test.views[0][[3, 5]] = train.views[0][[7, 8]]
    words = "Of 30 test rows 2 equal a training row, such as row 3 and row 7 of training: where"
    assert evaluate(train, test, CONFIG).notes[-1].startswith(words)
    assert evaluate(train, test, "geometry").notes == ()  # Nothing is fitted on training rows.


def printed(name, result):
    console = Console(width=80)
    with console.capture() as captured:
        console.print(evaluation_table(name, result))
    return captured.get()


def test_the_terminal_shows_every_number_in_80_columns(judged):
    *_, result = judged
    page = printed("[red]\x1b]0;x.npz", result)
    for values in (result.knn_accuracy, result.recall):
        assert all(f"{100 * value:.2f}" in page for value in values.values())
    for row in result.rows():
        assert " ".join(" ".join(row).split()) in " ".join(page.split())
    assert "[red]" in page
    assert "\x1b]0" not in page


def test_intervals_over_test_rows_stand_beside_those_over_splits_and_both_are_explained(judged):
    *_, result = judged
    interval = result.over_test_rows["linear"]
    assert interval == wilson_interval(result.linear.accuracy.mean, 100)
    assert f"[{100 * interval.low:.2f}, {100 * interval.high:.2f}]  +- " in result.rows()[0][2]
    assert set(result.over_test_rows) == {
        *("linear", "knn"),
        *(f"knn@{k}" for k in result.knn_accuracy),
        *(f"recall@{k}" for k in result.recall),
        *("effective_rank", "uniformity", "class_alignment"),
    }
    words = result.what_intervals_cover()
    around = result.over_test_rows["effective_rank"]
    assert around.low < around.value == result.geometry.effective_rank < around.high
    assert "over test rows: what 100 other ones might give" in words
    assert "over 3 validation splits: the choice of the setting only" in words


def test_an_evaluation_is_data_a_page_and_a_notebook_cell(judged, tmp_path):
    *_, result = judged
    assert result.headline in repr(result) == str(result)
    assert result.headline in result._repr_html_()
    assert result.report(tmp_path / "page.html", source="<mine>") == tmp_path / "page.html"
    page = (tmp_path / "page.html").read_text()
    assert "What the features of &lt;mine&gt; are worth" in page
    assert all(f"{100 * accuracy:.1f}" in page for accuracy in result.class_accuracy.values())


def test_arrays_of_any_kind_are_judged_in_one_call(judged, tmp_path):
    train, test, result = judged
    train.save(tmp_path / "train.npz")
    columns = {"embedding": test.views[0].tolist(), "label": test.labels.tolist()}
    assert evaluate(str(tmp_path / "train.npz"), columns, CONFIG) == result
    tensors_only = evaluate(
        torch.from_numpy(train.views[0]).requires_grad_(),
        torch.from_numpy(test.views[0]),
        ({"name": "classification", **SETTINGS}, {"name": "geometry"}),
        train_labels=train.labels,
        test_labels=test.labels.tolist(),
    )
    assert tensors_only.linear == result.linear


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"judges": []}, r"^judges: .* at least 1 item .* got \(\)$"),
        ({"judges": [{"split_seeds": [0]}]}, r"^judges must be names, settings .*, got {'split_seeds': \[0\]}$"),
        ({"judges": ["geometry", "geometry"]}, r"^judges must name each judge once, got 'geometry' 2 times$"),
        ({"judges": {"name": "classification", "split_seed": [0]}}, "^unknown setting 'split_seed'; .* 'split_seeds'?"),
        ({"interval_level": 2}, "^interval_level: Input should be less than 1, got 2$"),
        ({"device": "cuda:99"}, "^device must be 'auto' or a torch device of this machine, got 'cuda:99'$"),
        ({"device": torch.device("meta")}, "^device must be 'auto' or a torch device of this machine, got 'meta'$"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(judged, arguments, message):
    train, test, _ = judged
    with pytest.raises(ValueError, match=message):
        evaluate(train, test, **arguments)


def test_what_one_set_cannot_be_asked_is_refused():
    with pytest.raises(ValueError, match="test must be given beside judges and train_labels, got none: one set alone"):
        evaluate(np.ones((4, 2)), judges="geometry", train_labels=[0, 0, 1, 1])


def test_sets_without_a_class_in_common_are_refused(judged):
    train, test, _ = judged
    with pytest.raises(ValueError, match=r"must be one of the training rows, got '1000', ... and"):
        evaluate(train.views[0], test.views[0], CONFIG, train_labels=train.labels, test_labels=test.labels + 1000)


def test_sets_that_do_not_belong_together_are_refused():
    train, test = clustered(30, 0), clustered(9, 1)
    narrow = Embeddings((test.views[0][:, :4],), test.labels)
    with pytest.raises(ValueError, match="train and test must have features of the same width, got 8 and 4"):
        evaluate(train, narrow)
    renamed = Embeddings(test.views, test.labels, class_names=("bee", "ant", "cat"))
    with pytest.raises(ValueError, match="train and test must have the same class_names in the same order"):
        evaluate(train, renamed)
    with pytest.raises(ValueError, match="the test rows must have labels"):
        evaluate(train, Embeddings(test.views, split="train"))
    with pytest.raises(ValueError, match="a judged set must have one view, got 2"):
        evaluate(Embeddings((train.views[0],) * 2, train.labels), test)


@pytest.mark.parametrize("names", [np.array([0, 10**12, 2**64 - 1], np.uint64), np.array(["ant", "bee", "cat"])])
def test_classes_may_have_any_numbers_or_words(judged, names):
    train, test, result = judged
    renamed = [Embeddings(part.views, names[part.labels]) for part in (train, test)]
    other = evaluate(*renamed, CONFIG)
    assert list(other.class_accuracy) == [str(name) for name in names]
    assert list(other.class_accuracy.values()) == list(result.class_accuracy.values())
    assert (other.numbers, other.over_test_rows) == (result.numbers, result.over_test_rows)


def test_words_in_one_set_are_the_names_of_the_numbers_in_the_other(judged):
    train, test, result = judged
    words = Embeddings(test.views, np.asarray(test.class_names)[test.labels])
    assert evaluate(train, words, CONFIG).class_accuracy == result.class_accuracy
    with pytest.raises(ValueError, match="numbers in all sets or words in all, got both; give class_names"):
        evaluate(Embeddings(train.views, train.labels), words, CONFIG)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_refused_with_the_first(bad):
    train, test = clustered(30, 0), clustered(9, 1)
    test.views[0][4, 1] = bad
    with pytest.raises(
        ValueError,
        match=r"^test features must be finite in float32, got 1 of 9 rows with nan or infinity, the first is row 4",
    ):
        evaluate(train, test)


def test_what_a_reader_left_out_of_a_file_is_said_from_python_and_on_the_terminal(judged, tmp_path):
    train, test, _ = judged
    np.savez(tmp_path / "test.npz", features=test.views[0], labels=test.labels, weights=np.ones(100))
    result = evaluate(train, tmp_path / "test.npz", CONFIG)
    note = "Test rows: Arrays not used: weights."
    assert note in repr(result)
    assert note in result._repr_html_()
    assert note in printed("x", result)
    alone = evaluate(tmp_path / "test.npz")
    assert "Arrays not used: weights." in printed("x", alone)
    assert "Arrays not used: weights." in alone._repr_html_()


def test_names_of_classes_must_do_for_both_sets_and_one_that_stands_twice_has_its_number():
    rows, labels = np.ones((6, 2), np.float32), np.arange(6)
    named = Embeddings((rows,), labels=labels % 3, class_names=tuple("abc"))
    with pytest.raises(ValueError, match="labels must lie below the 3 class_names of the other set, got 5"):
        numbered_classes(Embeddings((rows,), labels=labels), named)
    names = ("crane", "b", "crane", "d", "e", "f")
    found = numbered_classes(Embeddings((rows,), labels=labels, class_names=names))[1]
    assert found[:3] == ("crane (0)", "b", "crane (2)")


def test_two_judges_that_differ_by_one_name_each_have_their_own_number():
    said = {"robustness": (0.9,), "adversarial": (0.8,)}
    found = {name: JudgeResult(numbers={"clean": values}) for name, values in said.items()}
    sizes = {"num_train": 9, "num_test": 9, "num_features": 3}
    result = Evaluation(**sizes, judged=found, config=evaluation_config(list(said)))
    assert result.numbers == {"robustness.clean": 0.9, "adversarial.clean": 0.8}
    assert [row[1] for row in result.rows()] == ["90.00", "80.00"]
    told = Transfer(results={"a": result}, config=result.config)
    assert told.columns()[3:] == ["linear probe, clean (robustness) %", "linear probe, clean (adversarial) %"]
    assert told.rows() == [["a", "9", "9", "90.00", "80.00"]]
    alike = result.model_copy(update={"judged": dict.fromkeys(said, found["robustness"])})
    assert alike.numbers == {"clean": 0.9}
