from . import plots as plots, report as report, widgets as widgets
from .said import said as said
from .tables import Folded as Folded, Table as Table, best_table as best_table, score_table as score_table, show as show
