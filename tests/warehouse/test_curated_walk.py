"""The allocation of one contract's money, in cents and day numbers: worked cases, and properties that any waterfall must have."""

from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.curated.walk import OVERPAYMENT, Charge, Due, Part, Payment, walk

UNNAMED = OVERPAYMENT


def due(amount, day, penalty=0, tolerance=0):
    return Due(amount, day, penalty, amount - tolerance)


def walked(dues, payments, charges=()):
    """Parts as (payment, position, amount, penalty)."""
    return [(part.payment, part.position, part.amount, part.penalty) for part in walk(dues, payments, charges)]


DUES = [due(100, 30), due(100, 60), due(100, 90)]


def test_oldest_first_and_the_rest_is_overpayment():
    # The payments of DOMAIN A17: 60, 150, 100 against three times 100.
    payments = [Payment(60, 35, UNNAMED), Payment(150, 61, UNNAMED), Payment(100, 100, UNNAMED)]
    assert walked(DUES, payments) == [
        (0, 0, 60, 0),
        (1, 0, 40, 0),
        (1, 1, 100, 0),
        (1, 2, 10, 0),
        (2, 2, 90, 0),
        (2, OVERPAYMENT, 10, 0),
    ]


def test_parts_are_numbered_within_the_payment_and_settle_once():
    parts = list(walk(DUES, [Payment(150, 10, UNNAMED), Payment(50, 20, UNNAMED)], []))
    assert [(part.payment, part.number, part.settles) for part in parts] == [(0, 1, 1), (0, 2, 0), (1, 1, 1)]


def test_a_named_installment_is_paid_first_then_the_oldest():
    # 150 for the third: 100 there, the other 50 goes to the oldest, not to what follows.
    assert walked(DUES, [Payment(150, 10, 2)]) == [(0, 2, 100, 0), (0, 0, 50, 0)]


def test_a_named_installment_takes_its_penalty_before_others_are_paid():
    # The penalty on the row is dated by the settlement, which the payment itself brings about.
    assert walked([due(100, 30, penalty=7), due(100, 60)], [Payment(120, 40, 0)]) == [(0, 0, 100, 7), (0, 1, 13, 0)]


def test_an_unnamed_payment_pays_no_penalty():
    assert walked([due(100, 30, penalty=7)], [Payment(120, 40, UNNAMED)]) == [(0, 0, 100, 0), (0, OVERPAYMENT, 20, 0)]


def test_a_penalty_dated_later_is_not_paid():
    charges = [Charge(0, 41, 5), Charge(0, 40, 3)]
    assert walked([due(100, 30)], [Payment(120, 40, 0)], charges) == [(0, 0, 100, 3), (0, OVERPAYMENT, 17, 0)]
    # A later payment that names the installment pays what was charged meanwhile, in a row without amount.
    later = [Payment(100, 40, UNNAMED), Payment(9, 50, 0)]
    assert walked([due(100, 30)], later, charges) == [(0, 0, 100, 0), (1, 0, 0, 8), (1, OVERPAYMENT, 1, 0)]


def test_within_the_tolerance_the_next_payment_skips_the_rest():
    # 99 of 100 settle within a tolerance of 1; the missing 1 is asked for no more.
    dues = [due(100, 30, tolerance=1), due(100, 60, tolerance=1)]
    assert walked(dues, [Payment(99, 30, UNNAMED), Payment(50, 60, UNNAMED)]) == [(0, 0, 99, 0), (1, 1, 50, 0)]
    # One cent more is missing: unsettled, so the next payment fills it.
    assert walked(dues, [Payment(98, 30, UNNAMED), Payment(50, 60, UNNAMED)]) == [(0, 0, 98, 0), (1, 0, 2, 0), (1, 1, 48, 0)]


def test_naming_a_settled_installment_still_pays_its_rest():
    dues = [due(100, 30, tolerance=1), due(100, 60)]
    assert walked(dues, [Payment(99, 30, UNNAMED), Payment(5, 31, 0)]) == [(0, 0, 99, 0), (1, 0, 1, 0), (1, 1, 4, 0)]


