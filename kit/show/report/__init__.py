"""What a run leaves behind: the numbers, the figures, and one page that shows both and needs no other file."""

from __future__ import annotations

from kit.show.report.drawing import figures
from kit.show.report.folder import again, run_findings, run_lists, run_metrics, write_pages, write_pictures, write_run
from kit.show.report.origin import about, machine
from kit.show.report.together import side_by_side

__all__ = [
    "about",
    "again",
    "figures",
    "machine",
    "run_findings",
    "run_lists",
    "run_metrics",
    "side_by_side",
    "write_pages",
    "write_pictures",
    "write_run",
]
