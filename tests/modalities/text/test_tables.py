import json
from collections import Counter

import pytest

from anchorwise._files import UnusableFileError
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.tables import read_table
from anchorwise.modalities.text.captions import read_captions
from anchorwise.modalities.text.config import TextData, TextEncoderConfig
from anchorwise.modalities.text.docstrings import read_docstrings
from anchorwise.modalities.text.sources import read_parts
from anchorwise.modalities.text.tables import read_texts
from anchorwise.modalities.text.vocabulary import word_pieces

pytestmark = pytest.mark.usefixtures("as_users_call")


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_are_read_by_position_and_the_score_by_its_name(tmp_path):
    table = written(tmp_path / "a.csv", 'x,score,y\n"a, b",1.5,c\nd,2,e\n')
    texts = read_texts(table)
    assert texts.rows == (("a, b", "c"), ("d", "e"))
    assert texts.scores == (1.5, 2.0)
    assert read_texts(table, ["y", "x"]).rows[0] == ("c", "a, b")


def test_the_sentences_of_well_known_sets_are_told_by_their_names(tmp_path):
    sick = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n7\ta b\tc d\t3.5\tNEUTRAL\n"
    texts = read_texts(written(tmp_path / "sick.tsv", sick))
    assert (texts.rows, texts.scores) == ((("a b", "c d"),), (3.5,))


def test_row_numbers_that_pandas_writes_in_front_are_no_column(tmp_path):
    assert read_table(written(tmp_path / "a.csv", ",text,label\n0,b,1\n1,c,0\n")) == {
        "text": ("b", "c"),
        "label": ("1", "0"),
    }
    assert read_table(written(tmp_path / "b.csv", ",text\n0,b\n2,c\n")).keys() == {"0", "1"}


def test_a_first_row_with_a_number_or_a_gap_is_no_header(tmp_path):
    assert read_texts(written(tmp_path / "a.tsv", '4.5\tsaid "so\tb\n3\tc\td\n')).rows[0] == ('said "so', "b")
    gap = read_texts(written(tmp_path / "b.tsv", "\ta\tb\n3\tc\td\n1\te\tf\n"))
    assert gap.rows == (("c", "d"), ("e", "f"))
    assert [each.reason for each in gap.skipped] == ["it has no score"]


@pytest.mark.parametrize("text", ["a dog runs,a cat\nb,c\n", "cat,dog\nlion,wolf\ncat,fox\n"])
def test_a_first_row_that_reads_like_a_sample_is_said_to_be_a_header(text, tmp_path):
    (said,) = read_texts(path := written(tmp_path / "a.csv", text)).skipped
    first = ", ".join(repr(cell) for cell in text.splitlines()[0].split(","))
    assert (said.name, first in said.reason) == ("a.csv, first row", True)
    assert read_texts(path, list(read_table(path))).skipped == ()  # Somebody knows the names.
    assert read_texts(written(tmp_path / "b.csv", "left,right\na dog,a cat\n")).skipped == ()


def test_a_cell_without_an_end_is_told_with_the_way_out(tmp_path):
    open_quote = written(tmp_path / "a.csv", 'x,y\na,b\na,"c\n' + "d,e\n" * 40_000)
    with pytest.raises(UnusableFileError, match=r"131,072 characters, .* after 2 rows; close the quotation mark"):
        read_table(open_quote)


def test_a_label_is_the_class_of_a_text_that_stands_alone(tmp_path):
    table = written(tmp_path / "a.tsv", "label\ttext\nnegative\ta dull film\npositive\ta fine film\n")
    assert read_texts(table).rows == (("a dull film",), ("a fine film",))
    assert read_texts(table).labels == ("negative", "positive")
    assert read_texts(table).some([1]).labels == ("positive",)
    assert read_texts(table, ["label"]).rows[0] == ("negative",)
    assert read_texts(table, ["label"]).labels is None
    pairs = written(tmp_path / "b.csv", "premise,hypothesis,label\nx,y,\n")
    assert read_texts(pairs).labels is None
    lines = [json.dumps({"text": f"film {number}", "Label": number}) for number in (10, 2, -1)]
    parts = read_parts(TextData(source=str(written(tmp_path / "c.jsonl", "\n".join(lines)))))
    assert (parts.test, parts.class_names) == (None, ("-1", "2", "10"))  # Too few for a test part.


