"""The paper's tables as figures, and the scores of runs beside them."""
