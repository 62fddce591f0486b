"""Long work of a judge: shown while it goes on, and its finished pieces kept, so that a stopped judgement goes on."""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track

from anchorwise import _files
from anchorwise._config import key_of

Item = TypeVar("Item")

_PLAIN_EVERY_S = 20.0


@dataclass(frozen=True)
class Work:
    """How long work is done.

    Attributes:
        show: Draw a bar on a terminal, or print a plain line now and then elsewhere.
        kept: Folder of finished pieces, one small JSON file each; None keeps none.
    """

    show: bool = False
    kept: Path | None = None

    def through(self, items: Collection[Item], what: str) -> Iterator[Item]:
        """Yield items, and show how far they are.

        Args:
            items: Whatever is worked on.
            what: The work in words, such as "Embedding test".
        """
        console = Console(stderr=True)
        if not self.show or console.is_terminal:
            yield from track(items, description=what, disable=not self.show, console=console)
            return
        printed_s = time.monotonic()
        for done, item in enumerate(items):
            if time.monotonic() - printed_s >= _PLAIN_EVERY_S:
                print(f"{what}: {done} of {len(items)}", flush=True)
                printed_s = time.monotonic()
            yield item

    def piece(self, identity: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Return what a piece of work came to: as it is kept, or made now and kept.

        Args:
            identity: Everything that it depends on, as JSON has it.
            make: Does it; what it returns is what JSON can hold.
        """
        if self.kept is None:
            return make()
        path = self.kept / f"{key_of(identity)}.json"
        if path.is_file():
            with _files.reading(path, way_out="remove it, and the work is done again"):
                found = json.loads(path.read_text(encoding="utf-8"))
                if found["identity"] != json.loads(json.dumps(identity)):
                    raise ValueError("it holds another piece of work")
                return found["result"]
        result = make()
        _files.write_text(path, json.dumps({"identity": identity, "result": result}) + "\n")
        return result


AT_WORK = Work()