@pytest.mark.parametrize(("cell", "got"), [("", "nothing"), (" ", "nothing"), ("1.0", "'1.0'"), ("2e1", "'2e1'")])
def test_a_label_that_is_no_class_is_refused_in_words(cell, got, tmp_path):
    with pytest.raises(
        ValueError, match=f"labels must be words or whole numbers, got {got} in row 2 of .*a.csv; leave"
    ):
        read_texts(written(tmp_path / "a.csv", f"text,label\na,1\nb,{cell}\n"))


def test_of_texts_with_classes_a_tenth_is_the_test_part_and_no_text_stands_in_both(tmp_path):
    rows = "".join(f"film {n // 2},{n % 3}\n" for n in range(80))
    parts = read_parts(TextData(source=str(written(tmp_path / "a.csv", "text,label\n" + rows))))
    assert (len(parts.train.rows), len(parts.test.rows), parts.class_names) == (72, 8, ("0", "1", "2"))
    assert not set(parts.train.rows) & set(parts.test.rows)
    assert all(len(part.labels) == len(part.rows) for part in parts.both)
    written(tmp_path / "b.csv", "text\nx\ny\n")
    with pytest.raises(ValueError, match="must have the same columns"):
        read_parts(TextData(source=str(tmp_path)))


def test_columns_that_are_parted_by_tabs_are_called_tsv(tmp_path):
    with pytest.raises(UnusableFileError, match=r"parted by commas, got tabs in the first row, .*; call it pairs.tsv"):
        read_texts(written(tmp_path / "pairs.csv", "filepath\ttitle\na.png\ta dog, two cats\n"))
    with pytest.raises(UnusableFileError, match=r"parted by commas, got semicolons in every row, 'a;b'; save it with"):
        read_texts(written(tmp_path / "pairs.csv", "a;b\na dog;a cat\n"))
    alone = read_texts(written(tmp_path / "pairs.csv", "text\na dog; a cat\none; two\n"))
    assert len(alone.rows) == 2


def test_columns_of_one_name_are_refused_and_not_lost(tmp_path):
    with pytest.raises(
        UnusableFileError, match=r"a.csv cannot be used: columns must have different names, got text, te"
    ):
        read_texts(written(tmp_path / "a.csv", "text,text\na,b\n"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "sentence1,sentence2,note\r\na\u2028b,c,x\r\n"),
        ("a.tsv", "sentence1\tsentence2\tnote\na\u2028b\tc\tx\n"),
        ("a.jsonl", '{"sentence1": "a\u2028b", "sentence2": "c", "note": "x"}\n'),
    ],
)
def test_files_of_a_spreadsheet_begin_with_a_mark_and_sentences_hold_any_character(tmp_path, name, text):
    assert read_texts(written(tmp_path / name, "\ufeff" + text)).rows == (("a\u2028b", "c"),)


def test_hidden_files_of_a_folder_are_no_texts(tmp_path):
    written(tmp_path / "train.tsv", "a\tb\nc\td\ne\tf\n")
    written(tmp_path / "test.tsv", "a\tb\ng\th\ni\tj\n")
    (tmp_path / "._test.tsv").write_bytes(b"\x00\x05\x16\x07")
    assert len(read_parts(TextData(source=str(tmp_path))).test.rows) == 2
    (tmp_path / "train.tsv").unlink()
    assert len(read_parts(TextData(source=str(tmp_path))).train.rows) == 2


def test_lines_and_json_lines_are_read(tmp_path):
    lines = read_texts(written(tmp_path / "a.txt", "one\n\n two \n"))
    assert lines.rows == (("one",), ("two",))
    assert [(each.name, each.reason) for each in lines.skipped] == [("a.txt:2", "the line is blank")]
    rows = [{"anchor": "a", "positive": "b", "negative": "c"}, {"anchor": "d", "positive": "e", "negative": "f"}]
    path = written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert read_texts(path).rows == (("a", "b", "c"), ("d", "e", "f"))


@pytest.mark.elsewhere
def test_parquet_is_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"a": ["x", "y"], "b": ["z", "w"], "score": [1.0, 2.0]}), tmp_path / "a.parquet")
    assert read_texts(tmp_path / "a.parquet").rows == (("x", "z"), ("y", "w"))


@pytest.mark.elsewhere
@pytest.mark.filterwarnings("ignore")
def test_what_hugging_faces_datasets_saved_is_read_without_it(tmp_path):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    train = datasets.Dataset.from_dict({"anchor": ["a", "c", "e"], "positive": ["b", "d", "f"], "label": [1, 0, 1]})
    datasets.DatasetDict(train=train.select([2, 0]), test=train.select([1])).save_to_disk(str(tmp_path / "parts"))
    parts = read_parts(TextData(source=str(tmp_path / "parts")))
    assert (parts.train.rows, parts.test.rows) == ((("e", "f"), ("a", "b")), (("c", "d"),))
    train.save_to_disk(str(tmp_path / "alone"), num_shards=2)
    assert read_parts(TextData(source=str(tmp_path / "alone"))).train.rows == (("a", "b"), ("c", "d"), ("e", "f"))
    assert read_parts(TextData(source=str(tmp_path / "alone"), columns=("positive",))).train.rows[0] == ("b",)


