"""Histograms in one number: what PostgreSQL adds up is what percentiles are read from, however many there are."""

import pytest
from django.db import connection

from generations.metrics import histograms

pytestmark = pytest.mark.django_db


def counted(values: dict[float, int]) -> bytes:
    """The number of a histogram of so many calls of each value, as the database sends it."""
    sums = " + ".join(f"{number} * ({histograms.adding(f'{value!r}::float8')})" for value, number in values.items())
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {histograms.sent(sums)}")
        return bytes(cursor.fetchone()[0])


@pytest.mark.parametrize("low", [1, 9_999, 10_000, 12_345, 99_999_999, 100_000_000, 123_456_789_012])
@pytest.mark.parametrize("high", [1, 56_789, 987_654_321])
def test_any_number_of_values_of_a_bucket_is_counted(low: int, high: int) -> None:
    known = low + high
    shares = [(low - 1) / (known - 1), low / (known - 1)]

    below, above = histograms.percentiles(counted({0.5: low, 20.0: high}), known, shares)

    # A share of so many is not exact to the last of them: what stands between the two is on the way from one to other.
    assert below == pytest.approx(0.5, rel=0.011)
    assert above == pytest.approx(20.0, rel=0.011)


def test_zeros_are_below_all_that_is_counted() -> None:
    number = counted({3.0: 2})

    assert histograms.percentiles(number, 4, [0, 1 / 3]) == [0.0, 0.0]
    assert histograms.percentiles(number, 4, [2 / 3, 1]) == [pytest.approx(3.0, rel=0.01)] * 2
    assert histograms.percentiles(None, 4, [0.5]) == [0.0]
    assert histograms.percentiles(None, 0, [0.5]) == [None]


@pytest.mark.parametrize("value", [1e-14, 3e-9, 1.0, 4_321.0, 1e15])
def test_a_value_of_any_size_is_shown_within_a_hundredth(value: float) -> None:
    assert histograms.percentiles(counted({value: 7}), 7, [0.5]) == [pytest.approx(value, rel=0.0101)]
