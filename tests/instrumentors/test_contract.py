"""The contract of a call that is answered whole, or not at all; each test for every row."""

from __future__ import annotations

import pytest
from cases import CASES, STREAMED
from comparison import as_expected, done

by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def plain(case, client):
    return case.call(client)


async def plain_async(case, client):
    return await case.call(client)


@by_case
@pytest.mark.parametrize("scenario", [plain, plain_async])
def test_plain(compare, case, scenario):
    as_expected(case, compare(case, scenario, [case.whole]).span)
