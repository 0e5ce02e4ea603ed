"""The order of day, month and year that the dates of a column show."""

import pytest

from dataml.contract.date_orders import DateOrders


def show(texts: list[str]) -> DateOrders:
    orders = DateOrders()
    for text in texts:
        orders.add(text)
    return orders


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["13/01/2024", "08/09/2024"], "dmy"),
        (["01/13/2024", "08/09/2024"], "mdy"),
        (["02.01.24", "15.01.24", "31.01.24"], "dmy"),
        (["15-01-69", "16-02-70"], "dmy"),
        (["01/15/24", "01/16/24"], "mdy"),
        (["05/05/24"], "dmy"),
        (["24-01-15", "24-01-16", "99-12-31"], "ymd"),
        (["2024-01-15", "soon"], None),
        (["05/05/2024"], None),
        ([], None),
    ],
)
def test_order_is_what_all_values_show(texts: list[str], order: str | None) -> None:
    orders = show(texts)
    assert (orders.order, orders.is_open, orders.are_both, orders.may_lead_with_year) == (order, False, False, False)


@pytest.mark.parametrize(
    ("texts", "are_both", "may_lead_with_year"),
    [
        (["08/09/2024", "09/08/2024"], False, False),
        (["08/09/2024", "13/01/2024", "01/13/2024"], True, False),
        (["13/01/32", "01/13/32"], True, False),
        (["24-01-15", "24-01-16", "24-02-29"], False, True),
        (["24/01/15 10:00", "24/01/16 11:00"], False, True),
        (["01-02-03", "01-02-04"], False, True),
    ],
)
def test_order_is_open_where_values_read_in_several_ways(
    texts: list[str], are_both: bool, may_lead_with_year: bool
) -> None:
    orders = show(texts)
    assert (orders.order, orders.is_open) == (None, True)
    assert (orders.are_both, orders.may_lead_with_year) == (are_both, may_lead_with_year)
