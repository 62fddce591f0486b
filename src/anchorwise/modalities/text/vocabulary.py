"""The pieces of words that a tokenizer knows, learnt from text: the same for the same text, whatever the machine.

Source: byte pair encoding, Sennrich, Haddow and Birch 2016, "Neural Machine Translation of Rare Words with Subword
Units", Algorithm 1, https://arxiv.org/abs/1508.07909, on characters; pieces within a word are marked as WordPiece does
(Devlin et al. 2019, https://arxiv.org/abs/1810.04805). The trainers of `tokenizers` break ties by the order of a hash
table, so they give another vocabulary each time, with which no run could be gone on with.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

WITHIN = "##"
_MAX_CHARACTERS = 1000  # Rarer ones are unknown.
_LEAST_COUNT = 2


def word_pieces(words: Mapping[str, int], num_pieces: int) -> list[str]:
    """Return pieces of words: single characters, then the pairs of pieces that stand side by side most often.

    Args:
        words: Every word and how often it stands in the text.
        num_pieces: At most.
    """
    characters = Counter[str]()
    for word, count in words.items():
        for symbol in _symbols(word):
            characters[symbol] += count
    alphabet = [symbol for symbol, _ in sorted(characters.items(), key=lambda each: (-each[1], each[0]))]
    pieces = alphabet[: min(num_pieces, _MAX_CHARACTERS)]
    known = set(pieces)
    spelt = [(_symbols(word), count) for word, count in sorted(words.items()) if known.issuperset(_symbols(word))]
    for merged in _merges(spelt):
        if len(pieces) >= num_pieces:
            break
        if merged not in known:
            known.add(merged)
            pieces.append(merged)
    # Rarer characters take the places that no merge wanted, as in scripts of thousands of them.
    return [*pieces, *alphabet[_MAX_CHARACTERS : _MAX_CHARACTERS + num_pieces - len(pieces)]]


def _symbols(word: str) -> list[str]:
    return [word[0], *(WITHIN + letter for letter in word[1:])]


def _merges(spelt: Sequence[tuple[list[str], int]]) -> Iterable[str]:
    """Yield what the most frequent pair of neighbours makes, again and again; of equals the first in the alphabet."""
    counts, places = Counter[tuple[str, str]](), defaultdict[tuple[str, str], set[int]](set)
    for number, (symbols, count) in enumerate(spelt):
        for pair in pairwise(symbols):
            counts[pair] += count
            places[pair].add(number)
    waiting = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(waiting)
    while waiting:
        count, pair = heapq.heappop(waiting)
        if counts[pair] != -count:  # It was counted anew since, and waits with that count.
            continue
        if -count < _LEAST_COUNT:
            return
        merged = pair[0] + pair[1].removeprefix(WITHIN)
        yield merged
        touched = set[tuple[str, str]]()
        for number in places.pop(pair):
            symbols, times = spelt[number]
            for old in pairwise(symbols):
                counts[old] -= times
                touched.add(old)
            symbols[:] = _joined(symbols, pair, merged)
            for new in pairwise(symbols):
                counts[new] += times
                places[new].add(number)
                touched.add(new)
        for each in touched - {pair}:
            if counts[each] > 0:
                heapq.heappush(waiting, (-counts[each], each))


def _joined(symbols: Sequence[str], pair: tuple[str, str], merged: str) -> list[str]:
    joined, place = list[str](), 0
    while place < len(symbols):
        if tuple(symbols[place : place + 2]) == pair:
            joined.append(merged)
            place += 2
        else:
            joined.append(symbols[place])
            place += 1
    return joined
