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
        scanners=["x/A", "x/B"],
    )


def some(count):
    """People of one scan each."""
    return people.Group(
        scan_ids=[f"x_sub-{i}" for i in range(count)],
        rows=np.arange(count),
        ages=np.linspace(20, 80, count, dtype=np.float32),
        sites=np.full(count, "x/A"),
        people=[np.array([i]) for i in range(count)],
        scanners=["x/A"],
    )


@pytest.mark.parametrize(
    ("count", "size", "steps"),
    [(33, 32, [1] * 31 + [2]), (32, 32, [1]), (63, 32, [1, 2]), (20, 32, [1]), (10, 4, [2, 3])],
)
def test_every_batch_is_full_and_everyone_comes_equally_often(count, size, steps):
    group, counts = some(count), np.zeros(count, dtype=int)
    for epoch in range(1, 101):
        parts = people.batches(group, size, 1, epoch)
        assert {len(part) for part in parts} == {min(size, count)}
        assert all(len(set(part.tolist())) == len(part) for part in parts)
        if epoch <= len(steps):
            assert len(parts) == steps[epoch - 1]
        counts += np.bincount(np.concatenate(parts), minlength=count)
        assert counts.max() - counts.min() <= 1
    assert counts.sum() == 100 * count // min(size, count) * min(size, count)


@pytest.mark.parametrize(("count", "size"), [(33, 32), (32, 32), (40, 32), (7, 32), (5, 4)])
def test_a_part_of_the_people_has_as_many_steps_as_all(count, size):
    group, whole, counts = some(count), some(100), np.zeros(count, dtype=int)
    for epoch in range(1, 41):
        parts = people.batches(group, size, 1, epoch, steps_people=100)
        assert len(parts) == len(people.batches(whole, size, 1, epoch))
        assert {len(part) for part in parts} == {min(size, count)}
        assert all(len(set(part.tolist())) == len(part) for part in parts)
        counts += np.bincount(np.concatenate(parts), minlength=count)
        assert counts.max() - counts.min() <= 1


def test_each_scan_of_a_person_comes(fit):
    seen = set()
    for epoch in range(1, 21):
        (positions,) = people.batches(fit, 10, 1, epoch)
        owners = [next(i for i, own in enumerate(fit.people) if p in own) for p in positions]
        assert sorted(owners) == list(range(10))
        seen |= set(positions.tolist())
    assert seen == set(range(11))


def test_neighbours_in_the_round_do_not_stay_together():
    batches = [frozenset(people.batches(some(8), 4, 1, e)[0].tolist()) for e in range(1, 30)]
    assert len(set(batches)) > 10


def test_sites_come_with_their_data_set(fit):
    assert set(fit.sites) == {"toy/A"}


@pytest.mark.parametrize(
    ("sampling", "share_of_b", "share_of_old"),
    # Of 120 people 20 are of site B and 30 old. Where cells are joint, half of each: two of four.
    [
        ("uniform", 20 / 120, 30 / 120),
        pytest.param(
            "site", 1 / 2, (1 / 2) * (20 / 100) + (1 / 2) * (10 / 20), marks=pytest.mark.slow
        ),
        pytest.param(
            "age", (1 / 2) * (10 / 90) + (1 / 2) * (10 / 30), 1 / 2, marks=pytest.mark.slow
        ),
        pytest.param("age_and_site", 1 / 2, 1 / 2, marks=pytest.mark.slow),
    ],
)
def test_what_is_balanced_comes_equally_often(sampling, share_of_b, share_of_old):
    group = unbalanced()
    drawn = []
    for epoch in range(1, 61):
        parts = people.batches(group, 6, 1, epoch, sampling)
        assert [len(part) for part in parts] == [6] * 20
        assert all(len(set(part.tolist())) == 6 for part in parts)
        drawn.append(np.concatenate(parts))
    drawn = np.concatenate(drawn)
    # 7,200 draws; that nobody comes twice in a batch of 6 holds small cells back a little.
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
