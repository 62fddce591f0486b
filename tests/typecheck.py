"""The type checker of the test run: beartype, with whole numbers taken where a float is asked for (PEP 484)."""

import beartype

check = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
