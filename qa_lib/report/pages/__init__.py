"""What each notebook shows: a file per notebook, and the page they all open."""

from qa_lib.report.pages.page import ReportPage, open_page

__all__ = ["ReportPage", "open_page"]
