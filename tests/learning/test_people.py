import collections

import numpy as np
import pytest

from brainage.core.store import open_store
from brainage.learning import people
from tests.learning.trainings import TOY


@pytest.fixture(scope="module")
def fit(toy):
    return people.read_groups(toy.files, open_store(toy.files.folder("store")), TOY)[0]


def unbalanced():
    """80 young people of site A, 20 old ones there, and 10 young and 10 old ones of site B."""
    counts = {("A", 25.0): 80, ("A", 65.0): 20, ("B", 25.0): 10, ("B", 65.0): 10}
    cells = [cell for cell, count in counts.items() for _ in range(count)]
    n = len(cells)
    return people.Group(
        scan_ids=[f"x_sub-{i}" for i in range(n)],
        rows=np.arange(n),
        ages=np.array([age for _, age in cells], dtype=np.float32),
        sites=np.array([site for site, _ in cells]),
        people=[np.array([i]) for i in range(n)],
    )


def test_batches_take_each_person_once(fit):
    seen = set()
    for epoch in range(20):
        parts = people.batches(fit, 4, 1, epoch)
        assert [len(part) for part in parts] == [4, 3, 3]
        positions = np.concatenate(parts)
        owners = [next(i for i, own in enumerate(fit.people) if p in own) for p in positions]
        assert sorted(owners) == list(range(10))
        seen |= set(positions.tolist())
    assert seen == set(range(11))


def test_sites_come_with_their_data_set(fit):
    assert set(fit.sites) == {"toy/A"}


@pytest.mark.parametrize(
    ("sampling", "share_of_b", "share_of_old"),
    # Of 120 people 20 are of site B and 30 old. Where cells are joint, half of each: two of four.
    [
        ("uniform", 20 / 120, 30 / 120),
        ("site", 1 / 2, (1 / 2) * (20 / 100) + (1 / 2) * (10 / 20)),
        ("age", (1 / 2) * (10 / 90) + (1 / 2) * (10 / 30), 1 / 2),
        ("age_and_site", 1 / 2, 1 / 2),
    ],
)
def test_what_is_balanced_comes_equally_often(sampling, share_of_b, share_of_old):
    group = unbalanced()
    drawn = []
    for epoch in range(300):
        parts = people.batches(group, 6, 1, epoch, sampling)
        assert [len(part) for part in parts] == [6] * 20
        assert all(len(set(part.tolist())) == 6 for part in parts)
        drawn.append(np.concatenate(parts))
    drawn = np.concatenate(drawn)
    # 36,000 draws; that nobody comes twice in a batch of 6 holds small cells back a little.
    assert np.mean(group.sites[drawn] == "B") == pytest.approx(share_of_b, abs=0.03)
    assert np.mean(group.ages[drawn] > 50) == pytest.approx(share_of_old, abs=0.03)
    of_one_cell = collections.Counter(drawn[drawn >= 110].tolist())
    assert max(of_one_cell.values()) < 1.5 * min(of_one_cell.values())


@pytest.mark.parametrize("sampling", ["uniform", "age", "site", "age_and_site"])
def test_batches_follow_from_seed_and_epoch(sampling):
    group = unbalanced()

    def drawn(*arguments):
        return np.concatenate(people.batches(group, 16, *arguments, sampling)).tolist()

    assert drawn(1, 2) == drawn(1, 2)
    assert drawn(1, 2) != drawn(1, 3)
    assert drawn(1, 2) != drawn(2, 2)


def test_more_than_all_of_a_cell_still_makes_a_batch():
    parts = people.batches(unbalanced(), 120, 1, 1, "age_and_site")
    assert sorted(parts[0].tolist()) == list(range(120))
