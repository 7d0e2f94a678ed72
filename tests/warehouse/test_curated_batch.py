"""Walking many contracts at once gives what walking each alone gives, whichever of their payments fit."""

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.warehouse.test_curated_walk import UNNAMED, books, due
from warehouse.curated.batch import Lists, walk_all
from warehouse.curated.walk import Charge, Due, Part, Payment, walk

DUES = [due(100, 30, tolerance=1), due(100, 60, tolerance=1)]
FITTING = (DUES, [Payment(99, 29, 0), Payment(1, 31, 0), Payment(100, 60, 1)], [])  # within, up to and at the amount due
TURNING = (DUES, [Payment(60, 29, 0), Payment(60, 31, 0), Payment(10, 60, 1)], [Charge(0, 30, 5)])  # the second pays a penalty and the next
NOTHING = (DUES, [Payment(0, 29, 0), Payment(50, 29, 0)], [])  # a payment of nothing is an overpayment of nothing
UNHELD = ([], [Payment(50, 29, UNNAMED)], [])


def column(rows, record):
    """Rows of records as the engine hands them over."""
    kind = pa.list_(pa.struct([(name, pa.int64()) for name in record._fields]))
    return Lists.of(pa.chunked_array([pa.array([[item._asdict() for item in row] for row in rows], kind)]))


def walked(contracts):
    dues, payments, charges = zip(*contracts, strict=True)
    found = walk_all(column(dues, Due), column(payments, Payment), column(charges, Charge))
    return [[Part(**part) for part in row] for row in found.to_pylist()]


@given(st.lists(books(), min_size=1, max_size=6))
@example([FITTING, TURNING, UNHELD, NOTHING, FITTING])
@settings(max_examples=100, deadline=None)
def test_a_batch_is_each_contract_alone(contracts):
    assert walked(contracts) == [list(walk(*contract)) for contract in contracts]


def test_a_part_of_a_column_is_read_from_where_it_begins():
    # The engine may hand over a slice of a longer column.
    kind = pa.list_(pa.struct([(name, pa.int64()) for name in Charge._fields]))
    whole = pa.array([[Charge(0, 1, 2)._asdict()], [Charge(1, 2, 3)._asdict(), Charge(1, 3, 4)._asdict()]], kind)
    part = Lists.of(pa.chunked_array([whole.slice(1)]))
    assert part.records(Charge, 0) == [Charge(1, 2, 3), Charge(1, 3, 4)]
    assert part.records(Charge, 0, skip=1) == [Charge(1, 3, 4)]
