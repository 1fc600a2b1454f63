"""Verification: whether the topic holds every row of the table once, unchanged, in order."""

from __future__ import annotations

from mainstem.verification.proof import VerifySettings, verify
from mainstem.verification.report import Difference, Differences, Report

__all__ = ["Difference", "Differences", "Report", "VerifySettings", "verify"]
