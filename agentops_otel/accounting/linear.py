"""Linear prices: what is used of a model by unit, and a cost that is a sum of counts times rates."""

from __future__ import annotations

from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UNITS: Final = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "audio_output_tokens": "output_audio_tokens",
    "audio_cache_read_tokens": "cache_audio_read_tokens",
    "image_input_tokens": "input_image_tokens",
    "image_output_tokens": "output_image_tokens",
    "image_cache_read_tokens": "cache_image_read_tokens",
    "web_searches": "web_searches",
    "audio_seconds": "audio_seconds",
}
"""The fields of a usage that are priced, and what genai-prices calls them."""
used_of: Final = attrgetter(*UNITS)
"""The counts of a usage, in the order of `UNITS`."""

_PLACES: Final = {unit: place for place, unit in enumerate(UNITS.values())}
PARTS: Final = {
    "input_tokens": ("cache_read_tokens", "cache_write_tokens", "input_audio_tokens", "input_image_tokens"),
    "output_tokens": ("output_audio_tokens", "output_image_tokens", "output_reasoning_tokens"),
    "cache_read_tokens": ("cache_audio_read_tokens", "cache_image_read_tokens"),
    "cache_write_tokens": ("cache_write_1h_tokens",),
    "input_audio_tokens": ("cache_audio_read_tokens",),
    "input_image_tokens": ("cache_image_read_tokens",),
}
"""Units that are counted within another one."""


Parts = tuple[tuple[int, tuple[int, ...]], ...]
"""(place of a total among the counts, places of its parts)."""


_ALL_PARTS: Final[Parts] = tuple(
    (_PLACES[total], tuple(map(_PLACES.__getitem__, within))) for total, within in PARTS.items()
)
_TOTALS_OF: Final = {
    part: tuple(_PLACES[total] for total, within in PARTS.items() if unit in within) for unit, part in _PLACES.items()
}
SHARED: Final = {part: totals for part, totals in _TOTALS_OF.items() if len(totals) > 1}
"""Places of units that are counted within two others, with the places of these."""
shared_of: Final = itemgetter(*SHARED)
"""What is told of these."""


def parts_in(used: Sequence[Any]) -> Parts:
    """The parts that were used, by their totals: of other counts nothing can be too much."""
    found = ((total, tuple(part for part in within if used[part])) for total, within in _ALL_PARTS)
    return tuple((total, within) for total, within in found if within)


def fits(used: Sequence[Any], parts: Parts) -> bool:
    """Whether the parts fit beside each other into what they are parts of: there all prices are linear."""
    for total, within in parts:
        rest = used[total] or 0
        for part in within:
            rest -= used[part] or 0
        if rest < 0:
            return False
    return True


class Line(NamedTuple):
    """A linear price: of one model, on one day, for one combination of units."""

    rates: tuple[tuple[int, Decimal], ...]
    """(place among the counts, USD for one)."""

    @classmethod
    def of(cls, rates: Mapping[str, Decimal]) -> Line:
        """The line of these rates by unit."""
        return cls(tuple((_PLACES[unit], rate) for unit, rate in rates.items()))

    def cost(self, used: Sequence[Any]) -> Decimal:
        """What these counts cost, in USD."""
        cost = Decimal(0)
        for place, rate in self.rates:
            count = used[place]
            cost += rate * (count if type(count) is int else Decimal(str(count)))
        return cost
