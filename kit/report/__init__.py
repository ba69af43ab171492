"""What a run leaves behind: the numbers, the figures, and one page that shows both and needs no other file."""

from __future__ import annotations

from kit.report.drawing import figures
from kit.report.folder import again, run_metrics, run_verdicts, write_pages, write_pictures, write_run
from kit.report.origin import about, command, machine, read_metrics
from kit.report.together import side_by_side

__all__ = [
    "about",
    "again",
    "command",
    "figures",
    "machine",
    "read_metrics",
    "run_metrics",
    "run_verdicts",
    "side_by_side",
    "write_pages",
    "write_pictures",
    "write_run",
]
