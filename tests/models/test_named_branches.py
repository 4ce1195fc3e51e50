"""Surface branches that the literature counts, along the usual paths of the fcc faces."""

import numpy as np
import pytest
from known import slab

BRANCHES = "surface_branch surface_branch_surface_weight"


def branches(surface, k_points):
    """Branches of the half space that somewhere have half of their weight in three layers."""
    got = slab(BRANCHES, surface=surface, layers="infinite", k_points=k_points)
    most = np.nan_to_num(got["surface_branch_surface_weight"]).max(axis=0)
    return got["surface_branch"], int((most >= 0.5).sum())


@pytest.mark.long
def test_the_111_face_has_the_five_branches_that_wallis_names():
    assert branches("111", 90)[1] == 5


@pytest.mark.long
@pytest.mark.parametrize(("surface", "number"), [("111", 5), ("100", 11), ("110", 10)])
def test_branches_that_reach_half_weight_are_counted(surface, number):
    """Wallis names five, at least nineteen (many of them in deeper layers) and ten."""
    assert branches(surface, 121)[1] == number


@pytest.mark.long
def test_branches_of_few_wavevectors_do_not_take_the_room_of_others():
    """On (100) more than 24 branches begin before M, most of them just off a band."""
    found, _ = branches("100", 121)
    at_m = found[70][np.isfinite(found[70])]

    assert np.isfinite(found).any(axis=0).all()
    np.testing.assert_allclose(np.sort(at_m)[:3], [11.64230, 18.02391, 18.80047], rtol=1e-6)
