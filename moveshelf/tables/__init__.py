"""Tables of what objects hold, and the workbooks that laboratories make of them. Needs the extra `pandas`.

Example:
    >>> table = project.table("sessions")
    >>> moveshelf.tables.to_excel(table, "sessions.xlsx", template_tabs=project.template.tabs("sessions"))
"""

from .excel import to_excel
from .frame import frame
from .typed import LISTED, TableWarning, table

__all__ = ["LISTED", "TableWarning", "frame", "table", "to_excel"]
