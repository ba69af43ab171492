from . import plots as plots, report as report, widgets as widgets
from .said import said as said
from .tables import Table as Table, show as show
