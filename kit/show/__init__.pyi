from . import plots as plots
from . import report as report
from . import widgets as widgets
from .tables import Table as Table
from .tables import show as show
