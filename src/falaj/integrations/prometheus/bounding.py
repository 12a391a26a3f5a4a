"""Keeping the number of series bounded, whatever the tables hold: what is beyond the bound is told together.

Every series costs the scraper memory for hours after it was last seen. So a family that has a label with open-ended
values keeps so many of them and folds the rest into one value, `other`: it says that there is more, and how bad it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from falaj.integrations.prometheus.families import Sample

OTHER = "other"
"""The value of a label that stands for all values beyond the bound; something that is really called so joins them."""

Merge = Callable[[Iterable[float]], float]


def bounded(
    samples: Sequence[Sample],
    labels: Sequence[str],
    most: int,
    merge: Merge = sum,
    *,
    strongest: bool = False,
) -> tuple[Sample, ...]:
    """The samples with at most `most` different values of some labels, and `other` for the rest.

    Args:
        samples: Of one family.
        labels: Which labels are bounded, together: values of all of them are kept or folded as one.
        most: How many are kept. At most one more, `other`, comes back.
        merge: Makes one value of those whose labels become the same: `sum`, `min` or `max`.
        strongest: Keep those with the largest value; otherwise the first in the order of their names, so that the
            same ones are kept from scrape to scrape.

    Returns:
        Samples whose labels all differ, in the order of the labels.
    """
    values: dict[tuple[str, ...], float] = {}
    for sample in samples:
        identity = _identity(sample, labels)
        values[identity] = max(values.get(identity, sample.value), sample.value)
    ranked = sorted(values, key=lambda identity: (-values[identity] if strongest else 0.0, identity))
    leaders = frozenset(ranked[:most])
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}
    for sample in samples:
        sample_labels = dict(sample.labels)
        if _identity(sample, labels) not in leaders:
            sample_labels |= {name: OTHER for name in labels if name in sample_labels}
        groups.setdefault((sample.suffix, tuple(sorted(sample_labels.items()))), []).append(sample.value)
    return tuple(
        Sample(dict(sample_labels), merge(sample_values), suffix)
        for (suffix, sample_labels), sample_values in sorted(groups.items())
    )


def _identity(sample: Sample, labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(sample.labels.get(name, "") for name in labels)
