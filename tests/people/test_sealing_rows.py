"""Secrets of before are sealed at a start, and a start without the key that some are sealed with is refused."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from fablab.base.sealing import SealError, is_sealed
from fablab.notices import hooks
from fablab.notices.models import Hook
from fablab.people import sealing
from fablab.people.access.models import Factor, of_factor
from tests.lab import Lab


def kept_in_clear(lab: Lab) -> None:
    """As the version before wrote them."""
    with lab.database.begin() as uow:
        row, _ = hooks.add(uow, "Home", "https://hooks.example.org/", ["run.*"])
        row.secret = "whsec_clear"
        uow.session.add(Factor(member_id=lab.staff.member_id, secret="JBSWY3DPEHPK3PXP", made_at=uow.now))


def test_what_an_earlier_version_kept_in_clear_is_sealed_once(any_lab: Lab) -> None:
    lab = any_lab
    kept_in_clear(lab)
    assert sealing.seal_all(lab.database) == 2
    assert sealing.seal_all(lab.database) == 0
    with lab.database.read() as uow:
        factor, hook = uow.session.scalars(select(Factor)).one(), uow.session.scalars(select(Hook)).one()
        assert is_sealed(factor.secret)
        assert uow.sealer.open(factor.secret, of_factor(factor.member_id)) == "JBSWY3DPEHPK3PXP"
        assert uow.sealer.open(hook.secret, hooks.of_hook(hook.id)) == "whsec_clear"
        for table in ("factors", "hooks"):
            stored = str(uow.session.execute(text(f"SELECT * FROM {table}")).all())
            assert "JBSWY3DP" not in stored
            assert "whsec_" not in stored


def test_a_start_without_the_key_is_refused_and_makes_no_other(lab: Lab) -> None:
    kept_in_clear(lab)
    sealing.seal_all(lab.database)
    path = lab.database.sealer.path
    assert path is not None
    path.unlink()
    with pytest.raises(SealError, match="backup"):
        sealing.seal_all(lab.database)
    assert not path.exists()