def test_an_installment_within_the_tolerance_is_settled_on_its_due_date():
    # 5 due and a tolerance of 10: before the due date it takes money, from it on it asks for none.
    small = Due(5, 60, 0, -5)
    assert walked([small, due(100, 90)], [Payment(50, 59, UNNAMED)]) == [(0, 0, 5, 0), (0, 1, 45, 0)]
    assert walked([small, due(100, 90)], [Payment(50, 60, UNNAMED)]) == [(0, 1, 50, 0)]


def test_nothing_due_and_nothing_held():
    assert walked([due(0, 30)], [Payment(5, 1, UNNAMED)]) == [(0, OVERPAYMENT, 5, 0)]
    assert walked([], [Payment(5, 1, UNNAMED)]) == [(0, OVERPAYMENT, 5, 0)]


def test_a_repayment_of_nothing_keeps_its_only_row():
    assert list(walk(DUES, [Payment(0, 1, 0)], [])) == [Part(0, 1, OVERPAYMENT, 0, 0, 0, 0)]


@st.composite
def books(draw):
    dues = []
    for number in range(draw(st.integers(0, 5))):
        amount = draw(st.integers(0, 200))
        dues.append(Due(amount, 30 * number + 30, draw(st.sampled_from([0, 0, 7])), amount - draw(st.sampled_from([0, 2, 50]))))
    named = st.integers(UNNAMED, len(dues) - 1)
    days = sorted(draw(st.lists(st.integers(1, 200), max_size=8)))
    payments = [Payment(draw(st.integers(0, 300)), day, draw(named)) for day in days]
    charges = []
    if dues:
        charges = draw(st.lists(st.builds(Charge, st.integers(0, len(dues) - 1), st.integers(1, 200), st.integers(1, 20)), max_size=3))
    return dues, payments, charges


@given(books())
@settings(max_examples=100, deadline=None)
def test_every_cent_is_accounted_for(book):
    dues, payments, charges = book
    parts = list(walk(*book))
    for index, payment in enumerate(payments):
        mine = [part for part in parts if part.payment == index]
        assert sum(part.amount + part.penalty for part in mine) == payment.amount
        assert [part.number for part in mine] == list(range(1, len(mine) + 1))
        assert all(part.amount or part.penalty for part in mine) or len(mine) == 1
        assert len({part.position for part in mine}) == len(mine)
        assert OVERPAYMENT not in [part.position for part in mine[:-1]]
    for position, owed in enumerate(dues):
        mine = [part for part in parts if part.position == position]
        assert sum(part.amount for part in mine) <= owed.amount
        charged = owed.penalty + sum(charge.amount for charge in charges if charge.position == position)
        assert sum(part.penalty for part in mine) <= charged
        assert sum(part.settles for part in mine) <= 1


@given(books(), st.integers(0, 8))
@settings(max_examples=100, deadline=None)
def test_later_payments_change_nothing_before_them(book, count):
    # All dates of an era share one allocation because of this.
    dues, payments, charges = book
    early = [part for part in walk(*book) if part.payment < count]
    assert early == list(walk(dues, payments[:count], charges))


@given(books(), st.integers(0, 300), st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_another_payment_never_settles_an_installment_later(book, amount, day):
    dues, payments, _ = book
    unnamed = [payment._replace(named=UNNAMED) for payment in payments]  # naming an installment is a wish that another may not overrule
    before, after = [payment for payment in unnamed if payment.day <= day], [payment for payment in unnamed if payment.day > day]

    def settled(paying):
        return {part.position: paying[part.payment].day for part in walk(dues, paying, []) if part.settles}

    without, with_another = settled(unnamed), settled([*before, Payment(amount, day, UNNAMED), *after])
    assert all(with_another[position] <= settled_at for position, settled_at in without.items())


@given(books(), st.integers(0, 300))
@settings(max_examples=100, deadline=None)
def test_splitting_a_payment_on_its_day_settles_the_same_installments(book, cut):
    dues, payments, _ = book
    unnamed = [payment._replace(named=UNNAMED) for payment in payments]
    split = []
    for payment in unnamed:
        first = min(cut, payment.amount)
        split += [payment._replace(amount=first), payment._replace(amount=payment.amount - first)]
    strict = [owed._replace(settled_at=owed.amount) for owed in dues]  # a tolerance makes the day's last cents go elsewhere

    def settled(paying):
        return {part.position: paying[part.payment].day for part in walk(strict, paying, []) if part.settles}

    assert settled(split) == settled(unnamed)
