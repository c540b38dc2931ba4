"""Many models times many seeds on one record, judged alike, kept cell by cell, told as one tree and one table."""

from physode.comparison.files import open_result as open_result
from physode.comparison.fitted import fitted_models as fitted_models
from physode.comparison.folder import ResultFolder as ResultFolder
from physode.comparison.job import compare as compare
from physode.comparison.overview import overview as overview
from physode.comparison.overview import overview_text as overview_text
from physode.comparison.status import failures as failures
from physode.comparison.store import CellStore as CellStore
from physode.comparison.table import summary as summary

__all__ = ["CellStore", "ResultFolder", "compare", "failures", "fitted_models", "open_result", "overview", "overview_text", "summary"]
