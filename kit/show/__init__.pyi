from . import plots as plots, report as report, widgets as widgets
from .tables import Table as Table, show as show