@pytest.mark.elsewhere
def test_a_saved_data_set_whose_files_lie_elsewhere_is_refused(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    written(tmp_path / "state.json", json.dumps({"_data_files": [{"filename": "../secret.arrow"}]}))
    with pytest.raises(UnusableFileError, match=r"must lie in its folder, got '../secret.arrow'"):
        read_parts(TextData(source=str(tmp_path)))


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (
            "anchor,positive\na,b\n",
            ["anchr"],
            r"columns of text of .*a.csv \(anchor, positive\), got 'anchr'.*'anchor'",
        ),
        ("a,b,score\nx,y,1\n", ["a", "score"], "got 'score', which has the scores"),
        ("a,b\nx, \n", None, "got nothing in column 'b' of row 1"),
        ("a,b,score\nx,y,1\nz,w,high\n", None, "scores must be numbers, got 'high' in row 2"),
        ("a,b,score\nx,y,nan\n", None, "scores must be numbers, got 'nan' in row 1"),
        ("a,b\nx\n", None, "every row must have 2 columns, got 1 in row 1"),
        ("a,b\n", None, "must have rows, got none"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_words(text, columns, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_texts(written(tmp_path / "a.csv", text), columns)


def test_a_source_that_is_not_there_is_refused_in_words(tmp_path):
    with pytest.raises(FileNotFoundError, match="name it with --data"):
        read_parts(TextData(source=str(tmp_path / "no")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"must hold Flickr8k.token.txt, or files of texts"):
        read_parts(TextData(source=str(tmp_path / "empty")))
    with pytest.raises(ValueError, match=r"suffix of data.source must be one of .* got '.doc'"):
        read_parts(TextData(source=str(written(tmp_path / "a.doc", ""))))


def test_pairs_are_parted_and_scored_pairs_are_judged_whole(tmp_path):
    pairs = written(tmp_path / "pairs.tsv", "a\tb\n" + "".join(f"x{i}\ty{i}\n" for i in range(40)))
    parts = read_parts(TextData(source=str(pairs)))
    assert (len(parts.train.rows), len(parts.test.rows)) == (36, 4)
    assert not set(parts.train.rows) & set(parts.test.rows)
    scored = read_parts(TextData(source=str(written(tmp_path / "s.tsv", "a\tb\tscore\nx\ty\t1\nz\tw\t2\n"))))
    assert scored.train is scored.test


def test_files_of_a_folder_are_its_parts_or_are_judged_together(tmp_path):
    (tmp_path / "parts").mkdir()
    written(tmp_path / "parts" / "train.tsv", "a\tb\nx\ty\n")
    written(tmp_path / "parts" / "test.tsv", "a\tb\nz\tw\n")
    parts = read_parts(TextData(source=str(tmp_path / "parts")))
    assert (parts.train.rows, parts.test.rows) == ((("x", "y"),), (("z", "w"),))
    written(tmp_path / "one.test.tsv", "1\ta\tb\n2\tc\td\n")
    written(tmp_path / "two.test.tsv", "3\te\tf\n")
    written(tmp_path / "two.train.tsv", "3\tg\th\n")
    whole = read_parts(TextData(source=str(tmp_path))).test
    assert whole.parts == ("one", "one", "two")
    assert whole.rows[2] == ("e", "f")
    written(tmp_path / "two.test.tsv", "e\tf\n3\t4\n")
    with pytest.raises(ValueError, match="the same columns"):
        read_parts(TextData(source=str(tmp_path)))


def snli(folder, parts):
    """Write sentences, what is said of them and what that is, in SentEval's layout."""
    for part, rows in parts.items():
        for name, column in zip(("s1", "s2", "labels"), zip(*rows, strict=True), strict=True):
            written(folder / f"{name}.{part}", "".join(f"{cell}\n" for cell in column))
    return folder


def test_a_premise_what_follows_from_it_and_what_contradicts_it_make_triples(tmp_path):
    said = [("p", "yes", "entailment"), ("p", "no", "contradiction"), ("p", "never", "contradiction")]
    others = [("p", "perhaps", "neutral"), ("q", "yes", "entailment"), ("r", "no", "contradiction")]
    parts = {"train": said + others, "test": [("s", "so", "entailment"), ("s", "not so", "contradiction")]}
    found = read_parts(TextData(source=str(snli(tmp_path, parts))))
    assert found.train.rows == (("p", "yes", "no"), ("p", "yes", "never"))
    assert found.test.rows == (("s", "so", "not so"),)
    assert found.train.skipped == ()
    snli(tmp_path, {"train": [*said, ("p", " ", "contradiction"), ("", "", "neutral")]})
    train = read_parts(TextData(source=str(tmp_path))).train
    assert train.rows == found.train.rows
    assert [each.name for each in train.skipped] == ["train:4", "train:5"]
    written(tmp_path / "labels.test", "entailment\nperhaps\n")
    with pytest.raises(UnusableFileError, match=r"a label must be one of .* got 'perhaps'"):
        read_parts(TextData(source=str(tmp_path)))
    written(tmp_path / "labels.test", "entailment\n")
    with pytest.raises(UnusableFileError, match=r"s1.test, s2.test and labels.test must have as many lines"):
        read_parts(TextData(source=str(tmp_path)))


def test_no_anchor_stands_among_training_and_test_samples(tmp_path):
    kinds = ("entailment", "contradiction", "contradiction")
    rows = [(f"premise {n}", f"{kind} {place} {n}", kind) for n in range(40) for place, kind in enumerate(kinds)]
    found = read_parts(TextData(source=str(snli(tmp_path, {"dev": rows[:60], "test": rows[60:]}))))
    # Without a part to train on, all are parted anew.
    assert len(found.train.rows) + len(found.test.rows) == 80
    train, test = ({row[0] for row in part.rows} for part in (found.train, found.test))
    assert len(test) == 4
    assert not train & test


def flickr(folder, num_train=12, num_test=4):
    """Write captions as Flickr8k has them, with its one photograph of another name."""
    numbers = range(num_train + num_test)
    things = ["dog", "girl", "horse", "car", "boat", "bird", "ball", "tree"]
    said = ["a {} is running", "the {} moves fast", "one {} outside", "there is a {} here", "look at this {} now"]
    lines = [
        f"{n}.jpg{'.1' if n == 3 else ''}#{k}\t{text.format(things[n % 8])} {n} .\n"
        for n in numbers
        for k, text in enumerate(said)
    ]
    written(folder / "Flickr8k.token.txt", "".join(lines))
    written(folder / "Flickr_8k.trainImages.txt", "".join(f"{n}.jpg\n" for n in numbers[:num_train]))
    written(folder / "Flickr_8k.testImages.txt", "".join(f"{n}.jpg\n" for n in numbers[num_train:]))
    return folder


def test_captions_follow_the_split_files(tmp_path):
    train, test = read_captions(flickr(tmp_path))
    assert (len(train.rows), len(test.rows), len(train.rows[3]), train.are_alike) == (12, 4, 5, True)
    assert train.rows[3][0] == "a car is running 3 ."
    written(tmp_path / "Flickr_8k.testImages.txt", "99.jpg\n")
    with pytest.raises(UnusableFileError, match=r"1 of its 1 photographs have no caption, such as 99.jpg"):
        read_captions(tmp_path)


def test_docstrings_are_paired_with_code_that_does_not_have_them(tmp_path):
    written(
        tmp_path / "a.py",
        'def addTwo(x_y, z):\n    """Add two numbers of any kind.\n\n    More."""\n    return x_y + z\n',
    )
    written(tmp_path / "broken.py", "def (")
    (tmp_path / "tests").mkdir()
    written(tmp_path / "tests" / "b.py", 'def f():\n    """Is left out as a test."""\n    return 1\n')
    texts = read_docstrings(tmp_path)
    assert texts.rows == (("Add two numbers of any kind.", "add two return x y + z"),)
    assert texts.names == ("a.py:addTwo",)


@pytest.mark.whole
def test_the_standard_library_has_thousands_of_pairs_the_same_each_time():
    texts = read_docstrings()
    assert len(texts.rows) > 3000
    assert len({said for said, _ in texts.rows}) == len(texts.rows)


def test_pieces_are_learnt_as_in_a_case_by_hand():
    # ##o ##w and l ##o stand 7 times each, and the first in the alphabet is joined; then l ##ow, ##e ##r, low ##er.
    pieces = word_pieces(Counter({"low": 5, "lower": 2, "x": 1}), 100)
    assert pieces[:6] == ["##o", "##w", "l", "##e", "##r", "x"]
    assert pieces[6:] == ["##ow", "low", "##er", "lower"]
    assert word_pieces(Counter({"low": 5, "lower": 2, "x": 1}), 7) == pieces[:7]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 30}, r"encoder.width must be a multiple of encoder.num_heads=4, got 30"),
        ({"path": "x"}, r"encoder.path is for encoder.name=transformers"),
        ({"name": "transformers", "num_layers": 3}, r"where encoder.num_layers is set, must be one of 'bert-small'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TextEncoderConfig(**settings)


def test_other_texts_are_read_by_the_runs_columns_where_they_have_them(tmp_path):
    own = TextData(source="own.csv", columns=("question", "answer"), tokenizer=tmp_path / "gone")
    same = written(tmp_path / "same.csv", "uid,question,answer\nu,q,a\nv,r,b\n")
    other = written(tmp_path / "other.csv", "sentence1,sentence2\nx,y\nz,w\n")
    found = modality_of("text").other_data(str(same), like=own)
    assert (found.columns, found.tokenizer) == (own.columns, None)
    assert read_parts(found).train.rows[0] == ("q", "a")
    assert modality_of("text").other_data(str(other), like=own).columns is None


@pytest.mark.parametrize(("modality", "kept"), [("text", "transformer"), ("image_text", "text/transformer")])
def test_a_tokenizer_that_is_gone_is_that_of_the_run(tmp_path, modality, kept):
    kind, (run, there) = modality_of(modality), (tmp_path / "run", tmp_path / "there")
    gone = kind.data(source="own.csv", tokenizer=there)
    assert kind.data_of_run(gone, run) == gone
    (run / kept).mkdir(parents=True)
    assert kind.data_of_run(gone, run).tokenizer == run / kept
    there.mkdir()
    assert kind.data_of_run(gone, run) == gone
    untouched = kind.data(source="own.csv")
    assert kind.data_of_run(untouched, run) == untouched


def test_lists_in_cells_are_no_text(tmp_path):
    line = json.dumps({"query": "what", "pos": ["this", "that"]})
    with pytest.raises(UnusableFileError, match=r"every cell must be one text or number, got .* in column 'pos'"):
        read_texts(written(tmp_path / "a.jsonl", f"{line}\n{line}\n"))
    line = json.dumps({"query": "what", "answer": "this", "embedding": [0.1, 0.2]})
    found = read_texts(written(tmp_path / "b.jsonl", f"{line}\n{line}\n"), ["query", "answer"])
    assert found.rows == (("what", "this"), ("what", "this"))


def test_a_pair_and_its_reverse_are_not_on_both_sides(tmp_path):
    lines = [f"x{n}\ty{n}\ny{n}\tx{n}\n" for n in range(50)]
    parts = read_parts(TextData(source=str(written(tmp_path / "p.tsv", "one\tother\n" + "".join(lines)))))
    assert not {frozenset(row) for row in parts.train.rows} & {frozenset(row) for row in parts.test.rows}
    assert len(parts.train.skipped) + len(parts.train.rows) + len(parts.test.rows) == 100


def test_rare_characters_take_the_places_that_merges_leave():
    words = {chr(0x4E00 + n): 2 for n in range(2500)}
    assert len(word_pieces(words, 6000)) == 2500
    assert len(word_pieces(words, 1500)) == 1500


def test_a_photograph_of_one_caption_is_left_out_and_counted(tmp_path):
    written(tmp_path / "Flickr8k.token.txt", "a.jpg#0\tx\na.jpg#1\ty\nb.jpg#0\tz\nc.jpg#0\tu\nc.jpg#1\tv\n")
    for part in ("train", "test"):
        written(tmp_path / f"Flickr_8k.{part}Images.txt", "a.jpg\nb.jpg\nc.jpg\n")
    train, _ = read_captions(tmp_path)
    assert train.rows == (("x", "y"), ("u", "v"))
    assert [each.name for each in train.skipped] == ["b.jpg"]


def test_an_empty_caption_is_left_out_and_counted(tmp_path):
    folder = flickr(tmp_path)
    said = (folder / "Flickr8k.token.txt").read_text(encoding="utf-8")
    written(folder / "Flickr8k.token.txt", said.replace("the girl moves fast 1 .", ""))
    train, test = read_captions(folder)
    assert (len(train.rows[1]), len(train.rows[2]), test.skipped) == (4, 5, ())
    assert [(each.name, each.reason) for each in train.skipped] == [("1.jpg#1", "the caption is empty")]
