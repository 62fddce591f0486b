from pathlib import Path

import pytest

from anchorwise import _files, _outputs


def test_a_new_folder_and_an_empty_one_can_be_claimed_and_claimed_again(tmp_path: Path):
    for folder in (tmp_path, tmp_path / "deep" / "new"):
        _outputs.claim_folder(folder, "embed")
        (folder / "train.npz").write_text("ours")
        _outputs.claim_folder(folder, "embed")
        assert (folder / "train.npz").read_text() == "ours"


@pytest.mark.parametrize("name", ["train.npz", "notes.txt", ".gitignore"])
def test_a_folder_with_files_of_others_is_refused_and_stays_as_it_is(tmp_path: Path, name: str):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=r"holds files that `anchorwise embed` did not write; choose another --out"):
        _outputs.claim_folder(tmp_path, "embed")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_the_folder_of_another_command_is_refused(tmp_path: Path):
    _outputs.claim_folder(tmp_path, "embed")
    with pytest.raises(ValueError, match="`anchorwise export` did not write"):
        _outputs.claim_folder(tmp_path, "export")


def test_a_folder_that_its_command_knows_by_its_files_is_its_own(tmp_path: Path):
    (tmp_path / "study.json").write_text("{}")
    _outputs.claim_folder(tmp_path, "compare", is_own=True)
    _outputs.claim_folder(tmp_path, "compare")


def test_what_a_killed_writer_left_does_not_fill_a_folder(tmp_path: Path):
    (tmp_path / "..anchorwise.abcd1234.part").mkdir()
    (tmp_path / ".config.json.lock").touch()
    _outputs.claim_folder(tmp_path, "embed")


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path):
    (tmp_path / "emb.csv").write_text("1,2")
    for folder in (tmp_path / "emb.csv", tmp_path / "emb.csv" / "below"):
        with pytest.raises(ValueError, match=r"emb.csv is a file; choose a folder as --out"):
            _outputs.claim_folder(folder, "embed")


def test_a_file_that_is_not_the_commands_own_is_refused(tmp_path: Path):
    path = tmp_path / "deep" / "evaluation.json"
    _outputs.claim_file(path, lambda file: file.read_text() == "ours")
    _files.write_text(path, "ours")
    _outputs.claim_file(path, lambda file: file.read_text() == "ours")
    _files.write_text(path, "theirs")
    for is_own in (lambda file: file.read_text() == "ours", lambda file: int(file.read_text())):
        with pytest.raises(ValueError, match=r"evaluation.json is another file, which would be lost; choose another"):
            _outputs.claim_file(path, is_own)
    assert path.read_text() == "theirs"


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="is a folder; choose a file as --out"):
        _outputs.claim_file(tmp_path, lambda _: True)
