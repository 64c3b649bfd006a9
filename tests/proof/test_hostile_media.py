"""Four hundred pictures and films that mean harm: each is refused, or comes out clean, and nothing else happens."""

import pytest

from tests.proof.hostile_run import MEMBER, PLAN, PROVIDER, Findings, cases, play

pytestmark = pytest.mark.timeout(900)

LARGEST_GROWTH = 32 << 20
# Kinds that are refused whatever the dice say, and such as are never refused.
NEVER_ACCEPTED = (
    (MEMBER, "bombs"),
    (MEMBER, "cut"),
    (MEMBER, "foreign formats"),
    (PROVIDER, "cut"),
    (PROVIDER, "playlists"),
)
NEVER_REFUSED = ((MEMBER, "polyglots"), (MEMBER, "canaries"), (PROVIDER, "canaries"))


@pytest.fixture(scope="module")
def found() -> Findings:
    findings = play()
    print(*findings.report(), sep="\n")
    return findings


def test_there_are_four_hundred_and_the_same_seed_makes_the_same():
    assert len(cases()) == 400
    lure = "http://127.0.0.1:9"
    some = cases()[::20]
    assert [case.body(7, lure) for case in some] == [case.body(7, lure) for case in some]
    assert [case.body(7, lure) for case in some] != [case.body(8, lure) for case in some]


def test_each_is_refused_by_name_or_comes_out_clean(found: Findings):
    assert not found.wrong, "\n".join(found.wrong)
    assert found.outcomes.total() == 400


def test_what_can_only_be_refused_is(found: Findings):
    assert [found.outcomes[sender, kind, "accepted"] for sender, kind in NEVER_ACCEPTED] == [0] * len(NEVER_ACCEPTED)


def test_what_only_carries_something_is_accepted_without_it(found: Findings):
    assert [found.outcomes[sender, kind, "refused"] for sender, kind in NEVER_REFUSED] == [0] * len(NEVER_REFUSED)


def test_every_kind_was_played(found: Findings):
    for sender, kind, count, _ in PLAN:
        assert found.outcomes[sender, kind, "accepted"] + found.outcomes[sender, kind, "refused"] == count


def test_nobody_is_asked_for_anything(found: Findings):
    assert (found.asked, found.sockets) == (1, 0), "the one is our own, to see that the lure counts"


def test_no_child_and_no_memory_stays_behind(found: Findings):
    assert found.left == 0
    assert found.grown < LARGEST_GROWTH
